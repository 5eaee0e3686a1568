// cluster
// time-limit: 600s
import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Checkpoint } from '../../server/model/checkpoint.js'
import type { Appended, Engine } from '../../server/model/engine.js'
import { type CountedPlace, withCountedS3 } from '../helpers/counted-s3.js'
import { appendBytes, bytesOf, createUpload, finishUpload } from '../helpers/s3-bodies.js'
import { PART_BYTES } from '../helpers/s3-place.js'
import { eventually } from '../helpers/server.js'
import { uploadOf } from '../helpers/stored-upload.js'

const ID = `20261126-${'d'.repeat(32)}`
const MIB = 1024 * 1024
const WITHIN_MS = 60_000

const s3 = suite<CountedPlace>('S3: the digest across nodes')
const test = withCountedS3(s3)

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Another node, which knows nothing of what those before it had in memory. */
async function another(place: CountedPlace): Promise<Engine> {
  return (await place.again()).engine
}

/** Sends bytes as a body to a node. */
async function body(
  place: CountedPlace,
  engine: Engine,
  at: number,
  bytes: Buffer,
  change: Parameters<typeof appendBytes>[4] = {},
): Promise<Appended | undefined> {
  if (at > 0) await engine.open(ID, at, () => true)
  return appendBytes({ ...place, engine }, ID, at, bytes, { digest: 'prefix', ...change })
}

/** The digest of so many bytes, as a finish gets it. */
async function digestOf(
  engine: Engine,
  bytes: number,
  checkpoints: readonly Checkpoint[] = [],
): Promise<string | null> {
  for (let at = 0; at < bytes; ) {
    const range = { to: bytes, checkpoints, budgetBytes: 8 * MIB }
    const { offset, damagedAfter } = await engine.prove(ID, range)
    if (damagedAfter !== null) return `damaged after ${damagedAfter}`
    at = offset
  }
  return engine.digest(ID, bytes)
}

async function savedOffset(place: CountedPlace): Promise<number | null> {
  const { rows } = await place.sql.query<{ digest_offset: number | null }>(
    'SELECT digest_offset FROM s3_uploads',
  )
  return rows[0]?.digest_offset ?? null
}

test('an upload that comes to another node with each request is read once, and its digest is right', async (place) => {
  const bodies = 6
  const each = PART_BYTES + 1_000_001
  const bytes = randomBytes(bodies * each)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, each))
  let last: Engine = place.engine
  for (let at = each; at < bytes.length; at += each) {
    last = await another(place)
    const appended = await body(place, last, at, bytes.subarray(at, at + each))
    assert.equal(appended && [appended.live, appended.sha256], [true, sha256(bytes.subarray(0, at + each))])
    assert.is(await savedOffset(place), at + each)
  }
  const { calls, readBytes } = place.counter.counts
  assert.ok(readBytes <= each, `${readBytes} bytes were read, and the first body has ${each}`)
  assert.equal([calls.CompleteMultipartUpload, calls.UploadPartCopy], [1, undefined], 'parts are sealed once')
  last = await another(place)
  assert.is(await digestOf(last, bytes.length), sha256(bytes))
  assert.is(place.counter.counts.readBytes, readBytes, 'nothing is read at the end')
  await finishUpload(last, ID, bytes)
  assert.ok((await bytesOf(last, ID, bytes.length)).equals(bytes))
  assert.is(await savedOffset(place), null, 'a finished upload needs no state')
})

test('an upload that stays on one node reads nothing, and saves no state', async (place) => {
  const bytes = randomBytes(2 * PART_BYTES + 9)
  await createUpload(place.engine, ID, bytes.length)
  const cut = PART_BYTES + 7
  await body(place, place.engine, 0, bytes.subarray(0, cut))
  await body(place, place.engine, cut, bytes.subarray(cut, cut + 1000))
  assert.is(await savedOffset(place), null)
  const rest = bytes.subarray(cut + 1000)
  const last = { closes: false, digest: 'final' as const }
  const appended = await body(place, place.engine, cut + 1000, rest, last)
  assert.is(appended?.sha256, sha256(bytes))
  await finishUpload(place.engine, ID, bytes)
  assert.is(place.counter.counts.readBytes, 0)
})

const SPOILED: Readonly<Record<string, string>> = {
  'of another version of the library': 'AAAA',
  'that is no state': '',
}
for (const [which, state] of Object.entries(SPOILED))
  test(`a saved state ${which} is not used, and the prefix is read again`, async (place) => {
    const bytes = randomBytes(3000)
    await createUpload(place.engine, ID, bytes.length)
    await body(place, place.engine, 0, bytes.subarray(0, 1000))
    await body(place, await another(place), 1000, bytes.subarray(1000, 2000))
    assert.is(await savedOffset(place), 2000)
    await place.sql.query('UPDATE s3_uploads SET digest_state = $1', [state])
    const engine = await another(place)
    const appended = await body(place, engine, 2000, bytes.subarray(2000), { closes: false, digest: 'final' })
    assert.is(appended?.sha256, sha256(bytes))
  })

test('a saved state that is not the digest of its checkpoint is not used', async (place) => {
  const bytes = randomBytes(3000)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, 1000))
  await body(place, await another(place), 1000, bytes.subarray(1000, 2000))
  const { rows } = await place.sql.query<{ state: string }>('SELECT digest_state AS state FROM s3_uploads')
  // The state of another upload: the library loads it.
  const state = Buffer.from(`${rows[0]?.state}`, 'base64')
  state[90] = (state[90] ?? 0) ^ 1
  const engine = await another(place)
  const checkpoints = [{ offset: 2000, sha256: sha256(bytes.subarray(0, 2000)) }]
  const facts = { ...uploadOf(ID, { length: bytes.length }).toFacts(), checkpoints }
  await engine.checkpoint(ID, () => facts, { durable: true, bytes: false })
  await place.sql.query('UPDATE s3_uploads SET digest_state = $1', [state.toString('base64')])
  const appended = await body(place, engine, 2000, bytes.subarray(2000), { closes: false, digest: 'final' })
  assert.is(appended?.sha256, sha256(bytes))
})

test('where a saved state and its checkpoint differ, and the bytes too, the upload falls back as on files', async (place) => {
  const bytes = randomBytes(3000)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, 1000))
  await body(place, await another(place), 1000, bytes.subarray(1000, 2000))
  const engine = await another(place)
  // As if other bytes stood behind the first checkpoint when the second one was made.
  const checkpoints = [
    { offset: 1000, sha256: sha256(bytes.subarray(0, 1000)) },
    { offset: 2000, sha256: sha256(bytes) },
  ]
  const facts = { ...uploadOf(ID, { length: bytes.length }).toFacts(), checkpoints }
  await engine.checkpoint(ID, () => facts, { durable: true, bytes: false })
  assert.is(await digestOf(engine, 2000, checkpoints), 'damaged after 1000')
})

test('a body that does not match its checksum takes its digest back, also for the next node', async (place) => {
  const bytes = randomBytes(3000)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, 1000))
  const second = await another(place)
  await body(place, second, 1000, randomBytes(PART_BYTES + 1000), {
    ...{ isChecked: true, closes: false, digest: 'none' },
  })
  assert.equal(await second.rollBack(ID, { offset: 1000 }), { live: true, sha256: null })
  assert.is(await savedOffset(place), 1000)
  const third = await another(place)
  const appended = await body(place, third, 1000, bytes.subarray(1000), { closes: false, digest: 'final' })
  assert.is(appended?.sha256, sha256(bytes))
})

test('a cut below the saved state forgets it', async (place) => {
  const bytes = randomBytes(3000)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, 1000))
  await body(place, await another(place), 1000, randomBytes(1000))
  const third = await another(place)
  await third.truncate(ID, 1500)
  assert.is(await savedOffset(place), null)
  await third.truncate(ID, 1000)
  const appended = await body(place, third, 1000, bytes.subarray(1000), { closes: false, digest: 'final' })
  assert.is(appended?.sha256, sha256(bytes))
})

test('a checkpoint in the middle of a body is where the next node goes on after a crash', async (place) => {
  const bytes = randomBytes(4 * PART_BYTES)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, 1000))
  const second = await another(place)
  const marked = PART_BYTES + 1000
  const open = { ends: false, closes: false }
  await body(place, second, 1000, bytes.subarray(1000, marked), open)
  await appendBytes({ ...place, engine: second }, ID, marked, bytes.subarray(marked, 3 * PART_BYTES + 9), {
    ...open,
    begins: false,
  })
  // The body does not end: its node dies.
  const third = await another(place)
  const storedBytes = 3 * PART_BYTES
  await eventually(WITHIN_MS, 'three parts', async () => {
    return (await third.measure(ID)).storedBytes === storedBytes || undefined
  })
  assert.is(await savedOffset(place), marked)
  const before = place.counter.counts.readBytes
  const appended = await body(place, third, storedBytes, bytes.subarray(storedBytes), {
    ...{ closes: false, digest: 'final' },
  })
  assert.is(appended?.sha256, sha256(bytes))
  const read = place.counter.counts.readBytes - before
  assert.ok(read <= storedBytes - marked, `${read} bytes were read, of ${storedBytes - marked} behind it`)
})

test('while a long prefix is read again, a fast body waits for it, and parts are sealed a few times only', async (place) => {
  const prefix = 60 * MIB
  const bytes = randomBytes(prefix + 60 * MIB)
  await createUpload(place.engine, ID, bytes.length)
  await body(place, place.engine, 0, bytes.subarray(0, prefix))
  const engine = await another(place)
  let [offset, isLive] = [prefix, false]
  await engine.open(ID, prefix, () => true)
  const prove = async (): Promise<void> => {
    while (!isLive) await engine.prove(ID, { to: offset, checkpoints: [], budgetBytes: 8 * MIB })
  }
  const proving = prove()
  for (const step = 2 * MIB; offset < bytes.length; ) {
    const isLast = offset + step >= bytes.length
    const options = { begins: offset === prefix, ends: isLast, closes: false, digest: 'prefix' as const }
    const appended = await appendBytes(
      { ...place, engine },
      ID,
      offset,
      bytes.subarray(offset, offset + step),
      options,
    )
    offset += step
    isLive ||= appended?.live === true
  }
  assert.ok(isLive, 'the digest has caught up before the body ends')
  isLive = true
  await proving
  const { calls, readBytes } = place.counter.counts
  assert.is(calls.CompleteMultipartUpload, 1)
  assert.ok(readBytes <= prefix, `${readBytes} bytes were read again`)
  assert.is(await engine.digest(ID, bytes.length), sha256(bytes))
})

s3.run()
