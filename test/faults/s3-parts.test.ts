// cluster
import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../server/model/engine.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { bytesOf, createUpload, faultOf, finishUpload, sentBytes } from '../helpers/s3-bodies.js'
import { countS3, type S3Counter } from '../helpers/s3-counter.js'
import { onS3, PART_BYTES, type S3Place, type S3Servers } from '../helpers/s3-place.js'
import { eventually } from '../helpers/server.js'

const ID = `20261126-${'c'.repeat(32)}`
const WITHIN_MS = 60_000
/** So often a part is tried. */
const TRIES = 3

interface Place extends S3Place, S3Servers {
  counter: S3Counter
}

const s3 = suite<Place>('S3: two parts on their way')
const test = needsRadosgw(needsPostgres(s3))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  // The SDK's usual place for credentials.
  Object.assign(process.env, radosgw.env)
  Object.assign(place, { radosgw, postgres })
})
test.before.each(async (place) => {
  place.counter = await countS3(place.radosgw.endpoint)
  Object.assign(place, await onS3(place, { endpoint: place.counter.endpoint }))
})
test.after.each(async (place) => {
  await place.end()
  place.counter.close()
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

const isPart = (path: string, number: number): boolean => path.includes(`partNumber=${number}&`)

async function assertWhole(place: Place, engine: Engine, bytes: Buffer): Promise<void> {
  const found = await engine.load(ID)
  assert.is(found.kind === 'upload' && found.facts.sha256, createHash('sha256').update(bytes).digest('hex'))
  assert.ok((await bytesOf(engine, ID, bytes.length)).equals(bytes), 'the bytes are others')
  await eventually(WITHIN_MS, 'a bucket with nothing but the upload', async () => {
    return (await place.names()).join() === place.keyOf(ID) || undefined
  })
}

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
    await assertWhole(place, place.engine, bytes)
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
  await assertWhole(place, place.engine, bytes)
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
  await assertWhole(place, place.engine, bytes)
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
  await assertWhole(place, engine, bytes)
})

s3.run()
