import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './free-port.js'
import { type TestServer, temporaryFolder } from './server.js'
import { bounded } from './test.js'

const PAGE = new URL('../../../server/http/README.md', import.meta.url)
/** The page about S3, which has a configuration for two nodes. */
const NODES_PAGE = new URL('../../../server/s3/README.md', import.meta.url)
const MARKED = /<!-- nginx -->\n\n```nginx\n([\s\S]*?)```\n\n<!-- \/nginx -->/
const START_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 30_000
const PORTS_TO_TRY = 5

/** A piece of the documented configuration, and its replacement. */
export type Edit = readonly [from: string, to: string]

/** Without TLS and HTTP/2, for clients that write their HTTP by hand. */
export const PLAIN: readonly Edit[] = [
  ['listen 443 ssl http2;', 'listen 443;'],
  ['ssl_certificate     /etc/ssl/up.example.crt;\n', ''],
  ['ssl_certificate_key /etc/ssl/up.example.key;\n', ''],
]

/** Lets nginx store a whole body before Lading sees any of it, as it does by default. */
export const BUFFERED: Edit = ['proxy_request_buffering off;', 'proxy_request_buffering on;']

/** A self-signed certificate for `localhost` and 127.0.0.1. */
export interface Certificate {
  readonly text: string
  readonly path: string
  readonly keyPath: string
}

/** An nginx in a process of its own, on a free port, which writes into a folder of its own only. */
export interface Nginx {
  readonly port: number
  readonly pid: number
  /** What it has logged. */
  log(): string
  /** How many bytes of requests lie on its disk. */
  bufferedBytes(): number
  stop(): Promise<void>
}

/** Makes a certificate with openssl; it lasts two days. */
export function selfSigned(): Certificate {
  const folder = temporaryFolder()
  const [path, keyPath] = [join(folder, 'localhost.crt'), join(folder, 'localhost.key')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath]
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...name, '-out', path], { stdio: 'pipe' })
  return { text: readFileSync(path, 'utf8'), path, keyPath }
}

/** The edits that name a certificate. */
export function withCertificate({ path, keyPath }: Certificate): readonly Edit[] {
  return [
    ['/etc/ssl/up.example.crt', path],
    ['/etc/ssl/up.example.key', keyPath],
  ]
}

/** `text` with every edit made; fails for one whose piece is not there, as a test would try something else then. */
export function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the documented configuration of nginx has no ${from}`)
    return before.replaceAll(from, () => to)
  }, text)
}

/** Starts nginx with the documented configuration in front of `target`; it ends with the test process. */
export function startNginx(target: Pick<TestServer, 'port'>, edits: readonly Edit[] = []): Promise<Nginx> {
  return startedAnywhere((port) => {
    const places: Edit[] = [
      ['server 127.0.0.1:1080;', `server 127.0.0.1:${target.port};`],
      ['listen 443', `listen 127.0.0.1:${port}`],
    ]
    return edited(documentedForOne(), [...edits, ...places])
  })
}

/** Starts nginx with the configuration that is documented for two nodes, without TLS; it ends with the test process. */
export function startNginxFor([one, other]: readonly Pick<TestServer, 'port'>[]): Promise<Nginx> {
  return startedAnywhere((port) => {
    const places: Edit[] = [
      ['server 10.0.0.11:1080;', `server 127.0.0.1:${one?.port};`],
      ['server 10.0.0.12:1080;', `server 127.0.0.1:${other?.port};`],
      ['listen 443', `listen 127.0.0.1:${port}`],
    ]
    return edited(documentedForNodes(), [...PLAIN, ...places])
  })
}

/** The configuration that is documented for two nodes. */
export function documentedForNodes(): string {
  return documented(MARKED, NODES_PAGE)
}

/** The configuration that is documented for one server. */
export function documentedForOne(): string {
  return documented(MARKED)
}

/** Starts nginx with the files of a folder, and these directives for them; it ends with the test process. */
export function startFileNginx(folder: string, directives: readonly string[]): Promise<Nginx> {
  return startedAnywhere((port) => {
    const all = [`listen 127.0.0.1:${port}`, `root ${folder}`, 'keepalive_requests 1000000', ...directives]
    return `server { ${all.map((each) => `${each};`).join(' ')} }`
  })
}

/** Starts nginx on a free port, for which `site` makes the configuration. */
async function startedAnywhere(site: (port: number) => string): Promise<Nginx> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const nginx = await started(port, site(port))
    if (typeof nginx !== 'string') return nginx
    if (attempt === PORTS_TO_TRY || !nginx.includes('in use'))
      throw new Error(`nginx did not start: ${nginx}`)
  }
}

/** A server as its clients see it through nginx. */
export function through(
  server: TestServer,
  { port }: Nginx,
  scheme = 'http',
  host = '127.0.0.1',
): TestServer {
  const origin = `${scheme}://${host}:${port}`
  return { ...server, port, origin, url: `${origin}${new URL(server.url).pathname}` }
}

/** The first group of `pattern` on a page, by default that about proxies. Throws an Error if nothing matches. */
export function documented(pattern: RegExp, page = PAGE): string {
  const found = pattern.exec(readFileSync(page, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`${page.pathname} has nothing like ${pattern}`)
  return found
}

/** Resolves with nginx, or with its log where it ended instead. */
async function started(port: number, site: string): Promise<Nginx | string> {
  const folder = temporaryFolder()
  const bodies = join(folder, 'client_body')
  const config = join(folder, 'nginx.conf')
  writeFileSync(config, mainConfig(folder, site))
  const child = spawn('nginx', ['-p', folder, '-c', config, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  const exited = once(child, 'exit').then(() => void process.off('exit', kill))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const listens = await bounded(START_WITHIN_MS, Promise.race([ready(child), exited]), 'nginx')
  if (listens !== true) return log
  return {
    port,
    pid: child.pid ?? 0,
    log: () => log,
    bufferedBytes: () => bytesIn(bodies, child.pid ?? 0),
    stop: () => {
      child.kill('SIGKILL')
      return bounded(STOP_WITHIN_MS, exited, 'the end of nginx')
    },
  }
}

// One process, so that one signal ends it and one figure is its memory. It would want to write into folders of the
// system else.
function mainConfig(folder: string, site: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
${site}
}
`
}

/** Resolves with true when it listens, which it does before the last of its first notices. */
function ready(child: ChildProcess): Promise<true> {
  return new Promise((resolve) => {
    let seen = ''
    child.stderr?.on('data', (text: string) => {
      seen += text
      if (seen.includes('getrlimit')) resolve(true)
    })
  })
}

/** nginx unlinks these files as it makes them, so only its own open ones show them; Linux only. */
function bytesIn(folder: string, pid: number): number {
  const descriptors = `/proc/${pid}/fd`
  return readdirSync(descriptors)
    .map((name) => join(descriptors, name))
    .filter((path) => linkOf(path).startsWith(folder))
    .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, bytes) => sum + bytes, 0)
}

/** '' for one that was closed in the meantime. */
function linkOf(descriptor: string): string {
  try {
    return readlinkSync(descriptor)
  } catch {
    return ''
  }
}
