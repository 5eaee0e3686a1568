// cluster
// time-limit: 600s
import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { createUpload, finishUpload, sentBytes } from '../helpers/s3-bodies.js'
import { onS3, PART_BYTES, type S3Place, type S3Servers } from '../helpers/s3-place.js'

const ID = `20261125-${'c'.repeat(32)}`
const PART = `20261125-${'d'.repeat(32)}`
const WITHIN_MS = 60_000

const s3 = suite<S3Place & S3Servers>('S3: leftovers')
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

test('what crashes left in the bucket is removed, and nothing else', async (place) => {
  const { s3 } = place.radosgw
  const bytes = randomBytes(PART_BYTES + 9)
  await createUpload(place.engine, ID, 2 * PART_BYTES)
  await sentBytes(place, ID, bytes)
  const before = await place.names()
  await s3.createMultipartUpload({ Bucket: place.bucket, Key: place.keyOf(PART) })
  const tail = before.find((name) => name.includes('/tails/')) ?? ''
  await s3.putObject({ Bucket: place.bucket, Key: tail.replace(/[^/]*$/, 'other'), Body: 'x' })
  assert.equal(await place.started.leftovers.remove(), { multiparts: 0, tails: 0 }, 'they may be of a writer')
  assert.equal(await place.started.leftovers.remove(-WITHIN_MS), { multiparts: 1, tails: 1 })
  assert.equal(await place.names(), before)
})

test('what crashes left of an upload is removed as soon as it is one object, and with the upload', async (place) => {
  const { s3 } = place.radosgw
  const leave = async (): Promise<void> => {
    await s3.createMultipartUpload({ Bucket: place.bucket, Key: place.keyOf(ID) })
    await s3.putObject({ Bucket: place.bucket, Key: `some/where/tails/${ID}/left`, Body: 'x' })
  }
  await createUpload(place.engine, ID, 3)
  await sentBytes(place, ID, Buffer.from('abc'), 0, true)
  await leave()
  assert.equal(await place.started.leftovers.remove(), { multiparts: 0, tails: 0 }, 'they may be of a writer')
  await finishUpload(place.engine, ID, Buffer.from('abc'))
  assert.equal(await place.started.leftovers.remove(), { multiparts: 1, tails: 1 })
  assert.equal(await place.names(), [place.keyOf(ID)])
  await leave()
  await place.engine.remove([ID], { durable: true })
  assert.equal(await place.names(), [])
})

s3.run()
