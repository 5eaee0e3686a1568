import { once } from 'node:events'
import { readFileSync, rmSync, truncateSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { firstOf, RawConnection } from '../helpers/raw.js'
import {
  eventually,
  fileOf,
  idOf,
  locationOf,
  send,
  startServer,
  statusOf,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { bounded } from '../helpers/test.js'
import { descriptors, underAttack } from '../helpers/under-attack.js'
import { unknownId, VERSION } from '../helpers/wire.js'

const FILE = Buffer.alloc(64 * 2 ** 20, 'lading\n')
const READERS = 1000
const SOON_MS = 60_000

const server = serverFor(test, ['--idle-timeout', '5s'])

const pathOf = (location: string): string => new URL(location).pathname

/** A finished upload of so many bytes; its path. */
async function finished(on: TestServer, bytes: number): Promise<string> {
  const location = locationOf(await tus.create(on, bytes))
  assert.is((await tus.patch(on, location, 0, FILE.subarray(0, bytes))).status, 204)
  return pathOf(location)
}

/** Asks for a file, and reads the first bytes of the answer and nothing more. */
async function unread(path: string): Promise<{ socket: Socket; status: number }> {
  const socket = connect(server.port, '127.0.0.1').on('error', () => {})
  socket.write(`GET ${path} HTTP/1.1\r\nHost: lading.test\r\n\r\n`)
  const [first]: Buffer[] = await bounded(SOON_MS, once(socket, 'data'), 'the head of an answer')
  socket.pause()
  return { socket, status: Number(first?.toString('latin1', 9, 12)) }
}

async function noneRuns(on: TestServer): Promise<void> {
  await eventually(SOON_MS, 'the end of every download', async () =>
    (await statusOf(on)).downloads.taken === 0 ? true : undefined,
  )
}

test('at most --downloads files are read at once, and a reader that does not read loses its place', async () => {
  const path = await finished(server, FILE.length)
  await underAttack('1,000 readers of 64 MiB that do not read', server, async () => {
    const before = descriptors(server.pid)
    const readers = await Promise.all(Array.from({ length: READERS }, () => unread(path)))
    const refused = readers.filter(({ status }) => status === 503)
    console.log(
      `downloads: ${READERS - refused.length} of ${READERS} taken, ${descriptors(server.pid) - before} descriptors`,
    )
    assert.is(readers.filter(({ status }) => status === 200).length, 64)
    assert.is(refused.length, READERS - 64)
    assert.ok(descriptors(server.pid) - before <= READERS + 64 + 16)
    const { downloads } = await statusOf(server)
    assert.equal(downloads, { taken: 64, limit: 64 })
    for (const { socket } of refused) socket.destroy()
    // Nobody closes these: the server does, after --idle-timeout.
    await noneRuns(server)
    await eventually(SOON_MS, 'the descriptors', async () =>
      descriptors(server.pid) <= before + 8 ? true : undefined,
    )
    for (const { socket } of readers) socket.destroy()
  })
  assert.is((await send(server.origin, { method: 'GET', path })).bytes.length, FILE.length)
})

test('the download beyond the limit gets 503 downloads_full with Retry-After, before the disk is asked', async () => {
  const small = await startServer(['--downloads', '1'])
  const path = await finished(small, FILE.length)
  const reader = await RawConnection.open(small.port)
  await reader.head(`GET ${path}`)
  await bounded(SOON_MS, once(reader.socket, 'data'), 'the download')
  reader.socket.pause()
  for (const each of [path, `/files/${unknownId()}`]) {
    const answer = await send(small.origin, { method: 'GET', path: each })
    assert.is(answer.status, 503)
    assert.match(answer.text, /^downloads_full: /)
    assert.ok(answer.headers['retry-after'])
  }
  // A HEAD needs no place.
  const head = { method: 'HEAD', path, headers: { 'X-HTTP-Method-Override': 'GET' } }
  assert.is((await send(small.origin, head)).status, 200)
  reader.cut()
  await noneRuns(small)
  assert.is((await send(small.origin, { method: 'GET', path })).bytes.length, FILE.length)
  await small.stop()
})

test('a place is given back by readers that leave before, while and after they are answered', async () => {
  const path = await finished(server, 2 ** 20)
  const gone = await finished(server, 100)
  rmSync(fileOf(server, idOf(gone)))
  for (let count = 0; count < 100; count++) {
    const raw = await RawConnection.open(server.port)
    const asked = raw.head(`GET ${count % 3 === 0 ? gone : path}`)
    if (count % 3 === 1) await bounded(SOON_MS, once(raw.socket, 'data'), 'the first bytes')
    if (count % 2 === 0) await asked
    raw.cut()
  }
  await noneRuns(server)
  assert.is((await send(server.origin, { method: 'GET', path: gone })).status, 404)
})

/** Bytes that a process has read so far, from sockets and files. */
function readBytes({ pid }: TestServer): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])
}

test('nothing of a file is read for a HEAD, also where X-HTTP-Method-Override makes a GET of it', async () => {
  const path = await finished(server, FILE.length)
  const before = readBytes(server)
  for (let count = 0; count < 20; count++) {
    const head = await send(server.origin, {
      method: 'HEAD',
      path,
      headers: { 'X-HTTP-Method-Override': 'GET' },
    })
    assert.is(head.status, 200)
    assert.is(head.headers['content-length'], String(FILE.length))
    assert.ok(head.headers['repr-digest'])
    assert.is(head.text, '')
  }
  const read = readBytes(server) - before
  console.log(`downloads: ${read} bytes read for 20 HEADs of 64 MiB`)
  assert.ok(read < FILE.length)
})

test('a finished file that proves shorter than recorded ends its download, and the log says so', async () => {
  const path = await finished(server, FILE.length)
  const { socket } = await unread(path)
  truncateSync(fileOf(server, idOf(path)), FILE.length / 2)
  const closed = firstOf(socket, 'close')
  socket.resume()
  await bounded(SOON_MS, closed, 'the end of the connection')
  await eventually(SOON_MS, 'the log', async () =>
    server.log().includes('is shorter than recorded') ? true : undefined,
  )
  await noneRuns(server)
})

const DRIPPING: readonly {
  what: string
  line: (path: string) => string
  status: number
  headers?: string[]
}[] = [
  { what: 'a download', line: (path) => `GET ${path}`, status: 200 },
  {
    what: 'a HEAD that says GET',
    line: (path) => `HEAD ${path}`,
    status: 200,
    headers: ['X-HTTP-Method-Override: GET'],
  },
  {
    what: 'a POST that says GET',
    line: (path) => `POST ${path}`,
    status: 200,
    headers: ['X-HTTP-Method-Override: GET'],
  },
  { what: 'a download of nothing', line: () => `GET /files/${unknownId()}`, status: 404 },
  { what: 'HEAD', line: (path) => `HEAD ${path}`, status: 200, headers: [VERSION] },
  { what: 'DELETE of nothing', line: () => `DELETE /files/${unknownId()}`, status: 404, headers: [VERSION] },
  { what: 'OPTIONS', line: () => 'OPTIONS /files', status: 204 },
  { what: 'OPTIONS of an upload', line: (path) => `OPTIONS ${path}`, status: 204 },
  { what: 'the API', line: () => 'GET /api/status', status: 200 },
  { what: 'a probe', line: () => 'GET /healthz', status: 200 },
  { what: 'an unknown address', line: () => 'GET /nothing', status: 404 },
  { what: 'a method that is not allowed', line: (path) => `PUT ${path}`, status: 405 },
]

test('a request whose own body drips is answered at once and ends within bounds, whatever it asks for', async () => {
  const path = await finished(server, 1000)
  const before = descriptors(server.pid)
  const startedAt = performance.now()
  const took = DRIPPING.flatMap(({ what, line, status, headers = [] }) =>
    ['Content-Length: 1000000000', 'Transfer-Encoding: chunked'].map(async (framing) => {
      const raw = await RawConnection.open(server.port)
      await raw.head(line(path), [...headers, framing])
      const drip = setInterval(() => raw.socket.write(framing.startsWith('T') ? '1\r\na\r\n' : 'a'), 100)
      const first = await bounded(SOON_MS, once(raw.socket, 'data'), `the answer to ${what}`)
      assert.is(Number(String(first[0]).slice(9, 12)), status, what)
      await raw.closed(25_000).finally(() => clearInterval(drip))
      return performance.now() - startedAt
    }),
  )
  const ended = await Promise.all(took)
  console.log(`downloads: dripping bodies ended after ${(Math.max(...ended) / 1000).toFixed(1)} s at most`)
  await noneRuns(server)
  await eventually(SOON_MS, 'the descriptors', async () =>
    descriptors(server.pid) <= before + 8 ? true : undefined,
  )
})

test.run()
