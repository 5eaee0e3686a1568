import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'
import { underAttack } from '../helpers/under-attack.js'
import { unknownId, VERSION } from '../helpers/wire.js'

const test = suite('floods')
test.after(killServers)

const REQUESTS = 350_000
const REQUEST_BYTES = 80
const PIECE = 1_000
const ATTACK_MS = 2_500
/** The promise is 200 ms on an idle machine; tests share theirs. */
const P99_MS = 3_000

/** One request of 80 bytes. */
function padded(line: string, headers: readonly string[] = []): string {
  const text = [`${line} HTTP/1.1`, 'Host: localhost', ...headers, 'X: '].join('\r\n')
  return `${text}${'x'.repeat(Math.max(0, REQUEST_BYTES - 4 - text.length))}\r\n\r\n`
}

async function opened(server: TestServer): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  await bounded(30_000, once(socket, 'connect'), 'a connection')
  return socket
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Writes one request over and over, as fast as it is taken, for the time of an attack. */
async function flood(server: TestServer, text: string, reads: boolean): Promise<void> {
  const socket = await opened(server)
  if (reads) socket.resume()
  const piece = Buffer.from(text.repeat(PIECE))
  let left = REQUESTS
  const write = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= PIECE
      if (!socket.write(piece)) return void socket.once('drain', write)
    }
  }
  write()
  await wait(ATTACK_MS)
  socket.destroy()
}

const FLOODS: Readonly<
  Record<string, { readonly text: string; readonly sockets: number; readonly reads: boolean }>
> = {
  'pipelined GETs': { text: padded('GET /x'), sockets: 1, reads: true },
  'pipelined GETs of /healthz': { text: padded('GET /healthz'), sockets: 1, reads: true },
  'pipelined OPTIONS, HEADs of an unknown upload, POSTs without a body and PUTs': {
    text:
      padded('OPTIONS /files') +
      padded(`HEAD /files/${unknownId()}`, [VERSION]) +
      padded('POST /files') +
      padded('PUT /files'),
    sockets: 1,
    reads: true,
  },
  'the shortest GETs, on 200 connections': {
    text: 'GET / HTTP/1.1\r\nHost:x\r\n\r\n',
    sockets: 200,
    reads: true,
  },
  'pipelined GETs of /api/status whose answers nobody reads, on 50 connections': {
    text: padded('GET /api/status'),
    sockets: 50,
    reads: false,
  },
  'empty lines, on 20 connections': { text: '\r\n'.repeat(40), sockets: 20, reads: true },
}

for (const [name, { text, sockets, reads }] of Object.entries(FLOODS)) {
  test(`"One connection cannot hurt another": ${name}`, async () => {
    const server = await startServer(['--log-level', 'silent'])
    const { failures, p99Ms } = await underAttack(name, server, async () => {
      await Promise.all(Array.from({ length: sockets }, () => flood(server, text, reads)))
    })
    assert.equal(failures, [])
    assert.ok(p99Ms < P99_MS, `${p99Ms} ms`)
    assert.is((await statusOf(server)).faults.requests, 0)
    assert.is(await server.stop(), 0)
  })
}

test('"Memory stays within its bound": heads of 60 KiB that never end, on 800 connections', async () => {
  const server = await startServer(['--log-level', 'silent'])
  const name = 'unfinished heads of 60 KiB on 800 connections'
  const head = `GET / HTTP/1.1\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(60)}`
  const { failures, p99Ms } = await underAttack(name, server, async () => {
    const sockets = await Promise.all(Array.from({ length: 800 }, () => opened(server)))
    for (const socket of sockets) socket.resume().write(head)
    await wait(ATTACK_MS)
    for (const socket of sockets) socket.destroy()
  })
  assert.equal(failures, [])
  assert.ok(p99Ms < P99_MS, `${p99Ms} ms`)
  assert.is(await server.stop(), 0)
})

test.run()
