// cluster
// time-limit: 600s
import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../server/model/engine.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { appendBytes, bytesOf, createUpload, faultOf, finishUpload, sentBytes } from '../helpers/s3-bodies.js'
import { onS3, PART_BYTES, type S3Place, type S3Servers } from '../helpers/s3-place.js'
import { eventually } from '../helpers/server.js'

const ID = `20261125-${'c'.repeat(32)}`
const PART = `20261125-${'d'.repeat(32)}`
const WITHIN_MS = 60_000

const s3 = suite<S3Place & S3Servers>('S3: crashes')
const test = needsRadosgw(needsPostgres(s3))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  // The SDK's usual place for credentials.
  Object.assign(process.env, radosgw.env)
  Object.assign(place, { radosgw, postgres })
})
test.before.each(async (place) => void Object.assign(place, await onS3(place)))
test.after.each((place) => place.end())
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** Asserts that a finished upload has these bytes and this digest, and that nothing else is in the bucket. */
async function assertWhole(place: S3Place, engine: Engine, bytes: Buffer): Promise<void> {
  const found = await engine.load(ID)
  assert.is(found.kind === 'upload' && found.facts.sha256, createHash('sha256').update(bytes).digest('hex'))
  assert.ok((await bytesOf(engine, ID, bytes.length)).equals(bytes), 'the bytes are others')
  const only = [place.keyOf(ID)]
  const isClean = async () => ((await place.names()).join() === only.join() ? true : undefined)
  await eventually(WITHIN_MS, 'a bucket with nothing but the upload', isClean).catch(async () => {
    assert.equal(await place.names(), only)
  })
}

async function rows(place: S3Place): Promise<{ number: number; bytes: number; multipart: string }[]> {
  const { rows } = await place.sql.query<{ number: number; bytes: number; multipart: string }>(
    `SELECT number, bytes, multipart_id AS multipart FROM s3_parts JOIN s3_uploads USING (id) ORDER BY number`,
  )
  return [...rows]
}

test('what fills parts is sent as parts of one size, and the rest is a tail until the upload is finished', async (place) => {
  const bytes = randomBytes(2 * PART_BYTES + 1000)
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes.subarray(0, PART_BYTES + 500))
  assert.equal(
    (await rows(place)).map(({ number, bytes }) => [number, bytes]),
    [[1, PART_BYTES]],
  )
  assert.is((await place.names()).filter((name) => name.includes('/tails/')).length, 1)
  await sentBytes(place, ID, bytes.subarray(PART_BYTES + 500), PART_BYTES + 500, true)
  await finishUpload(place.engine, ID, bytes)
  await assertWhole(place, place.engine, bytes)
})

test('an upload without bytes, and one in many small bodies, become one object each', async (place) => {
  await createUpload(place.engine, ID, 0)
  await finishUpload(place.engine, ID, Buffer.alloc(0))
  assert.equal(await place.names(), [place.keyOf(ID)])
  await place.engine.remove([ID], { durable: true })
  assert.equal(await place.names(), [])
  const bytes = randomBytes(40 * 1000)
  await createUpload(place.engine, ID, bytes.length)
  for (let at = 0; at < 40; at++)
    await sentBytes(place, ID, bytes.subarray(at * 1000, (at + 1) * 1000), at * 1000, at === 39)
  await finishUpload(place.engine, ID, bytes)
  await assertWhole(place, place.engine, bytes)
})

test('after a restart the parts are sealed, read again and proven, and the upload goes on', async (place) => {
  const bytes = randomBytes(3 * PART_BYTES + 777)
  const cut = 2 * PART_BYTES + 33
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes.subarray(0, cut))
  const { engine } = await place.again()
  const found = await engine.load(ID)
  assert.is(found.kind === 'upload' && found.facts.offset, cut)
  const good = {
    offset: PART_BYTES,
    sha256: createHash('sha256').update(bytes.subarray(0, PART_BYTES)).digest('hex'),
  }
  const range = { to: cut, checkpoints: [good], budgetBytes: 8 * 1024 * 1024 }
  let proven = { offset: 0, damagedAfter: null as number | null }
  while (proven.offset < cut) proven = await engine.prove(ID, range)
  assert.equal(proven, { offset: cut, damagedAfter: null })
  assert.equal(await rows(place), [])
  await sentBytes({ ...place, engine }, ID, bytes.subarray(cut), cut, true)
  await finishUpload(engine, ID, bytes)
  await assertWhole(place, engine, bytes)
})

test('a part that a dead writer sent and did not write down is not counted', async (place) => {
  const bytes = randomBytes(2 * PART_BYTES + 5)
  await createUpload(place.engine, ID, bytes.length)
  // The body does not end: its writer dies while it sends the second part.
  await appendBytes(place, ID, 0, bytes.subarray(0, PART_BYTES + 10), { closes: false, ends: false })
  const [first] = await eventually(WITHIN_MS, 'the first part', async () => {
    const found = await rows(place)
    return found.length > 0 ? found : undefined
  })
  await place.radosgw.s3.uploadPart({
    ...{ Bucket: place.bucket, Key: place.keyOf(ID), UploadId: first?.multipart, PartNumber: 2 },
    Body: randomBytes(PART_BYTES),
  })
  const { engine } = await place.again()
  const found = await engine.load(ID)
  assert.is(found.kind === 'upload' && found.facts.offset, PART_BYTES)
  await sentBytes({ ...place, engine }, ID, bytes.subarray(PART_BYTES), PART_BYTES, true)
  await finishUpload(engine, ID, bytes)
  await assertWhole(place, engine, bytes)
  const late = place.radosgw.s3.uploadPart({
    ...{ Bucket: place.bucket, Key: place.keyOf(ID), UploadId: first?.multipart, PartNumber: 2 },
    Body: 'late',
  })
  assert.is(
    await late.then(
      () => 'taken',
      (error: Error) => error.name,
    ),
    'NoSuchUpload',
  )
})

test('a writer whose upload was taken over cannot write any more', async (place) => {
  await createUpload(place.engine, ID, 9)
  await sentBytes(place, ID, Buffer.from('abc'))
  const { engine } = await place.again()
  await sentBytes({ ...place, engine }, ID, Buffer.from('def'), 3)
  assert.is(await faultOf(sentBytes(place, ID, Buffer.from('xyz'), 3)), 'upload_taken_over')
  assert.is((await bytesOf(engine, ID, 6)).toString(), 'abcdef')
})

test('a part that was overwritten is seen when the upload is finished, and the upload falls back before it', async (place) => {
  const bytes = randomBytes(3 * PART_BYTES + 9)
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes.subarray(0, 2 * PART_BYTES + 9))
  const [, second] = await rows(place)
  await place.radosgw.s3.uploadPart({
    ...{ Bucket: place.bucket, Key: place.keyOf(ID), UploadId: second?.multipart, PartNumber: 2 },
    Body: randomBytes(PART_BYTES),
  })
  const at = 2 * PART_BYTES + 9
  await sentBytes(place, ID, bytes.subarray(at), at, true)
  assert.is(await faultOf(finishUpload(place.engine, ID, bytes)), 'DAMAGED')
  await place.engine.close(ID)
  assert.equal(await place.engine.measure(ID), { storedBytes: PART_BYTES, hasFacts: true })
  await place.engine.truncate(ID, PART_BYTES)
  await place.engine.forget(ID)
  await sentBytes(place, ID, bytes.subarray(PART_BYTES), PART_BYTES, true)
  await finishUpload(place.engine, ID, bytes)
  await assertWhole(place, place.engine, bytes)
})

test('a multipart upload that was aborted from outside is seen, and nothing of it is counted', async (place) => {
  const bytes = randomBytes(PART_BYTES + 9)
  await createUpload(place.engine, ID, 3 * PART_BYTES)
  await sentBytes(place, ID, bytes)
  const [first] = await rows(place)
  const upload = { Bucket: place.bucket, Key: place.keyOf(ID), UploadId: first?.multipart }
  await place.radosgw.s3.abortMultipartUpload(upload)
  assert.equal(await place.engine.load(ID), { kind: 'missing' })
  assert.is((await place.engine.measure(ID)).storedBytes, undefined)
  assert.is(await faultOf(place.engine.open(ID, bytes.length, () => true)), 'MISSING')
  await place.engine.remove([ID], { durable: true })
  assert.equal(await place.names(), [])
})

test('a finished object that was removed or replaced from outside is missing', async (place) => {
  const { s3 } = place.radosgw
  const object = { Bucket: place.bucket, Key: place.keyOf(ID) }
  await createUpload(place.engine, ID, 3)
  await sentBytes(place, ID, Buffer.from('abc'), 0, true)
  await finishUpload(place.engine, ID, Buffer.from('abc'))
  await s3.putObject({ ...object, Body: 'xyz' })
  assert.equal(await place.engine.load(ID), { kind: 'missing' })
  assert.is(await faultOf(bytesOf(place.engine, ID, 3)), 'REPLACED')
  await s3.deleteObject(object)
  assert.not(await place.engine.has(ID))
  assert.is(await faultOf(bytesOf(place.engine, ID, 3)), 'MISSING')
})

test('while S3 is away a body is not acknowledged; what came is stored once S3 is back', async (place) => {
  const bytes = randomBytes(2 * PART_BYTES + 100)
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes.subarray(0, 1000))
  await place.radosgw.kill()
  const cut = PART_BYTES + 50
  assert.is(await faultOf(sentBytes(place, ID, bytes.subarray(1000, cut), 1000)), 'storage_unavailable')
  await place.radosgw.restart()
  const { storedBytes } = await place.engine.measure(ID)
  assert.is(storedBytes, 1000, 'a body that could not begin has no bytes')
  await appendBytes(place, ID, 1000, bytes.subarray(1000, 2000), { closes: false, ends: false })
  await place.radosgw.kill()
  assert.is(
    await faultOf(appendBytes(place, ID, 2000, bytes.subarray(2000, 3000), { begins: false })),
    'storage_unavailable',
  )
  assert.is(await faultOf(place.engine.measure(ID)), 'storage_unavailable')
  await place.radosgw.restart()
  assert.is((await place.engine.measure(ID)).storedBytes, 3000)
  await sentBytes(place, ID, bytes.subarray(3000), 3000, true)
  await finishUpload(place.engine, ID, bytes)
  await assertWhole(place, place.engine, bytes)
})

test('an upload that was completed, and whose writer died before it could say so, is finished', async (place) => {
  const bytes = randomBytes(PART_BYTES + 77)
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes)
  const { sql, radosgw, bucket } = place
  const { rows: before } = await sql.query<{ facts: string }>('SELECT facts FROM s3_uploads')
  const { rows: parts } = await sql.query('SELECT * FROM s3_parts')
  await sql.query(
    `CREATE TABLE kept AS SELECT * FROM s3_uploads; CREATE TABLE kept_parts AS SELECT * FROM s3_parts`,
  )
  assert.is([before.length, parts.length].join(), '1,1')
  await place.engine.prove(ID, { to: 1, checkpoints: [], budgetBytes: 0 })
  // Sealing completes the multipart upload; then the ledger is as it was before.
  const reader = await place.engine.read(ID, { from: 0, to: bytes.length })
  await reader.close()
  await sql.query('DELETE FROM s3_uploads')
  await sql.query(`INSERT INTO s3_uploads SELECT * FROM kept; INSERT INTO s3_parts SELECT * FROM kept_parts`)
  assert.is((await radosgw.s3.listMultipartUploads({ Bucket: bucket })).Uploads, undefined)
  const { engine } = await place.again()
  const found = await engine.load(ID)
  assert.is(found.kind === 'upload' && found.facts.offset, bytes.length)
  await finishUpload(engine, ID, bytes)
  await assertWhole(place, engine, bytes)
})

test('a final upload is joined of parts in the bucket, across their boundaries', async (place) => {
  const bytes = randomBytes(PART_BYTES + 4321)
  await createUpload(place.engine, PART, bytes.length, { concat: 'partial' })
  await sentBytes(place, PART, bytes)
  await createUpload(place.engine, ID, 2 * bytes.length)
  const step = 4 * 1024 * 1024
  let position = 0
  for (let times = 0; times < 2; times++)
    for (let from = 0; from < bytes.length; from += step) {
      const piece = { position, part: PART, from, bytes: Math.min(step, bytes.length - from) }
      await place.engine.join(ID, piece)
      position += piece.bytes
    }
  const whole = Buffer.concat([bytes, bytes])
  await finishUpload(place.engine, ID, whole)
  await place.engine.remove([PART], { durable: true })
  await assertWhole(place, place.engine, whole)
})

s3.run()
