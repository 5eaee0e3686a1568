import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import {
  eventually,
  idOf,
  locationOf,
  send,
  startServer,
  statusOf,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { base64, patchHeaders, unknownId } from '../helpers/wire.js'

let server: TestServer

test.before(async () => {
  server = await startServer(['--slots', '3'])
})
test.after(async () => void (await server.stop()))

const get = (path: string) => send(server.origin, { method: 'GET', path })
const recordOf = async (id: string) => JSON.parse((await get(`/api/uploads/${id}`)).text)
const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff))
const DIGEST = createHash('sha256').update(BYTES)
const SHA256 = DIGEST.digest('hex')
const REPR_DIGEST = `sha-256=:${Buffer.from(SHA256, 'hex').toString('base64')}:`

async function finished(): Promise<{ location: string; last: Awaited<ReturnType<typeof tus.patch>> }> {
  const metadata = `filename ${base64('a "b" ü.bin')}`
  const location = locationOf(await tus.create(server, BYTES.length, { 'Upload-Metadata': metadata }))
  await tus.patch(server, location, 0, BYTES.subarray(0, 100_001))
  const last = await tus.patch(server, location, 100_001, BYTES.subarray(100_001))
  return { location, last }
}

test('the last PATCH and every HEAD after it have the Repr-Digest of the bytes, earlier ones none', async () => {
  const location = locationOf(await tus.create(server, 6))
  assert.is((await tus.patch(server, location, 0, 'abc')).headers['repr-digest'], undefined)
  assert.is((await tus.head(server, location)).headers['repr-digest'], undefined)
  const { location: whole, last } = await finished()
  assert.is(last.status, 204)
  assert.is(last.headers['repr-digest'], REPR_DIGEST)
  assert.is((await tus.head(server, whole)).headers['repr-digest'], REPR_DIGEST)
})

test('GET /files/<id> gives the bytes of a finished upload, with type, name, length and digest', async () => {
  const { location } = await finished()
  const answer = await get(location)
  assert.is(answer.status, 200)
  assert.ok(answer.bytes.equals(BYTES))
  assert.is(answer.headers['content-length'], String(BYTES.length))
  assert.is(answer.headers['content-type'], 'application/octet-stream')
  assert.is(answer.headers['repr-digest'], REPR_DIGEST)
  assert.is(answer.headers['x-content-type-options'], 'nosniff')
  const disposition = String(answer.headers['content-disposition'])
  assert.match(disposition, /^attachment; filename="a _b_ u.bin"; filename\*=UTF-8''/)
  assert.is(decodeURIComponent(disposition.split("''")[1] ?? ''), 'a "b" ü.bin')
})

test('GET /files/<id> is 404 upload_unfinished before the upload is whole', async () => {
  const location = locationOf(await tus.create(server, 6))
  for (const body of ['', 'abc']) {
    await tus.patch(server, location, 0, body)
    const answer = await get(location)
    assert.is(answer.status, 404)
    assert.match(answer.text, /^upload_unfinished: /)
  }
  assert.match((await get(`/files/${unknownId()}`)).text, /^upload_unknown: /)
})

test('a file name cannot bring a header of its own into a download', async () => {
  const metadata = `filename ${base64('x\r\nSet-Cookie: a=b\r\n\';"/../y')}`
  const location = locationOf(await tus.create(server, 1, { 'Upload-Metadata': metadata }))
  await tus.patch(server, location, 0, 'a')
  const answer = await get(location)
  assert.is(answer.status, 200)
  assert.is(answer.headers['set-cookie'], undefined)
  assert.is(answer.headers['content-disposition'], `inline; filename="y"; filename*=UTF-8''y`)
})

test('/healthz and /readyz are 200 while uploads can be taken, and /readyz 503 when the disk is full', async () => {
  assert.is((await get('/healthz')).status, 200)
  assert.is((await get('/readyz')).status, 200)
  const full = await startServer(['--min-free', '1024TiB'])
  try {
    assert.is((await send(full.origin, { method: 'GET', path: '/healthz' })).status, 200)
    assert.is((await send(full.origin, { method: 'GET', path: '/readyz' })).status, 503)
  } finally {
    await full.stop()
  }
})

/** The names and kinds of values of an object, all the way down. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shapeOf(each)]))
}

test('/api/status has the shape that tools outside rely on', async () => {
  const answer = await get('/api/status')
  assert.is(answer.status, 200)
  assert.match(String(answer.headers['content-type']), /^application\/json\b/)
  assert.is(answer.headers['cache-control'], 'no-store')
  const status = JSON.parse(answer.text)
  assert.equal(shapeOf(status), {
    version: 'string',
    uptimeSeconds: 'number',
    connections: { open: 'number', limit: 'number' },
    faults: { requests: 'number' },
    slots: { taken: 'number', limit: 'number', waiting: 'number' },
    active: {},
    downloads: { taken: 'number', limit: 'number' },
    eventStreams: { taken: 'number', limit: 'number' },
    lane: 'string',
    arena: { blocks: 'number', free: 'number', blockBytes: 'number' },
    uploads: { unfinished: 'number', limit: 'number' },
    records: { queued: 'number', lagMs: 'number' },
    eventLoop: { p50Ms: 'number', p99Ms: 'number' },
    memory: { rssBytes: 'number', rssPeakBytes: 'number' },
    // Some file systems make inodes as they need them.
    disk: { freeBytes: 'number', freeInodes: status.disk.freeInodes === null ? 'object' : 'number' },
  })
  const { slots, memory, disk } = await statusOf(server)
  assert.is(slots.limit, 3)
  assert.ok(memory.rssBytes > 20_000_000 && memory.rssPeakBytes >= memory.rssBytes)
  assert.ok(disk.freeBytes > 0)
})

const FIELDS = [
  ...['id', 'state', 'filename', 'type', 'declaredType', 'length', 'offset', 'sha256', 'metadata', 'path'],
  ...['createdAt', 'updatedAt', 'finishedAt'],
]

test('/api/uploads/<id> follows an upload from its creation over its PATCH to its end', async () => {
  const metadata = `filename ${base64('a.txt')},filetype ${base64('text/plain')}`
  const location = locationOf(await tus.create(server, 2000, { 'Upload-Metadata': metadata }))
  const id = idOf(location)
  const created = await recordOf(id)
  for (const field of FIELDS) assert.ok(field in created, field)
  assert.is(created.id, id)
  assert.is(created.state, 'paused')
  assert.equal([created.length, created.offset, created.sha256], [2000, 0, null])
  assert.equal([created.filename, created.declaredType, created.metadata], ['a.txt', 'text/plain', metadata])
  assert.is(created.path, `uploads/${id.slice(0, 4)}/${id.slice(4, 6)}/${id.slice(6, 8)}/${id}`)
  assert.is(new Date(created.createdAt).toISOString(), created.createdAt)

  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 2000))
  await raw.write('lading '.repeat(200))
  const active = await eventually(10_000, 'the progress', async () => {
    const record = await recordOf(id)
    return record.offset === 1400 && record.bytesPerSecond > 0 ? record : undefined
  })
  assert.is(active.state, 'receiving')
  assert.is(active.type, 'text/plain')
  await raw.write('b'.repeat(600))
  assert.is((await raw.answer()).status, 204)
  raw.cut()

  const whole = await recordOf(id)
  const sha256 = createHash('sha256')
    .update(`${'lading '.repeat(200)}${'b'.repeat(600)}`)
    .digest('hex')
  assert.equal([whole.state, whole.offset, whole.sha256], ['finished', 2000, sha256])
  assert.ok(whole.finishedAt >= whole.createdAt)
})

test('/api/uploads/<id> tells of an upload after a restart, and 404 of an unknown one', async () => {
  const { location } = await finished()
  const { updatedAt, bytesPerSecond, ...before } = await recordOf(idOf(location))
  assert.type(bytesPerSecond, 'number')
  await server.stop()
  server = await startServer(['--slots', '3'], server.dataDir)
  const { updatedAt: stored, bytesPerSecond: idleRate, ...after } = await recordOf(idOf(location))
  assert.is(idleRate, 0)
  assert.ok(stored >= updatedAt)
  assert.equal(after, before)
  for (const id of [unknownId(), 'nothing']) {
    const answer = await get(`/api/uploads/${id}`)
    assert.is(answer.status, 404)
    assert.match(answer.text, /^upload_unknown: /)
  }
})

test('the read side takes GET and HEAD alone; others get 405 with Allow', async () => {
  for (const path of [
    '/healthz',
    '/readyz',
    '/api/status',
    '/api/uploads',
    '/api/events',
    '/api/openapi.json',
  ]) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await send(server.origin, { method, path })
      assert.is(answer.status, 405, `${method} ${path}`)
      assert.is(answer.headers.allow, 'GET, HEAD, OPTIONS')
    }
  }
  const head = await send(server.origin, { method: 'HEAD', path: '/api/status' })
  assert.equal([head.status, head.text], [200, ''])
})

test.run()
