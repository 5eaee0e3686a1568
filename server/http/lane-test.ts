import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Feed } from './feed.js'
import { isLent, lendTo } from './lane.js'

const WITHIN_MS = 5_000
const BODY_BYTES = 1024 * 1024
const BODIES = 2

let result: Promise<boolean> | undefined

/**
 * Tells whether lanes work on this Node: two bodies on one connection come through one whole, and the request behind
 * them is served. It takes some 50 ms, once in a process. It is tried twice, because a busy machine may fail it once.
 */
export function laneWorks(): Promise<boolean> {
  result ??= tryLane().then((works) => works || tryLane())
  return result
}

function tryLane(): Promise<boolean> {
  return testLane().catch(() => false)
}

async function testLane(): Promise<boolean> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), WITHIN_MS)
  const failed = (): void => late.abort()
  let lentBytes = 0
  const server = createServer()
  const feeds = new Map<Socket, Feed>()
  server.on('connection', (socket) => feeds.set(socket, openFeed(socket, failed)))
  server.on('request', (request, response) => {
    const feed = feeds.get(request.socket)
    feed?.began(request, false)
    response.on('finish', () => {
      feed?.answered()
      feed?.goOn()
    })
    answerWithDigest(request, response, (bytes) => {
      lentBytes += bytes
    })
  })
  try {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening', late)
    const body = Buffer.from(Uint32Array.from({ length: BODY_BYTES / 4 }, (_, i) => i * 2_654_435_761).buffer)
    const answers = await ask(server.address() as AddressInfo, body, late.signal)
    const digest = createHash('sha256').update(body).digest('hex')
    const none = createHash('sha256').digest('hex')
    return answers === [digest, digest, none].join('') && lentBytes > (BODIES * BODY_BYTES) / 2
  } finally {
    clearTimeout(timer)
    server.closeAllConnections()
    server.close()
  }
}

function openFeed(socket: Socket, failed: () => void): Feed {
  const nothing = (): void => {}
  return new Feed(socket, {
    ...{ laneFromBytes: 0, isFull: () => false, received: nothing, came: nothing, counted: nothing },
    mayParse: () => true,
    takeTurn: (goOn) => setImmediate(goOn),
    overflowed: failed,
    threw: failed,
  })
}

/** Answers with the digest of the body, which it stops once to read. */
function answerWithDigest(
  request: IncomingMessage,
  response: ServerResponse,
  lent: (bytes: number) => void,
): void {
  const hash = createHash('sha256')
  let hasPaused = false
  lendTo({ roomBytes: 0 }, request)
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    if (!isLent(chunk)) return
    lent(chunk.length)
    if (hasPaused) return
    hasPaused = true
    request.pause()
    setImmediate(() => request.resume())
  })
  request.on('end', () => response.end(hash.digest('hex')))
}

/** Sends the bodies and a request without one, and resolves with the texts of their answers. */
async function ask({ port }: AddressInfo, body: Buffer, signal: AbortSignal): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const end = (): void => void socket.destroy()
  signal.addEventListener('abort', end)
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
  })
  for (let sent = 0; sent < BODIES; sent++) {
    socket.write(`PUT / HTTP/1.1\r\nHost: lane\r\nContent-Length: ${body.length}\r\n\r\n`)
    socket.write(body)
  }
  socket.write('GET / HTTP/1.1\r\nHost: lane\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  signal.removeEventListener('abort', end)
  return [...text.matchAll(/^[0-9a-f]{64}/gm)].join('')
}
