/**
 * `node dist/test/bench/thousand-readers.js [readers] [rounds] [MiB]`: what event streams cost uploads. Ten uploads at
 * once of so many MiB each, in rounds with and without so many readers of `GET /api/events`. It prints the ratio of the
 * speeds, and the memory above that of the idle server.
 *
 * `node dist/test/bench/thousand-readers.js watched [MiB]`: the memory of ten uploads while ten readers, the page's
 * questions and a scraper of the metrics are at it.
 *
 * The server, and the readers in a process of their own, raise their limit of open files to the hard limit.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { shippedNodeFlags } from '../helpers/shipped.js'
import { type Child, start } from './children.js'
import { load } from './load.js'
import { resetPeak, rssOf, usageOf } from './usage.js'
import { defaultFolder, Workspace } from './workspace.js'

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))
const SELF = fileURLToPath(import.meta.url)
const MIB = 2 ** 20
const UPLOADS = 10
const STARTS_WITHIN_MS = 60_000
const SETTLE_MS = 2_000
const ASKED_EVERY_MS = 1_000
/** Readers that connect at once: the system's queue of new connections is short. */
const CONNECTING = 50

/** Starts a program with as many open files as the system allows it. */
function startUnlimited(args: readonly string[]): Child {
  return start('sh', ['-c', 'ulimit -Sn "$(ulimit -Hn)" && exec "$@"', 'sh', process.execPath, ...args])
}

interface Server {
  readonly child: Child
  readonly url: string
  readonly idleBytes: number
}

async function startServer(folder: string, readers: number): Promise<Server> {
  const flags = ['--port', '0', '--min-free', '0', '--event-streams', String(readers), '--log-level', 'warn']
  const child = startUnlimited([...shippedNodeFlags(), MAIN, ...flags, '--data-dir', folder])
  const url = await child.says(/http:\/\/\S+/, STARTS_WITHIN_MS)
  const { connections, eventStreams } = await statusOf(url)
  if (eventStreams.limit < readers)
    throw new Error(
      `the hard limit of open files leaves ${connections.limit} connections, too few for ${readers} readers; ` +
        'raise it with ulimit -Hn, or give fewer readers',
    )
  await pause(SETTLE_MS)
  const idleBytes = rssOf(child.pid)
  resetPeak(child.pid)
  return { child, url, idleBytes }
}

interface Status {
  readonly connections: { readonly limit: number }
  readonly eventStreams: { readonly taken: number; readonly limit: number }
}

async function statusOf(url: string): Promise<Status> {
  return (await fetch(new URL('/api/status', url))).json() as Promise<Status>
}

/** Opens so many streams in a process of its own, and resolves when the server has answered all of them. */
async function startReaders(url: string, readers: number): Promise<Child> {
  const child = startUnlimited([SELF, 'read', url, String(readers)])
  await child.says(/all are open/, STARTS_WITHIN_MS)
  return child
}

/** MB a second of all uploads together. */
async function uploadSpeed(url: string, bytes: number): Promise<number> {
  const about = { answersDigest: true, digestFolder: null, headers: [], remove: true }
  const server = { url, method: 'tus', ...about } as const
  const { seconds } = await load({ kind: 'upload', server, bytes, parallel: UPLOADS })
  return (UPLOADS * bytes) / 1e6 / seconds
}

/** MB above the idle server at the peak since the last look. */
function aboveIdle({ child, idleBytes }: Server): number {
  const peakBytes = usageOf(child.pid)?.peakRssBytes ?? 0
  resetPeak(child.pid)
  return (peakBytes - idleBytes) / 1e6
}

async function compare(server: Server, readers: number, rounds: number, bytes: number): Promise<void> {
  const speeds: { alone: number[]; read: number[] } = { alone: [], read: [] }
  await uploadSpeed(server.url, bytes / 4)
  aboveIdle(server)
  const one = async (what: 'alone' | 'read'): Promise<void> => {
    const child = what === 'read' ? await startReaders(server.url, readers) : undefined
    try {
      const speed = await uploadSpeed(server.url, bytes)
      speeds[what].push(speed)
      const { taken } = (await statusOf(server.url)).eventStreams
      const above = aboveIdle(server).toFixed(0)
      console.log(
        `${what === 'read' ? `${taken} readers` : 'no readers'}: ${speed.toFixed(0)} MB/s, ${above} MB above idle`,
      )
      if (child && taken < readers) throw new Error(`only ${taken} of ${readers} readers were left`)
    } finally {
      await child?.kill()
      await pause(SETTLE_MS)
    }
  }
  for (let round = 0; round < rounds; round += 1)
    for (const what of round % 2 === 0 ? (['alone', 'read'] as const) : (['read', 'alone'] as const))
      await one(what)
  const ratio = median(speeds.read) / median(speeds.alone)
  console.log(`uploads with ${readers} readers have ${ratio.toFixed(2)} of their speed without (medians)`)
}

async function watched(server: Server, readers: number, bytes: number): Promise<void> {
  const child = await startReaders(server.url, readers)
  const paths = ['/', '/api/status', '/api/uploads?limit=25', '/metrics']
  const ask = async (): Promise<void> => {
    for (const path of paths) await (await fetch(new URL(path, server.url))).arrayBuffer()
  }
  let failed: unknown
  const timer = setInterval(() => {
    ask().catch((error: unknown) => {
      failed = error
    })
  }, ASKED_EVERY_MS)
  try {
    const speed = await uploadSpeed(server.url, bytes)
    if (failed !== undefined) throw failed
    const above = aboveIdle(server).toFixed(0)
    const idle = (server.idleBytes / 1e6).toFixed(0)
    console.log(`page, metrics and ${readers} readers on: ${speed.toFixed(0)} MB/s, idle ${idle} MB`)
    console.log(`${above} MB above idle (< 50)`)
  } finally {
    clearInterval(timer)
    await child.kill()
  }
}

/** The process of the readers: opens the streams, and reads what comes until it is ended. */
async function read(url: string, readers: number): Promise<void> {
  for (let open = 0; open < readers; open += CONNECTING)
    await Promise.all(
      Array.from({ length: Math.min(CONNECTING, readers - open) }, () => openStream(new URL(url))),
    )
  process.stdout.write('all are open\n')
}

async function openStream({ hostname, port }: URL): Promise<Socket> {
  const socket = connect(Number(port), hostname)
  socket.write(`GET /api/events HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`)
  const [first] = await once(socket, 'data')
  if (!String(first).startsWith('HTTP/1.1 200 ')) throw new Error(`a reader was answered ${String(first)}`)
  socket.on('close', () => {
    console.error('the server has ended a stream')
    process.exit(1)
  })
  return socket.resume()
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

async function main([first = '1000', ...rest]: readonly string[]): Promise<void> {
  if (first === 'read') return read(rest[0] ?? '', Number(rest[1]))
  const isWatched = first === 'watched'
  const readers = isWatched ? 10 : Number(first)
  const mib = Number((isWatched ? rest[0] : rest[1]) ?? (isWatched ? 1_024 : 256))
  const bytes = mib * MIB
  const workspace = new Workspace(defaultFolder(2 * UPLOADS * bytes))
  await workspace.warm(UPLOADS * bytes)
  const server = await startServer(await workspace.fresh(), readers)
  try {
    if (isWatched) await watched(server, readers, bytes)
    else await compare(server, readers, Number(rest[0] ?? 5), bytes)
  } finally {
    await server.child.kill()
  }
}

await main(process.argv.slice(2))
