import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build, stop } from 'esbuild'

/** The source, not what tsc made of it: the page is built for browsers, by esbuild. */
const PAGE = fileURLToPath(new URL('../../../test/clients/uppy-page/page.ts', import.meta.url))

const HTML = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Uppy</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
<div id="dashboard"></div>
<script src="page.js"></script>
</html>
`

/** The site whose page uploads: another origin than the server's. */
export class UppySite {
  readonly origin: string
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.origin = `http://127.0.0.1:${port}`
  }

  /** Builds page and styles, and serves them on a free port. */
  static async open(): Promise<UppySite> {
    const bundle = await built()
    const server = createServer((request, response) => {
      const name = new URL(request.url ?? '/', 'http://site.test').pathname
      const found = name === '/' ? { type: 'text/html', text: HTML } : bundle.get(name)
      if (found) response.setHeader('Content-Type', `${found.type}; charset=utf-8`)
      response.writeHead(found ? 200 : 404).end(found?.text)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the site listens on no port')
    return new UppySite(server, address.port)
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

async function built(): Promise<Map<string, { type: string; text: string }>> {
  const { outputFiles } = await build({
    entryPoints: [PAGE],
    bundle: true,
    write: false,
    outdir: '/',
    format: 'iife',
    minify: true,
    logLevel: 'silent',
  })
  await stop()
  const types = new Map([
    ['/page.js', 'text/javascript'],
    ['/page.css', 'text/css'],
  ])
  return new Map(outputFiles.map(({ path, text }) => [path, { type: types.get(path) ?? 'text/plain', text }]))
}
