import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { embed } from '../../server/app.js'
import { freePort } from '../helpers/free-port.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, fileOf, idOf, locationOf, send, temporaryFolder } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'
import { OFFSET_TYPE, patchHeaders } from '../helpers/wire.js'

const test = suite('embedded in an application')

const WITHIN_MS = 30_000
const PAGE = new URL('../../../server/operation/README.md', import.meta.url)
const APP = new URL('../../server/app.js', import.meta.url)
const TUS = { 'Tus-Resumable': '1.0.0' }
const PATCH = { ...TUS, 'Upload-Offset': 0, 'Content-Type': OFFSET_TYPE }

/** Uploads a text through the application at `origin`, and gives it back. */
async function roundTrip(origin: string, path: string): Promise<void> {
  const text = 'as a whole\n'
  const created = await send(origin, {
    ...{ method: 'POST', path, headers: { ...TUS, 'Upload-Length': text.length } },
  })
  assert.is(created.status, 201, created.text)
  const location = locationOf(created)
  assert.match(location, new RegExp(`^${origin}${path}/\\d{8}-[0-9a-f]{32}$`))
  const patched = await send(origin, { method: 'PATCH', path: location, headers: PATCH, body: text })
  assert.is(patched.status, 204, patched.text)
  const digest = createHash('sha256').update(text).digest('base64')
  assert.is(patched.headers['repr-digest'], `sha-256=:${digest}:`)
  assert.is((await send(origin, { method: 'GET', path: location })).text, text)
  assert.is((await send(origin, { method: 'DELETE', path: location, headers: TUS })).status, 204)
}

test('an upload arrives through a handler that is mounted under a prefix, and close() ends a running one', async () => {
  const dataDir = join(temporaryFolder(), 'data')
  const lading = await embed({ dataDir, basePath: '/app/files', minFreeBytes: 0, logLevel: 'silent' })
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    const { url = '' } = request
    if (!url.startsWith('/app/files')) return response.end('the application')
    // As Express does it.
    Object.assign(request, { originalUrl: url, url: url.slice('/app/files'.length) || '/' })
    return lading.handle(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const origin = `http://127.0.0.1:${port}`
  await roundTrip(origin, '/app/files')
  assert.is((await send(origin, { method: 'GET', path: '/app/other' })).text, 'the application')
  assert.is((await send(origin, { method: 'GET', path: '/app/files/other' })).status, 404)

  const created = await send(origin, {
    ...{ method: 'POST', path: '/app/files', headers: { ...TUS, 'Upload-Length': 2000 } },
  })
  const { pathname } = new URL(locationOf(created))
  const raw = await RawConnection.open(port)
  await raw.head(`PATCH ${pathname}`, patchHeaders(0, 2000))
  await raw.write('a'.repeat(1000))
  const file = fileOf({ dataDir }, idOf(pathname))
  const sizeOf = (): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
  await eventually(WITHIN_MS, 'the first bytes', async () => sizeOf() > 0 || undefined)
  const [stopped] = await bounded(WITHIN_MS, Promise.all([raw.answer(), lading.close()]), 'the end')
  assert.is(stopped.status, 503)
  assert.match(stopped.text, /^shutting_down: /)
  assert.is(sizeOf(), 1000)
  assert.is((await send(origin, { method: 'GET', path: '/' })).text, 'the application')
  assert.is((await send(origin, { method: 'HEAD', path: pathname, headers: TUS })).status, 503)
  server.close()
  server.closeAllConnections()
  // What runs in the background begins without a request.
  const again = await embed({ dataDir, expireAfterMs: 10, minFreeBytes: 0, logLevel: 'silent' })
  await eventually(WITHIN_MS, 'the removal of what has expired', async () => sizeOf() === 0 || undefined)
  await again.close()
})

test('the application of the README takes an upload, and ends by SIGTERM', async () => {
  const example = /<!-- embed -->\n\n```js\n([\s\S]*?)```\n\n<!-- \/embed -->/.exec(
    readFileSync(PAGE, 'utf8'),
  )?.[1]
  if (example === undefined) throw new Error('the page has no <!-- embed --> … <!-- /embed -->')
  const [folder, port] = [temporaryFolder(), await freePort()]
  const script = join(folder, 'application.mjs')
  const code = example
    .replace("'lading'", () => `'${APP}'`)
    .replace('listen(3000)', `listen(${port}, '127.0.0.1')`)
  writeFileSync(script, code)
  const child = spawn(process.execPath, [script], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = once(child, 'exit')
  try {
    const origin = `http://127.0.0.1:${port}`
    await eventually(WITHIN_MS, 'the application', () =>
      send(origin, { method: 'GET', path: '/' }).then(
        ({ text }) => text || undefined,
        () => undefined,
      ),
    )
    await roundTrip(origin, '/files')
    child.kill('SIGTERM')
    assert.equal(await bounded(WITHIN_MS, exited, 'the end of the application'), [0, null])
  } finally {
    child.kill('SIGKILL')
  }
})

test.run()
