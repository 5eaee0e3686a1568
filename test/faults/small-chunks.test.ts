import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import { fileOf, idOf, locationOf, statusOf, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { underAttack } from '../helpers/under-attack.js'
import { chunk, LAST_CHUNK, patchHeaders, unknownId } from '../helpers/wire.js'

const ATTACK_MS = 5_000
const LENGTH_BYTES = 2 ** 30
/** As many chunks of one byte as one read of a socket takes. */
const CRUMBS = Buffer.from(chunk('a').repeat(12_000))
/** The same number of bytes in chunks that say much about themselves. */
const BLOATED = Buffer.from(`1;${'x'.repeat(200)}\r\na\r\n`.repeat(350))

const server = serverFor(test, ['--slots', '40'])

/** Sends a head, and then the same bytes again and again until the time is over or the connection is. */
async function flood(head: readonly string[], bytes: Buffer): Promise<number> {
  const socket: Socket = connect(server.port, '127.0.0.1').on('error', () => {})
  socket.resume().setMaxListeners(0)
  socket.write(`${[...head, 'Host: localhost'].join('\r\n')}\r\n\r\n`)
  const until = performance.now() + ATTACK_MS
  while (performance.now() < until && !socket.destroyed) {
    if (!socket.write(bytes)) {
      await Promise.race([once(socket, 'drain'), once(socket, 'close'), setTimeout(ATTACK_MS)]).catch(
        () => {},
      )
    }
  }
  socket.destroy()
  return socket.bytesWritten
}

async function patchHead(): Promise<string[]> {
  const location = locationOf(await tus.create(server, LENGTH_BYTES))
  return [`PATCH ${new URL(location).pathname} HTTP/1.1`, ...patchHeaders(0, null)]
}

const ATTACKS: readonly {
  name: string
  count: number
  head: () => Promise<string[]> | string[]
  bytes: Buffer
}[] = [
  { name: 'ten bodies in chunks of one byte', count: 10, head: patchHead, bytes: CRUMBS },
  {
    name: 'thirty refused bodies in chunks of one byte',
    count: 30,
    head: () => [`PATCH /files/${unknownId()} HTTP/1.1`, ...patchHeaders(0, null)],
    bytes: CRUMBS,
  },
  {
    name: 'ten requests for the status that bring chunks of one byte',
    count: 10,
    head: () => ['GET /api/status HTTP/1.1', 'Transfer-Encoding: chunked'],
    bytes: CRUMBS,
  },
  { name: 'ten bodies with long chunk extensions', count: 10, head: patchHead, bytes: BLOATED },
]

for (const { name, count, head, bytes } of ATTACKS) {
  test(`"One connection cannot hurt another": ${name}`, async () => {
    const heads = await Promise.all(Array.from({ length: count }, head))
    const report = await underAttack(name, server, async () => {
      const written = await Promise.all(heads.map((each) => flood(each, bytes)))
      const { eventLoop } = await statusOf(server)
      const sum = written.reduce((total, each) => total + each, 0)
      console.log(
        `small chunks: ${(sum / 2 ** 20).toFixed(1)} MiB sent, event loop p99 ${eventLoop.p99Ms} ms`,
      )
    })
    assert.equal(report.failures, [])
    assert.ok(report.p99Ms < 10_000)
  })
}

test('every byte of a body in chunks of all sizes is stored in order, and what follows it is answered', async () => {
  const parts = Array.from({ length: 60_000 }, (_, at) =>
    String(at % 10).repeat(at % 977 === 0 ? 40_000 : at % 4),
  )
  const body = parts.join('')
  const location = locationOf(await tus.create(server, body.length))
  const raw = await RawConnection.open(server.port)
  const path = new URL(location).pathname
  await raw.head(`PATCH ${path}`, patchHeaders(0, null))
  await raw.write(
    `${parts
      .filter((part) => part !== '')
      .map(chunk)
      .join('')}${LAST_CHUNK}`,
  )
  await raw.head('GET /healthz')
  const answer = await raw.answer()
  assert.is(answer.status, 204)
  const sha256 = createHash('sha256').update(body).digest('base64')
  assert.is(answer.headers.get('repr-digest'), `sha-256=:${sha256}:`)
  assert.is(readFileSync(fileOf(server, idOf(location)), 'latin1'), body)
  assert.is((await raw.answer()).status, 200)
  // The connection rested after the body. It is read again also where nothing had been sent behind it.
  for (let count = 0; count < 3; count++) {
    await raw.head('GET /healthz', ['Transfer-Encoding: chunked'])
    await raw.write(`${chunk('a').repeat(5000)}${LAST_CHUNK}`)
    assert.is((await raw.answer()).status, 200)
  }
  await raw.head('GET /healthz')
  assert.is((await raw.answer()).status, 200)
  raw.socket.destroy()
})

test('many requests with small chunks on one connection are all answered, and no warning is written', async () => {
  const raw = await RawConnection.open(server.port)
  const request = 'GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  await raw.write(`${request}${chunk('a').repeat(600)}${LAST_CHUNK}`.repeat(40))
  for (let count = 0; count < 40; count++) assert.is((await raw.answer()).status, 200)
  raw.socket.destroy()
  assert.not.match(server.log(), 'MaxListeners')
})

test('a body that brings nothing but small chunks is cut, keeps what came, and can be resumed', async () => {
  const location = locationOf(await tus.create(server, 300_000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, null))
  void raw.write(chunk('a').repeat(300_000))
  // A reset ends it: bytes lie unread.
  await raw.closed(60_000).catch(() => {})
  const offset = Number((await tus.head(server, location)).headers['upload-offset'])
  assert.ok(offset >= 100_000 && offset < 300_000, `${offset}`)
  assert.is((await tus.patch(server, location, offset, 'b'.repeat(300_000 - offset))).status, 204)
})

test('what came in small chunks before a connection was cut is kept', async () => {
  const location = locationOf(await tus.create(server, LENGTH_BYTES))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, null))
  await raw.write(chunk('a').repeat(50_000))
  raw.socket.end()
  await raw.closed()
  assert.is((await tus.head(server, location)).headers['upload-offset'], '50000')
})

test.run()
