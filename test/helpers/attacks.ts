import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { lockDatabase } from './locked-database.js'
import { locationOf, type TestServer, tus } from './server.js'

/** What goes on for `forMs` milliseconds; everything is given back before it resolves. */
export type Attack = (server: TestServer, forMs: number) => Promise<void>

/** The longest Upload-Metadata that is taken: its file name has 6,129 characters. */
export const LARGEST_METADATA = `filename ${'QUFB'.repeat(2043)}`

const FLOODING_CONNECTIONS = 16
const GET = 'GET /healthz HTTP/1.1\r\nHost: lading.test\r\n\r\n'
const PIPELINED = Buffer.from(GET.repeat(1000))
const DRIPPING_BODIES = 10
const SILENT_SOCKETS = 1000
const DOWNLOADS = 1000
const DOWNLOAD_BYTES = 16 * 2 ** 20
const DRIP = Buffer.from('1\r\na\r\n'.repeat(64))

/** Creates uploads as fast as they are answered, over 16 connections. Resolves with how many each status answered. */
export async function floodCreations(
  server: TestServer,
  forMs: number,
  metadata?: string,
): Promise<ReadonlyMap<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: FLOODING_CONNECTIONS })
  const counts = new Map<number, number>()
  const until = performance.now() + forMs
  const headers = {
    'Tus-Resumable': '1.0.0',
    'Upload-Length': 1000,
    ...(metadata === undefined ? {} : { 'Upload-Metadata': metadata }),
  }
  const flood = async (): Promise<void> => {
    while (performance.now() < until) {
      const status = await statusOf(agent, server.url, headers)
      counts.set(status, (counts.get(status) ?? 0) + 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: FLOODING_CONNECTIONS }, flood))
    return counts
  } finally {
    agent.destroy()
  }
}

/** The status of a POST's answer; 0 where there is none. */
function statusOf(agent: Agent, url: string, headers: Record<string, string | number>): Promise<number> {
  return new Promise((resolve) => {
    const request = httpRequest(url, { agent, method: 'POST', headers }, (response) => {
      response.on('error', () => resolve(0)).resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', () => resolve(0))
    request.end()
  })
}

/** Writes GETs of /healthz on one connection as fast as the server reads them. */
export async function pipelineGets(server: TestServer, forMs: number): Promise<void> {
  const [socket] = await openSockets(server, 1)
  socket?.resume()
  await whileOpen(forMs, [socket], async (until) => {
    while (performance.now() < until && socket?.writable) await written(socket, PIPELINED)
  })
}

/** Sends ten bodies in chunks of one byte, as fast as they are read. */
export async function dripChunks(server: TestServer, forMs: number): Promise<void> {
  const sockets = await openSockets(server, DRIPPING_BODIES)
  const head = [
    `POST ${new URL(server.url).pathname} HTTP/1.1\r\nHost: lading.test\r\nTus-Resumable: 1.0.0`,
    'Upload-Length: 1000000000\r\nContent-Type: application/offset+octet-stream',
    'Transfer-Encoding: chunked\r\n\r\n',
  ].join('\r\n')
  await whileOpen(forMs, sockets, async (until) => {
    const drip = async (socket: Socket): Promise<void> => {
      await written(socket, Buffer.from(head))
      while (performance.now() < until && socket.writable) await written(socket, DRIP)
    }
    await Promise.all(sockets.map(drip))
  })
}

/** Opens a thousand connections that send nothing. */
export async function openSilentSockets(server: TestServer, forMs: number): Promise<void> {
  const sockets = await openSockets(server, SILENT_SOCKETS)
  await whileOpen(forMs, sockets, () => setTimeout(forMs))
}

/** Asks a thousand times for one file of 16 MiB, and reads none of the answers. */
export async function ignoreDownloads(server: TestServer, forMs: number): Promise<void> {
  const path = await finishedUpload(server)
  const sockets = await openSockets(server, DOWNLOADS)
  for (const socket of sockets) {
    socket.pause()
    socket.write(`GET ${path} HTTP/1.1\r\nHost: lading.test\r\n\r\n`)
  }
  await whileOpen(forMs, sockets, () => setTimeout(forMs))
}

/** Creates uploads with the largest metadata while another process has locked the database. */
export async function floodLockedDatabase(server: TestServer, forMs: number): Promise<void> {
  const release = await lockDatabase(server)
  await floodCreations(server, forMs, LARGEST_METADATA).finally(release)
}

/** What the benchmark runs one after the other: names and attacks. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'pipelined GETs on one connection': pipelineGets,
  '10 bodies in chunks of one byte': dripChunks,
  '1,000 downloads that nobody reads': ignoreDownloads,
  'creations over 16 connections': async (server, forMs) => void (await floodCreations(server, forMs)),
  'creations with 8 KiB of metadata, database locked': floodLockedDatabase,
  '1,000 silent connections': openSilentSockets,
}

async function finishedUpload(server: TestServer): Promise<string> {
  const path = new URL(locationOf(await tus.create(server, DOWNLOAD_BYTES))).pathname
  const stored = await tus.patch(server, path, 0, Buffer.alloc(DOWNLOAD_BYTES, 'lading\n'))
  if (stored.status !== 204) throw new Error(`the file to download got ${stored.status}: ${stored.text}`)
  return path
}

/** Connections to the server; those that it refuses are left out, or closed by it later. */
async function openSockets(server: TestServer, count: number): Promise<Socket[]> {
  const opened = Array.from({ length: count }, () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    return new Promise<Socket>((resolve) => {
      socket.once('connect', () => resolve(socket)).once('close', () => resolve(socket))
    })
  })
  return Promise.all(opened)
}

/** Runs `work` until its time is over or every connection has been closed, then closes them. */
async function whileOpen(
  forMs: number,
  sockets: readonly (Socket | undefined)[],
  work: (until: number) => Promise<void>,
): Promise<void> {
  const until = performance.now() + forMs
  const over = new AbortController()
  // A write that nobody reads never ends by itself.
  const late = setTimeout(forMs, undefined, { signal: over.signal }).catch(() => {})
  await Promise.race([work(until), late]).finally(() => {
    over.abort()
    for (const socket of sockets) socket?.destroy()
  })
}

/** Resolves when the system has taken the bytes, or the connection has ended. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.write(bytes, () => resolve())
  })
}
