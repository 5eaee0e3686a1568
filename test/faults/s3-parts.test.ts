// cluster
import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertWhole, type CountedPlace, withCountedS3 } from '../helpers/counted-s3.js'
import { createUpload, faultOf, finishUpload, sentBytes } from '../helpers/s3-bodies.js'
import { PART_BYTES } from '../helpers/s3-place.js'
import { eventually } from '../helpers/server.js'

const ID = `20261126-${'c'.repeat(32)}`
const WITHIN_MS = 60_000
/** So often a part is tried. */
const TRIES = 3

const s3 = suite<CountedPlace>('S3: two parts on their way')
const test = withCountedS3(s3)

const isPart = (path: string, number: number): boolean => path.includes(`partNumber=${number}&`)

for (const number of [1, 2, 3])
  test(`S3 does not answer for part ${number}, with the next one on its way: no byte is lost`, async (place) => {
    const bytes = randomBytes(4 * PART_BYTES + 9)
    let tries = 0
    let begun = (): void => {}
    const nextBegun = new Promise<void>((resolve) => {
      begun = resolve
    })
    place.counter.mayPass = async (operation, path) => {
      if (operation === 'UploadPart' && isPart(path, number + 1)) begun()
      return true
    }
    place.counter.mayAnswer = async (operation, path) => {
      if (operation !== 'UploadPart' || !isPart(path, number) || tries === TRIES) return true
      await nextBegun
      tries += 1
      return false
    }
    await createUpload(place.engine, ID, bytes.length)
    const failed = await faultOf(sentBytes(place, ID, bytes, 0, true))
    assert.ok(['none', 'storage_unavailable'].includes(failed), failed)
    await eventually(WITHIN_MS, 'the last try', async () => tries === TRIES || undefined)
    if (failed !== 'none') {
      await place.engine.close(ID)
      const { storedBytes = 0 } = await place.engine.measure(ID)
      await sentBytes(place, ID, bytes.subarray(storedBytes), storedBytes, true)
    }
    await finishUpload(place.engine, ID, bytes)
    await assertWhole(place, place.engine, ID, bytes)
  })

test('a multipart upload that is aborted while two of its parts are on their way is begun again', async (place) => {
  const bytes = randomBytes(3 * PART_BYTES)
  let isFirst = true
  let isAborted = false
  let begun = (): void => {}
  const nextBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  place.counter.mayPass = async (operation, path) => {
    if (operation === 'UploadPart' && isPart(path, 2)) begun()
    return true
  }
  place.counter.mayAnswer = async (operation, path) => {
    if (operation !== 'UploadPart' || !isFirst) return true
    isFirst = false
    await nextBegun
    const UploadId = new URL(path, 'http://s3').searchParams.get('uploadId') ?? ''
    await place.radosgw.s3.abortMultipartUpload({ Bucket: place.bucket, Key: place.keyOf(ID), UploadId })
    isAborted = true
    // The next try finds that it is gone.
    return false
  }
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes, 0, true)
  // The end of the upload would wait for the first part before it sends the second.
  await eventually(WITHIN_MS, 'the abort', async () => isAborted || undefined)
  await finishUpload(place.engine, ID, bytes)
  await assertWhole(place, place.engine, ID, bytes)
})

test('a part that was given up cannot come late, in place of the one that was sent again', async (place) => {
  const bytes = randomBytes(3 * PART_BYTES)
  const uploadIds: string[] = []
  place.counter.mayAnswer = async (operation, path) => {
    if (operation !== 'UploadPart' || !isPart(path, 2) || uploadIds.length === TRIES) return true
    uploadIds.push(new URL(path, 'http://s3').searchParams.get('uploadId') ?? '')
    return false
  }
  await createUpload(place.engine, ID, bytes.length)
  await sentBytes(place, ID, bytes, 0, true)
  await eventually(WITHIN_MS, 'the last try', async () => uploadIds.length === TRIES || undefined)
  await place.engine.flush(ID)
  await place.engine.close(ID)
  const late = { Bucket: place.bucket, Key: place.keyOf(ID), UploadId: uploadIds[0], PartNumber: 2 }
  const sent = place.radosgw.s3.uploadPart({ ...late, Body: randomBytes(PART_BYTES) })
  assert.match(await faultOf(sent), /NoSuch/)
  await finishUpload(place.engine, ID, bytes)
  await assertWhole(place, place.engine, ID, bytes)
})

test('parts of a writer that was taken over, two of them on their way, are not counted', async (place) => {
  const bytes = randomBytes(4 * PART_BYTES)
  const own = Buffer.concat([bytes.subarray(0, PART_BYTES), randomBytes(3 * PART_BYTES)])
  const waiting: (() => void)[] = []
  let answers = 0
  const two = new Promise<void>((resolve) => {
    place.counter.mayAnswer = async (operation) => {
      if (operation !== 'UploadPart' || ++answers <= 1) return true
      await new Promise<void>((pass) => {
        waiting.push(pass)
        if (waiting.length === 2) resolve()
      })
      return true
    }
  })
  await createUpload(place.engine, ID, bytes.length)
  const late = faultOf(sentBytes(place, ID, own, 0))
  await two
  place.counter.mayAnswer = async () => true
  const { engine } = await place.again()
  const { storedBytes: offset = 0 } = await engine.measure(ID)
  assert.is(offset, PART_BYTES)
  await sentBytes({ ...place, engine }, ID, bytes.subarray(offset), offset, true)
  for (const pass of waiting) pass()
  assert.is.not(await late, 'none')
  await finishUpload(engine, ID, bytes)
  await assertWhole(place, engine, ID, bytes)
})

s3.run()
