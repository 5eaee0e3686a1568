// cluster
// time-limit: 600s
import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, type Radosgw, startRadosgw } from '../helpers/radosgw.js'
import { RawConnection } from '../helpers/raw.js'
import { askOf } from '../helpers/routes.js'
import { eventually, locationOf, send, type TestAnswer, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { uploaded } from '../helpers/uploaded.js'
import { patchHeaders } from '../helpers/wire.js'

const WITHIN_MS = 60_000
const MIB = 1024 * 1024
const PART_BYTES = 5 * MIB

interface Place {
  radosgw: Radosgw
  postgres: Postgres
  bucket: string
  flags: readonly string[]
}

const servers = suite<Place>('server on S3')
const test = needsRadosgw(needsPostgres(servers))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  // The SDK's usual place for credentials; the servers have it from here.
  Object.assign(process.env, radosgw.env)
  Object.assign(place, { radosgw, postgres })
})
test.before.each(async (place) => {
  place.bucket = await place.radosgw.bucket()
  const database = await place.postgres.database()
  place.flags = [
    ...['--storage', `s3://${place.bucket}/some/where`, '--database', database],
    ...['--s3-endpoint', place.radosgw.endpoint, '--s3-part-size', '5MiB'],
  ]
})
test.after.each(() => killServers())
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

const ask = (server: TestServer) => askOf(() => server.origin)
const pathOf = (answer: TestAnswer) => new URL(locationOf(answer)).pathname
const digestOf = (bytes: Buffer) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`

/** Everything in the bucket. */
async function names({ radosgw, bucket }: Place): Promise<string[]> {
  const { Contents = [] } = await radosgw.s3.listObjectsV2({ Bucket: bucket })
  const { Uploads = [] } = await radosgw.s3.listMultipartUploads({ Bucket: bucket })
  return [...Contents, ...Uploads].map(({ Key }) => `${Key}`)
}

async function assertOnly(place: Place, ...paths: readonly string[]): Promise<void> {
  const wanted = paths.map((path) => path.replace(/.*\//, '')).sort()
  const found = async () => (await names(place)).map((name) => name.replace(/.*\//, '')).sort()
  await eventually(WITHIN_MS, `a bucket with ${wanted.length} objects`, async () => {
    return (await found()).join() === wanted.join() || undefined
  })
}

async function offsetOf(server: TestServer, location: string): Promise<number> {
  return await eventually(WITHIN_MS, 'the offset', async () => {
    const { status, headers } = await tus.head(server, location)
    return status === 200 ? Number(headers['upload-offset']) : undefined
  })
}

/** The index may be behind for a moment, too. */
async function untilReady(server: TestServer, status: number, said: string): Promise<void> {
  await eventually(WITHIN_MS, `${status} of /readyz`, async () => {
    const answer = await ask(server)('GET', '/readyz', {})
    return (answer.status === status && answer.text.includes(said)) || undefined
  })
}

/** Begins a PATCH of everything, sends so many bytes of it, and waits until the server has counted them. */
async function beginPatch(
  server: TestServer,
  location: string,
  bytes: Buffer,
  sent: { from: number; to: number },
): Promise<RawConnection> {
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${location}`, patchHeaders(sent.from, bytes.length - sent.from))
  await raw.write(bytes.subarray(sent.from, sent.to))
  return raw
}

test('uploads, ranges, an empty file and a removal: the bucket has finished uploads and nothing else', async (place) => {
  const server = await startServer(place.flags)
  const bytes = randomBytes(2 * PART_BYTES + 12_345)
  const large = await uploaded(ask(server), { bytes })
  const small = await uploaded(ask(server), { bytes: 'hello' })
  const empty = await uploaded(ask(server), { bytes: '' })
  const range = await ask(server)('GET', large, { Range: `bytes=${PART_BYTES - 3}-${PART_BYTES + 2}` })
  assert.is(range.status, 206)
  const whole = await fetch(`${server.origin}${large}`)
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes))
  assert.is(whole.headers.get('repr-digest'), digestOf(bytes))
  assert.is((await ask(server)('GET', small, {})).text, 'hello')
  await assertOnly(place, large, small, empty)
  assert.is((await ask(server)('DELETE', small, {})).status, 204)
  await assertOnly(place, large, empty)
  const { storage } = JSON.parse((await ask(server)('GET', '/api/status', {})).text)
  assert.equal(storage, { kind: 's3', place: `s3://${place.bucket}/some/where` })
})

test('a bucket that is not there stops the start with one line', async ({ flags, bucket }) => {
  const other = flags.map((flag) => flag.replace(bucket, 'nothing-here'))
  const failed = await startServer(other).catch((error: Error) => error.message)
  assert.match(String(failed), '--storage s3://nothing-here/some/where cannot be used')
  assert.not.match(String(failed), /\n\s+at /)
})

test('a database of the uploads of another place stops the start, before their objects are taken for lost', async (place) => {
  const { flags, bucket } = place
  await (await startServer(flags)).stop('SIGTERM')
  const elsewhere = flags.map((flag) => flag.replace('/some/where', '/else'))
  const error: unknown = await startServer(elsewhere).catch((thrown: unknown) => thrown)
  assert.match(String(error), `belongs to the uploads in s3://${bucket}/some/where/`)
})

test('after kill -9 an upload goes on from where it was acknowledged, and its digest is right', async (place) => {
  const bytes = randomBytes(4 * PART_BYTES + 99)
  const first = await startServer(place.flags)
  const location = pathOf(await tus.create(first, bytes.length))
  const acknowledged = 2 * PART_BYTES + 7
  const patched = await tus.patch(first, location, 0, bytes.subarray(0, acknowledged))
  assert.is(patched.status, 204)
  const raw = await beginPatch(first, location, bytes, { from: acknowledged, to: 3 * PART_BYTES + 50 })
  await first.stop('SIGKILL')
  raw.cut()
  const second = await startServer(place.flags, first.dataDir)
  const offset = await offsetOf(second, location)
  assert.ok(offset >= acknowledged, `${offset}`)
  const last = await tus.patch(second, location, offset, bytes.subarray(offset))
  assert.is(last.status, 204, last.text)
  assert.is(last.headers['repr-digest'], digestOf(bytes))
  const whole = await fetch(`${second.origin}${location}`)
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes))
  await assertOnly(place, location)
})

test('while S3 is away PATCH gets storage_unavailable and /readyz says no; the upload goes on afterwards', async (place) => {
  const bytes = randomBytes(4 * PART_BYTES)
  const server = await startServer(place.flags)
  const location = pathOf(await tus.create(server, bytes.length))
  const patched = await tus.patch(server, location, 0, bytes.subarray(0, 1000))
  assert.is(patched.status, 204)
  const raw = await beginPatch(server, location, bytes, { from: 1000, to: PART_BYTES })
  await eventually(WITHIN_MS, 'the running PATCH', async () => {
    const { active } = JSON.parse((await ask(server)('GET', '/api/status', {})).text)
    return active[0]?.offset > 1000 || undefined
  })
  await place.radosgw.kill()
  await untilReady(server, 503, 'S3 or its database does not answer')
  // The rest of the body cannot be stored.
  await raw.write(bytes.subarray(PART_BYTES)).catch(() => {})
  const answer = await raw.answer()
  assert.is(answer.status, 503)
  assert.match(answer.text, /^storage_unavailable: /)
  await place.radosgw.restart()
  const offset = await offsetOf(server, location)
  assert.ok(offset >= 1000, `${offset}`)
  const last = await tus.patch(server, location, offset, bytes.subarray(offset))
  assert.is(last.status, 204, last.text)
  assert.is(last.headers['repr-digest'], digestOf(bytes))
  await assertOnly(place, location)
  await untilReady(server, 200, 'ready')
})

test('a final upload is joined of parts, and the parts are removed', async (place) => {
  const server = await startServer(place.flags)
  const bytes = randomBytes(PART_BYTES + 500)
  const halves = [bytes.subarray(0, PART_BYTES + 100), bytes.subarray(PART_BYTES + 100)]
  const parts: string[] = []
  for (const half of halves)
    parts.push(await uploaded(ask(server), { bytes: half, headers: { 'Upload-Concat': 'partial' } }))
  const made = await send(server.origin, {
    ...{ method: 'POST', path: '/files' },
    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Concat': `final;${parts.join(' ')}` },
  })
  assert.is(made.status, 201, made.text)
  const location = locationOf(made)
  const whole = await eventually(WITHIN_MS, 'the joined upload', async () => {
    const found = await fetch(location)
    return found.status === 200 ? Buffer.from(await found.arrayBuffer()) : undefined
  })
  assert.ok(whole.equals(bytes))
  await assertOnly(place, location)
})

test('a finished upload whose object was removed from outside answers 404', async (place) => {
  const server = await startServer(place.flags)
  const path = await uploaded(ask(server), { bytes: 'hello' })
  const [Key] = await names(place)
  await place.radosgw.s3.deleteObject({ Bucket: place.bucket, Key })
  assert.is((await ask(server)('GET', path, {})).status, 404)
  assert.is((await ask(server)('HEAD', path, {})).status, 404)
})

servers.run()
