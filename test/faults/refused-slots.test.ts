import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { storedNames } from '../helpers/proof.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, send, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bodyHeaders, OFFSET_TYPE, patchHeaders, VERSION } from '../helpers/wire.js'

const test = suite('refused slots')
test.after(killServers)

/** What a refused client declares. */
const BODY_BYTES = 100_000_000
/** What it has sent when it is refused, at the latest. */
const FIRST_BYTES = 128 * 1024
const LENGTH_BYTES = 64 * 1024
const ROUNDS = 5
/** The promise is 100 ms; a machine with other work keeps it in the figures, not in every round. */
const SLOT_WITHIN_MS = 5_000
const PIECE = Buffer.alloc(1024 * 1024, 'lading ')
const SCRIPT = Buffer.alloc(FIRST_BYTES, '#!/bin/sh\n')

/** Ways in which a client goes on after the bytes it is refused for. */
const PACES = ['one byte every 50 ms', 'full speed', 'silence'] as const

/** A request that will be refused, whose client has sent so much that it can be. */
interface Refused {
  readonly connection: RawConnection
  /** Bytes that belong to the body, or to the next request's, and can still be sent. */
  readonly left: number
  /** Looks at what is left of the upload. */
  check(): Promise<void>
}

interface Refusal {
  readonly name: string
  readonly status: number
  begin(server: TestServer): Promise<Refused>
}

async function begin(server: TestServer, line: string, headers: readonly string[], first: Uint8Array) {
  const connection = await RawConnection.open(server.port)
  await connection.head(line, headers)
  await connection.write(first)
  return connection
}

async function create(server: TestServer, length: number): Promise<string> {
  return new URL(locationOf(await tus.create(server, length))).pathname
}

async function assertHead(server: TestServer, path: string, status: number, offset?: string): Promise<void> {
  const head = await tus.head(server, path)
  assert.is(head.status, status)
  assert.is(head.headers['upload-offset'], offset)
}

/** A chunk that is as long as the whole body; its data follow. */
const ONE_CHUNK = Buffer.from(`${BODY_BYTES.toString(16)}\r\n`)

const REFUSALS: readonly Refusal[] = [
  {
    name: 'a PATCH whose first 512 bytes may not come in',
    status: 415,
    begin: async (server) => {
      const path = await create(server, BODY_BYTES)
      const headers = patchHeaders(0, BODY_BYTES)
      const connection = await begin(server, `PATCH ${path}`, headers, SCRIPT.subarray(0, 512))
      return { connection, left: BODY_BYTES - 512, check: () => assertHead(server, path, 404) }
    },
  },
  {
    name: 'a creation whose first 512 bytes may not come in',
    status: 415,
    begin: async (server) => {
      const names = storedNames(server)
      const headers = [VERSION, `Upload-Length: ${BODY_BYTES}`, ...bodyHeaders(BODY_BYTES)]
      const connection = await begin(server, 'POST /files', headers, SCRIPT.subarray(0, 512))
      const check = async (): Promise<void> => assert.equal(storedNames(server), names)
      return { connection, left: BODY_BYTES - 512, check }
    },
  },
  {
    name: 'a chunked PATCH that runs over its Upload-Length',
    status: 413,
    begin: async (server) => {
      const path = await create(server, LENGTH_BYTES)
      const first = Buffer.concat([ONE_CHUNK, PIECE.subarray(0, FIRST_BYTES)])
      const connection = await begin(server, `PATCH ${path}`, patchHeaders(0, null), first)
      // What was stored before the end was passed stays: the upload is whole.
      const check = async (): Promise<void> => {
        const { status, headers } = await tus.head(server, path)
        assert.is(status, 200)
        assert.is(Number(headers['upload-offset']), LENGTH_BYTES)
      }
      return { connection, left: BODY_BYTES - FIRST_BYTES, check }
    },
  },
  {
    name: 'a PATCH that does not match its checksum, with another request behind it',
    status: 460,
    begin: async (server) => {
      const path = await create(server, BODY_BYTES)
      const wrong = `Upload-Checksum: sha1 ${Buffer.alloc(20).toString('base64')}`
      const headers = [...patchHeaders(0, FIRST_BYTES), wrong]
      const connection = await begin(server, `PATCH ${path}`, headers, PIECE.subarray(0, FIRST_BYTES))
      // Whether a body matches is known at its end: what comes then is a request that asks for no slot.
      const next = ['Content-Type: text/plain', `Content-Length: ${BODY_BYTES}`, 'Upload-Offset: 0']
      await connection.head(`PATCH ${path}`, [VERSION, ...next])
      return { connection, left: BODY_BYTES, check: () => assertHead(server, path, 200, '0') }
    },
  },
]

/** Sends on, whatever is answered, until it is stopped or everything is sent. */
function goOn(socket: Socket, pace: (typeof PACES)[number], bytes: number): () => void {
  let left = bytes
  let timer: NodeJS.Timeout | undefined
  const give = (most: number, then: () => void): void => {
    const part = PIECE.subarray(0, Math.min(most, left))
    left -= part.length
    if (part.length > 0) socket.write(part, then)
  }
  if (pace === 'full speed') {
    const next = (): void => give(64 * 1024, next)
    next()
  }
  if (pace === 'one byte every 50 ms') timer = setInterval(() => give(1, () => {}), 50)
  return () => {
    clearInterval(timer)
    left = 0
  }
}

/** Asks for the only slot with one creation after the other, until it is given: milliseconds, and 503s before. */
async function untilSlot(server: TestServer): Promise<{ ms: number; refusals: number }> {
  const since = performance.now()
  for (let refusals = 0; ; refusals++) {
    const answer = await send(server.origin, {
      method: 'POST',
      path: '/files',
      headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': 3, 'Content-Type': OFFSET_TYPE },
      body: 'new',
    })
    const ms = performance.now() - since
    if (answer.status === 201) {
      await tus.remove(server, locationOf(answer))
      return { ms, refusals }
    }
    assert.is(answer.status, 503)
    assert.ok(ms < SLOT_WITHIN_MS, `the slot was not free ${Math.round(ms)} ms after the refusal`)
  }
}

function told(figures: readonly { ms: number; refusals: number }[]): string {
  const sorted = figures.map(({ ms }) => ms).sort((a, b) => a - b)
  const [middle, most] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  const refusals = figures.reduce((sum, figure) => sum + figure.refusals, 0)
  return `a slot after ${middle?.toFixed(1)} ms, at most ${most?.toFixed(1)} ms, with ${refusals} 503s on the way`
}

for (const { name, status, begin } of REFUSALS) {
  for (const pace of PACES) {
    test(`${name} is answered ${status} on the open connection, and its slot is free, though the client goes on: ${pace}`, async () => {
      const server = await startServer(['--slots', '1'])
      const figures: { ms: number; refusals: number }[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const { connection, left, check } = await begin(server)
        const stop = goOn(connection.socket, pace, left)
        try {
          assert.is((await connection.answer()).status, status)
          figures.push(await untilSlot(server))
          assert.not(connection.socket.destroyed, 'the connection was closed under the client')
          await check()
        } finally {
          stop()
          connection.socket.destroy()
        }
      }
      console.log(`${status}, ${pace}: ${told(figures)}`)
      await idle(server)
      assert.is(await server.stop(), 0)
    })
  }
}

interface Body {
  readonly first?: Buffer
  readonly isChunked?: boolean
}

/** Sends a request of 100 MB to its end before it reads, then reads; the connection must take one more request. */
async function readAfterwards(
  server: TestServer,
  line: string,
  headers: readonly string[],
  { first = PIECE, isChunked = false }: Body = {},
): Promise<RawAnswer> {
  const connection = await RawConnection.open(server.port)
  try {
    connection.socket.pause()
    await connection.head(line, headers)
    if (isChunked) await connection.write(ONE_CHUNK)
    await connection.write(first)
    for (let sent = first.length; sent < BODY_BYTES; sent += PIECE.length) {
      await connection.write(PIECE.subarray(0, BODY_BYTES - sent))
    }
    await connection.write(isChunked ? '\r\n0\r\n\r\n' : '')
    connection.socket.resume()
    const answer = await connection.answer()
    await connection.head('GET /healthz')
    assert.is((await connection.answer()).status, 200, 'the connection was not kept')
    return answer
  } finally {
    connection.socket.destroy()
  }
}

test('refusals reach a client that reads only when its 100 MB are sent', async () => {
  const server = await startServer(['--slots', '1', '--max-size', '1GiB'])
  const long = `PATCH ${await create(server, BODY_BYTES)}`
  const script = `PATCH ${await create(server, BODY_BYTES)}`
  const short = `PATCH ${await create(server, LENGTH_BYTES)}`
  const declared = patchHeaders(0, BODY_BYTES)
  const [, ...unversioned] = declared
  const wrongType = [VERSION, 'Upload-Offset: 0', 'Content-Type: text/plain', `Content-Length: ${BODY_BYTES}`]
  const wrongSum = [...declared, `Upload-Checksum: sha256 ${Buffer.alloc(32).toString('base64')}`]
  const cases: readonly { status: number; line: string; headers: readonly string[]; body?: Body }[] = [
    { status: 415, line: script, headers: declared, body: { first: SCRIPT } },
    { status: 415, line: long, headers: wrongType },
    { status: 413, line: short, headers: declared },
    { status: 413, line: short, headers: patchHeaders(0, null), body: { isChunked: true } },
    { status: 409, line: long, headers: patchHeaders(5, BODY_BYTES) },
    { status: 412, line: long, headers: unversioned },
    { status: 404, line: 'PATCH /files/nothing', headers: declared },
    { status: 460, line: long, headers: wrongSum },
  ]
  for (const { status, line, headers, body } of cases) {
    const answer = await readAfterwards(server, line, headers, body)
    assert.is(answer.status, status, `${line} got ${answer.status}`)
  }
  await idle(server)
  assert.is(await server.stop(), 0)
})

test('a 503 reaches a client that reads only when its 100 MB are sent, and the slot stays with its holder', async () => {
  const server = await startServer(['--slots', '1'])
  const holder = await RawConnection.open(server.port)
  await holder.head(`PATCH ${await create(server, 9)}`, patchHeaders(0, 9))
  await eventually(10_000, 'the taken slot', async () =>
    (await statusOf(server)).slots.taken === 1 ? true : undefined,
  )
  const path = await create(server, BODY_BYTES)
  const patched = await readAfterwards(server, `PATCH ${path}`, patchHeaders(0, BODY_BYTES))
  assert.is(patched.status, 503)
  assert.match(patched.headers.get('retry-after') ?? '', /^\d+$/)
  const headers = [VERSION, `Upload-Length: ${BODY_BYTES}`, ...bodyHeaders(BODY_BYTES)]
  assert.is((await readAfterwards(server, 'POST /files', headers)).status, 503)
  await assertHead(server, path, 200, '0')
  assert.is((await statusOf(server)).slots.taken, 1)
  holder.socket.destroy()
  await idle(server)
  assert.is(await server.stop(), 0)
})

test.run()
