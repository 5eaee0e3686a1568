import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import { printedSeed, randomFrom } from '../helpers/sender.js'
import { eventually, fileOf, idOf, locationOf, send, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { patchHeaders } from '../helpers/wire.js'

const test = suite('lane')
test.after(killServers)

const MIB = 2 ** 20
const seed = printedSeed('lane')

/** Node's function that a lane reads with is there, and does nothing. */
const IDLE = `data:text/javascript,
import { createServer } from 'node:net'
const server = createServer().listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
let at = server._handle
while (!Object.hasOwn(at, 'useUserBuffer')) at = Object.getPrototypeOf(at)
at.useUserBuffer = () => {}
server.close()`.replaceAll('\n', ';')

/** The first address that is asked for cannot be had. */
const BUSY = `data:text/javascript,
import { Server } from 'node:net'
const { listen } = Server.prototype
Server.prototype.listen = () => {
  Server.prototype.listen = listen
  throw new Error('EADDRNOTAVAIL')
}`.replaceAll('\n', ';')

async function laneOf(server: TestServer): Promise<unknown> {
  const { text } = await send(server.origin, { method: 'GET', path: '/api/status' })
  const status: unknown = JSON.parse(text)
  return typeof status === 'object' && status !== null && Reflect.get(status, 'lane')
}

test('GET /api/status says whether long bodies take the lane', async () => {
  assert.is(await laneOf(await startServer()), 'on')
  assert.is(await laneOf(await startServer(['--lane', 'off'])), 'off')
})

test('where the self-test fails, one line is logged and bodies take the usual way', async () => {
  const server = await startServer([], undefined, 'pipe', { nodeFlags: ['--import', IDLE] })
  assert.is(await laneOf(server), 'off')
  const bytes = Buffer.alloc(2 * MIB, 'lane')
  const location = locationOf(await tus.create(server, bytes.length))
  const answer = await tus.patch(server, location, 0, bytes)
  const digest = createHash('sha256').update(bytes).digest('base64')
  assert.is(answer.headers['repr-digest'], `sha-256=:${digest}:`)
  await eventually(30_000, 'the line', async () => server.log().includes('the lane failed') || undefined)
})

test('a self-test that fails once, for a reason that passes, is tried again', async () => {
  const server = await startServer([], undefined, 'pipe', { nodeFlags: ['--import', BUSY] })
  assert.is(await laneOf(server), 'on')
})

test('a body is stored as far as Node took it for one, also where Node sees the end of a head that is none', async () => {
  const server = await startServer([], undefined, 'pipe', { nodeFlags: ['--insecure-http-parser'] })
  const bytes = Buffer.alloc(MIB, 'body')
  const location = locationOf(await tus.create(server, 3 * MIB))
  const head = [`PATCH ${new URL(location).pathname} HTTP/1.1`, 'Host: x', ...patchHeaders(0, MIB)].join(
    '\r\n',
  )
  const connection = await RawConnection.open(server.port)
  // The carriage return alone is no empty line, but it ends this head.
  await connection.write(Buffer.concat([Buffer.from(`${head}\r\n\r`), bytes]))
  await connection.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000))
  await connection.closed()
  const stored = readFileSync(fileOf(server, idOf(location)))
  assert.ok(stored.length > 0)
  assert.equal(stored, bytes.subarray(0, stored.length))
})

/** Bytes that lie on the disk, and what was answered, of an upload whose parts were sent on one connection. */
async function uploaded(server: TestServer, own: number): Promise<{ answers: string[]; sha256: string }> {
  const random = randomFrom(own)
  const below = (most: number): number => Math.floor(random() * most)
  const bytes = Buffer.alloc(Math.round((1 + 3 * random()) * MIB))
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(random() * 2 ** 32, at)
  bytes.fill('a', 0, 600)
  const location = locationOf(await tus.create(server, bytes.length))
  const line = `PATCH ${new URL(location).pathname}`
  const connection = await RawConnection.open(server.port)
  connection.socket.setMaxListeners(0)
  const answers: string[] = []
  const send = async (body: Buffer): Promise<void> => {
    for (let at = 0; at < body.length; ) {
      const most = [1, 1_000, 70_000, MIB][below(4)] ?? 1
      const end = Math.min(body.length, at + 1 + below(most))
      await connection.write(body.subarray(at, end))
      at = end
    }
  }
  const take = async (): Promise<void> => {
    const { status, headers, text } = await connection.answer()
    answers.push(`${status} ${headers.get('upload-offset')} ${headers.get('repr-digest')} ${text}`)
  }
  for (let offset = 0; offset < bytes.length; ) {
    const part = bytes.subarray(offset, offset + 150_000 + below(MIB))
    if (below(3) === 0) {
      // Refused while its body comes; the connection goes on.
      await connection.head(line, patchHeaders(offset + 1, part.length))
      await send(part)
      await take()
    }
    await connection.head(line, patchHeaders(offset, part.length))
    await send(part)
    // The next request is there before the answer to this one.
    await connection.write(`GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`)
    await take()
    await take()
    offset += part.length
  }
  connection.socket.end()
  await connection.closed()
  const head = await tus.head(server, location)
  answers.push(`${head.status} ${head.headers['upload-offset']}`)
  const stored = readFileSync(fileOf(server, idOf(location)))
  return { answers, sha256: createHash('sha256').update(stored).digest('hex') }
}

test('the lane changes no answer and no byte that is stored', async () => {
  const [lane, nodes] = [await startServer(), await startServer(['--lane', 'off'])]
  for (let own = seed; own < seed + 12; own++) {
    assert.equal(await uploaded(lane, own), await uploaded(nodes, own), `TEST_SEED=${own}`)
  }
})

test.run()
