import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shippedNodeFlags } from './shipped.js'
import { bounded } from './test.js'

const MAIN = new URL('../../server/main.js', import.meta.url).pathname
const START_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 30_000
/** What Node says of a file that nobody closed: a warning, and an error from Node 25 on. */
const LEFT_OPEN = /^.*\b(?:on|during) garbage collection.*$/m

/** A Lading in a process of its own, on a free port, with a data folder of its own. */
export interface TestServer {
  /** The creation URL. */
  readonly url: string
  /** Scheme, host and port. */
  readonly origin: string
  readonly port: number
  readonly pid: number
  readonly dataDir: string
  readonly process: ChildProcess
  /** What it logged so far. */
  log(): string
  /**
   * Sends a signal and resolves with the exit code, null where the signal ended it. Rejects, once, where Node has
   * warned that the server left a file open.
   */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is removed when the test process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lading-test-'))
  folders.push(folder)
  return folder
}

/** How a server's process is begun. */
export interface Beginning {
  /** What `ulimit -n` says in it. */
  readonly openFiles?: number
  /** Flags for Node. */
  readonly nodeFlags?: readonly string[]
}

/** Starts a server; it is killed with the test process. Small disks are allowed unless `--min-free` is given. */
export async function startServer(
  flags: readonly string[] = [],
  dataDir = join(temporaryFolder(), 'data'),
  logTo: 'pipe' | number = 'pipe',
  beginning: Beginning = {},
): Promise<TestServer> {
  const minFree = flags.includes('--min-free') ? [] : ['--min-free', '0']
  const args = ['--port', '0', '--data-dir', dataDir, '--log-format', 'json', ...minFree, ...flags]
  const { openFiles, nodeFlags = [] } = beginning
  const node = [process.execPath, ...shippedNodeFlags(), ...nodeFlags, MAIN, ...args]
  const limited = openFiles === undefined ? [] : ['sh', '-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh']
  const [program = '', ...rest] = [...limited, ...node]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', logTo] })
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  let log = ''
  let isWarned = false
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const exited = once(child, 'exit').then(([code]) => {
    process.off('exit', kill)
    return typeof code === 'number' ? code : null
  })
  const url = await bounded(
    START_WITHIN_MS,
    firstAddress(child, exited, () => log),
    'the address',
  )
  const { origin, port } = new URL(url)
  return {
    url,
    origin,
    port: Number(port),
    pid: child.pid ?? 0,
    dataDir,
    process: child,
    log: () => log,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      const code = await bounded(STOP_WITHIN_MS, exited, `the end by ${signal}`)
      const warning = isWarned ? null : LEFT_OPEN.exec(log)
      isWarned ||= warning !== null
      if (warning) throw new Error(`the server left a file open: ${warning[0]}`)
      return code
    },
  }
}

function firstAddress(child: ChildProcess, exited: Promise<unknown>, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text
      const found = /http:\/\/\S+/.exec(out)
      if (found) resolve(found[0])
    })
    exited.then((code) => reject(new Error(`the server ended with ${code}: ${log()}`)))
  })
}

export interface Status {
  readonly connections: { readonly open: number; readonly limit: number }
  readonly faults: { readonly requests: number }
  readonly slots: { readonly taken: number; readonly limit: number; readonly waiting: number }
  readonly downloads: { readonly taken: number; readonly limit: number }
  readonly arena: { readonly blocks: number; readonly free: number; readonly blockBytes: number }
  readonly uploads: { readonly unfinished: number; readonly limit: number }
  readonly records: { readonly queued: number; readonly lagMs: number }
  readonly eventLoop: { readonly p50Ms: number; readonly p99Ms: number }
  readonly memory: { readonly rssBytes: number; readonly rssPeakBytes: number }
  readonly disk: { readonly freeBytes: number; readonly freeInodes: number | null }
  readonly active: readonly { readonly id: string; readonly offset: number }[]
}

/** `GET /api/status`. */
export async function statusOf(server: Pick<TestServer, 'origin'>): Promise<Status> {
  const answer = await send(server.origin, { method: 'GET', path: '/api/status' })
  return JSON.parse(answer.text)
}

/** Asks again and again until `look` gives something; fails after `ms`. For states that announce themselves nowhere. */
export async function eventually<T>(
  ms: number,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const until = Date.now() + ms
  for (;;) {
    const seen = await look()
    if (seen !== undefined) return seen
    if (Date.now() > until) throw new Error(`${what} did not come within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export interface TestRequest {
  readonly method: string
  /** A path, or a whole URL of the same server. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | number>>
  readonly body?: Uint8Array | string
}

export interface TestAnswer {
  readonly status: number
  /** The words behind the status. */
  readonly reason: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly bytes: Buffer
}

/** Sends one HTTP request on a connection of its own and reads the whole answer. */
export function send(origin: string, wanted: TestRequest): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      new URL(wanted.path, origin),
      { method: wanted.method, headers: wanted.headers ?? {}, agent: false },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const bytes = Buffer.concat(parts)
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            headers: response.headers,
            text: bytes.toString(),
            bytes,
          })
        })
      },
    )
    request.on('error', reject)
    request.end(wanted.body)
  })
}

const VERSION = { 'Tus-Resumable': '1.0.0' }

/** The tus requests as a client sends them; each resolves with the whole answer. */
export const tus = {
  /** POST; `length` null defers it. */
  create: (server: TestServer, length: number | null, headers: Record<string, string> = {}) =>
    send(server.origin, {
      method: 'POST',
      path: server.url,
      headers: {
        ...VERSION,
        ...(length === null ? { 'Upload-Defer-Length': 1 } : { 'Upload-Length': length }),
        ...headers,
      },
    }),
  /** POST of a final upload of these parts. */
  join: (server: TestServer, parts: readonly string[], headers: Record<string, string> = {}) =>
    send(server.origin, {
      method: 'POST',
      path: server.url,
      headers: { ...VERSION, 'Upload-Concat': `final;${parts.join(' ')}`, ...headers },
    }),
  head: (server: TestServer, location: string) =>
    send(server.origin, { method: 'HEAD', path: location, headers: VERSION }),
  patch: (
    server: TestServer,
    location: string,
    offset: number,
    body: Uint8Array | string,
    headers: Record<string, string> = {},
  ) =>
    send(server.origin, {
      method: 'PATCH',
      path: location,
      headers: {
        ...VERSION,
        'Upload-Offset': offset,
        'Content-Type': 'application/offset+octet-stream',
        'Content-Length': Buffer.byteLength(body),
        ...headers,
      },
      body,
    }),
  remove: (server: TestServer, location: string) =>
    send(server.origin, { method: 'DELETE', path: location, headers: VERSION }),
}

/** The Location of a creation's answer; fails where there is none. */
export function locationOf(answer: TestAnswer): string {
  const { location } = answer.headers
  if (typeof location !== 'string') throw new Error(`no Location with ${answer.status}: ${answer.text}`)
  return location
}

/** The id in an upload's URL. */
export function idOf(location: string): string {
  return location.slice(location.lastIndexOf('/') + 1)
}

/** Where the bytes of an upload lie. */
export function fileOf(server: Pick<TestServer, 'dataDir'>, id: string): string {
  return join(server.dataDir, 'uploads', id.slice(0, 4), id.slice(4, 6), id.slice(6, 8), id)
}
