// cluster
// time-limit: 600s
import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { Engine } from '../../server/model/engine.js'
import { BytesFault, PartDamaged } from '../../server/model/engine-error.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { bytesOf, createUpload, finishUpload, sentBytes } from '../helpers/s3-bodies.js'
import { onS3, PART_BYTES, type S3Place, type S3Servers } from '../helpers/s3-place.js'
import { idOf } from '../helpers/upload-fakes.js'

const FINAL = idOf('f')
const STEP = 4 * 1024 * 1024

const s3 = suite<S3Place & S3Servers>('S3: joining')
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

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Stores parts of these sizes, and an empty final upload; their ids and bytes. */
async function stored(place: S3Place, sizes: readonly number[]) {
  const parts = sizes.map((size, i) => ({ id: idOf(`${i}`), bytes: randomBytes(size) }))
  for (const { id, bytes } of parts) {
    await createUpload(place.engine, id, bytes.length, { concat: 'partial' })
    await sentBytes(place, id, bytes)
  }
  const whole = Buffer.concat(parts.map(({ bytes }) => bytes))
  await createUpload(place.engine, FINAL, whole.length)
  return { parts, whole }
}

type Parts = readonly { readonly id: string; readonly bytes: Buffer }[]

/** Joins all of these parts; `proven` compares each with its digest. */
async function joined(
  engine: Engine,
  parts: Parts,
  proven = (bytes: Buffer) => sha256(bytes),
): Promise<void> {
  let position = 0
  for (const { id, bytes } of parts) {
    const checkpoints = [{ offset: bytes.length, sha256: proven(bytes) }]
    for (let from = 0; from < bytes.length; from += STEP) {
      const piece = { position, part: id, from, bytes: Math.min(STEP, bytes.length - from) }
      await engine.join(FINAL, { ...piece, checkpoints })
      position += piece.bytes
    }
  }
}

/** Finishes the final upload and asserts that it is these bytes, and alone in the bucket once its parts are removed. */
async function assertFinished(place: S3Place, engine: Engine, parts: Parts, whole: Buffer): Promise<void> {
  assert.is(await engine.digest(FINAL, whole.length), sha256(whole))
  await finishUpload(engine, FINAL, whole)
  await engine.remove(
    parts.map(({ id }) => id),
    { durable: true },
  )
  assert.ok((await bytesOf(engine, FINAL, whole.length)).equals(whole), 'the bytes are others')
  assert.equal(await place.names(), [place.keyOf(FINAL)])
}

/** The multipart uploads of the final upload. */
async function multiparts(place: S3Place): Promise<string[]> {
  return (await place.names()).filter((name) => name === `multipart ${place.keyOf(FINAL)}`)
}

test('"5 MiB to 5 GiB": parts of any size are joined, and the bucket has the final upload alone', async (place) => {
  const sizes = [PART_BYTES, 3, 2 * PART_BYTES + 17, 1000, PART_BYTES - 1, PART_BYTES + 1, 0, 7]
  const { parts, whole } = await stored(place, sizes)
  await joined(place.engine, parts)
  await assertFinished(place, place.engine, parts, whole)
})

test('what is smaller than any part of S3 becomes an object without a multipart upload', async (place) => {
  const { parts, whole } = await stored(place, [5, 1, 900])
  await joined(place.engine, parts)
  assert.equal(await multiparts(place), [])
  await assertFinished(place, place.engine, parts, whole)
})

test('a join that does not come to its end leaves nothing, and begins again', async (place) => {
  const { parts, whole } = await stored(place, [PART_BYTES + 5, PART_BYTES])
  await joined(place.engine, parts.slice(0, 1))
  await place.engine.forget(FINAL)
  assert.equal(await multiparts(place), [])
  await joined(place.engine, parts)
  await assertFinished(place, place.engine, parts, whole)
})

test('a node that takes a join over ends what the node before it has left in the bucket', async (place) => {
  const { parts, whole } = await stored(place, [PART_BYTES + 5, PART_BYTES])
  await joined(place.engine, parts)
  const { engine } = await place.again()
  await joined(engine, parts)
  const failed = await finishUpload(place.engine, FINAL, whole).then(
    () => 'finished',
    () => 'refused',
  )
  assert.is(failed, 'refused')
  await assertFinished(place, engine, parts, whole)
})

test('an object that a join has left without a word in the ledger is replaced', async (place) => {
  const { s3: client } = place.radosgw
  for (const sizes of [[PART_BYTES, 5], [9]]) {
    const { parts, whole } = await stored(place, sizes)
    await client.putObject({ Bucket: place.bucket, Key: place.keyOf(FINAL), Body: 'of another time' })
    await joined(place.engine, parts)
    await assertFinished(place, place.engine, parts, whole)
    await place.engine.remove([FINAL], { durable: true })
  }
})

test('a join that comes late, after it has lost its lock, removes no object of another node', async (place) => {
  const { s3: client } = place.radosgw
  let isHeld = true
  const late = await onS3(place, { isHeld: () => isHeld })
  try {
    const { parts, whole } = await stored(late, [9])
    await joined(late.engine, parts)
    const key = { Bucket: late.bucket, Key: late.keyOf(FINAL) }
    const { ETag } = await client.putObject({ ...key, Body: 'of another node' })
    isHeld = false
    const failed = await finishUpload(late.engine, FINAL, whole).catch((error: unknown) => error)
    assert.instance(failed, UploadError)
    assert.is((await client.headObject(key)).ETag, ETag)
  } finally {
    await late.end()
  }
})

test('the object of a final upload that was removed while it was stored does not stay', async (place) => {
  for (const sizes of [[PART_BYTES, 5], [9]]) {
    const gone = await onS3(place)
    try {
      const { parts, whole } = await stored(gone, sizes)
      await joined(gone.engine, parts)
      await gone.sql.query('UPDATE s3_uploads SET is_removed = true WHERE id = $1', [FINAL])
      const failed = await finishUpload(gone.engine, FINAL, whole).catch((error: unknown) => error)
      assert.instance(failed, BytesFault)
      assert.not((await gone.names()).includes(gone.keyOf(FINAL)))
    } finally {
      await gone.end()
    }
  }
})

test('a part that does not match its digest is told of while it is joined', async (place) => {
  const { parts } = await stored(place, [PART_BYTES + 5])
  const fault = await joined(place.engine, parts, () => 'another').catch((error: unknown) => error)
  assert.instance(fault, PartDamaged)
  assert.is(fault instanceof PartDamaged && fault.part, parts[0]?.id)
})

s3.run()
