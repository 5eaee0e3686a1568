// cluster
// time-limit: 600s
import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../server/model/engine.js'
import { assertWhole, type CountedPlace, withCountedS3 } from '../helpers/counted-s3.js'
import { bytesOf, createUpload, faultOf, finishUpload, sentBytes } from '../helpers/s3-bodies.js'
import { PART_BYTES } from '../helpers/s3-place.js'
import { idOf } from '../helpers/upload-fakes.js'

const ID = `20261126-${'e'.repeat(32)}`

const s3 = suite<CountedPlace>('S3: late writers')
const test = withCountedS3(s3)

/** Has the first call of an operation wait: `come` resolves once it is there, `pass` lets it through. */
function hold({ counter }: CountedPlace, operation: string): { come: Promise<void>; pass: () => void } {
  let pass = (): void => {}
  let arrived = (): void => {}
  const come = new Promise<void>((resolve) => {
    arrived = resolve
  })
  let isFirst = true
  counter.mayPass = async (called) => {
    if (called !== operation || !isFirst) return true
    isFirst = false
    arrived()
    await new Promise<void>((resolve) => {
      pass = resolve
    })
    return true
  }
  return { come, pass: () => pass() }
}

test('a late PutObject does not replace what another node has finished', async (place) => {
  const { come, pass } = hold(place, 'PutObject')
  await createUpload(place.engine, ID, 3)
  await sentBytes(place, ID, Buffer.from('abc'), 0, true)
  const late = faultOf(finishUpload(place.engine, ID, Buffer.from('abc')))
  await come
  const { engine } = await place.again()
  await sentBytes({ ...place, engine }, ID, Buffer.from('xyz'), 0, true)
  await finishUpload(engine, ID, Buffer.from('xyz'))
  pass()
  assert.is(await late, 'upload_taken_over')
  await assertWhole(place, engine, ID, Buffer.from('xyz'))
})

test('an object that a node left, as it died before it could write it down, is replaced', async (place) => {
  await createUpload(place.engine, ID, 3)
  await sentBytes(place, ID, Buffer.from('abc'), 0, true)
  await place.radosgw.s3.putObject({ Bucket: place.bucket, Key: place.keyOf(ID), Body: 'left' })
  await finishUpload(place.engine, ID, Buffer.from('abc'))
  await assertWhole(place, place.engine, ID, Buffer.from('abc'))
})

test('a PutObject that comes after the removal of its upload leaves nothing', async (place) => {
  const { come, pass } = hold(place, 'PutObject')
  await createUpload(place.engine, ID, 3)
  await sentBytes(place, ID, Buffer.from('abc'), 0, true)
  const late = faultOf(finishUpload(place.engine, ID, Buffer.from('abc')))
  await come
  const { engine } = await place.again()
  await engine.remove([ID])
  pass()
  assert.is(await late, 'MISSING')
  assert.equal(await place.names(), [])
})

test('a multipart upload without parts that was aborted from outside costs no byte', async (place) => {
  const bytes = randomBytes(PART_BYTES + 2000)
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes.subarray(0, 1000))
  const object = { Bucket: place.bucket, Key: place.keyOf(ID) }
  const { UploadId } = await place.radosgw.s3.createMultipartUpload(object)
  await place.radosgw.s3.abortMultipartUpload({ ...object, UploadId })
  await place.sql.query(`UPDATE s3_uploads SET multipart_id = $1, multipart_mark = 'mark'`, [`${UploadId}`])
  const { engine } = await place.again()
  await sentBytes({ ...place, engine }, ID, bytes.subarray(1000), 1000, true)
  await finishUpload(engine, ID, bytes)
  await assertWhole(place, engine, ID, bytes)
})

test('a body that could not begin, as a tail could not be read, begins when it can be read', async (place) => {
  const bytes = randomBytes(3000)
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes.subarray(0, 1000))
  const { engine } = await place.again()
  place.counter.mayPass = async (operation) => operation !== 'GetObject of a tail'
  assert.is(await faultOf(engine.open(ID, 1000, () => true)), 'storage_unavailable')
  place.counter.mayPass = async () => true
  await sentBytes({ ...place, engine }, ID, bytes.subarray(1000), 1000, true)
  await finishUpload(engine, ID, bytes)
  await assertWhole(place, engine, ID, bytes)
})

const PART = idOf('1')

/** An upload of one part that a final upload has. */
async function createFinal({ engine, ...place }: CountedPlace, bytes: Buffer): Promise<void> {
  await createUpload(engine, PART, bytes.length, { concat: 'partial' })
  await sentBytes({ ...place, engine }, PART, bytes)
  await createUpload(engine, ID, bytes.length)
}

/** Joins it, and finishes it. */
async function joinFinal(engine: Engine, bytes: Buffer): Promise<void> {
  await engine.join(ID, { position: 0, part: PART, from: 0, bytes: bytes.length })
  await finishUpload(engine, ID, bytes)
}

test('a join that is late removes nothing of the node that has taken it over', async (place) => {
  const bytes = randomBytes(9)
  const { counter, radosgw, bucket, keyOf } = place
  await createFinal(place, bytes)
  await radosgw.s3.putObject({ Bucket: bucket, Key: keyOf(ID), Body: 'left' })
  const { engine } = await place.again()
  let pass = (): void => {}
  let state: 'before' | 'found' | 'held' | 'away' = 'before'
  const come = new Promise<void>((resolve) => {
    counter.mayPass = async (operation) => {
      if (state === 'before' && operation === 'HeadObject') state = 'found'
      else if (state === 'found') {
        state = 'held'
        resolve()
        await new Promise<void>((passed) => {
          pass = passed
        })
        return true
      }
      return state !== 'away'
    }
  })
  const late = faultOf(joinFinal(place.engine, bytes))
  await come
  await joinFinal(engine, bytes)
  state = 'away'
  pass()
  await late
  state = 'held'
  const found = await radosgw.s3.getObject({ Bucket: bucket, Key: keyOf(ID) })
  assert.is(found.ContentLength, bytes.length)
  assert.ok((await bytesOf(engine, ID, bytes.length)).equals(bytes), 'the bytes are others')
})

test('a join that comes after the removal of its final upload leaves nothing', async (place) => {
  const bytes = randomBytes(9)
  await createFinal(place, bytes)
  const { come, pass } = hold(place, 'PutObject')
  const late = faultOf(joinFinal(place.engine, bytes))
  await come
  const { engine } = await place.again()
  await engine.remove([ID, PART])
  pass()
  assert.is(await late, 'MISSING')
  assert.equal(await place.names(), [])
})

test('a late removal leaves an upload that has the same id again', async (place) => {
  await createUpload(place.engine, ID, 3)
  await sentBytes(place, ID, Buffer.from('abc'), 0, true)
  await finishUpload(place.engine, ID, Buffer.from('abc'))
  const { come, pass } = hold(place, 'ListMultipartUploads')
  const late = place.engine.remove([ID], { durable: true })
  await come
  const { engine } = await place.again()
  await engine.removeLeftover({ id: ID, kind: 'facts' })
  await createUpload(engine, ID, 3)
  await sentBytes({ ...place, engine }, ID, Buffer.from('xyz'), 0, true)
  await finishUpload(engine, ID, Buffer.from('xyz'))
  pass()
  await late
  await assertWhole(place, engine, ID, Buffer.from('xyz'))
})

for (const bytes of [1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES])
  test(`an upload of ${bytes} bytes, the second half by another node, is whole`, async (place) => {
    const whole = randomBytes(bytes)
    const half = Math.floor(bytes / 2)
    await createUpload(place.engine, ID, bytes)
    await sentBytes(place, ID, whole.subarray(0, half))
    const { engine } = await place.again()
    await sentBytes({ ...place, engine }, ID, whole.subarray(half), half, true)
    await finishUpload(engine, ID, whole)
    await assertWhole(place, engine, ID, whole)
  })

s3.run()
