import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { StoredFacts } from '../../server/model/upload-facts.js'
import { PartSurvey } from '../../server/uploads/joining/part-survey.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { keep, uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, storageWith } from '../helpers/upload-fakes.js'

const [ONE, TWO, THREE] = [idOf('1'), idOf('2'), idOf('3')]

/** A survey over an engine in memory and uploads in memory; `reads` are the ids that the engine was asked for. */
function place() {
  const { engine, storage } = storageWith()
  const live = new Map<string, StoredUpload>()
  const leaving = new Map<string, Promise<void>>()
  const reads: string[] = []
  /** What happens while the disk is read. */
  const disk = { reading: async (_: string): Promise<void> => {} }
  const load = async (id: string) => {
    reads.push(id)
    const found = await engine.load(id)
    await disk.reading(id)
    return found
  }
  const survey = new PartSurvey(
    { load, addressOf: (id) => engine.addressOf(id) },
    { peek: (id) => live.get(id), leaving: (id) => leaving.get(id) },
  )
  const store = (id: string, bytes: string, facts: Partial<StoredFacts> = {}): void =>
    keep(storage, uploadOf(id, { concat: 'partial', length: 5, offset: bytes.length, ...facts }), bytes)
  return { storage, survey, live, leaving, reads, disk, store }
}

/** A promise, and what resolves it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Long enough for everything that waits for no gate. */
async function turns(): Promise<void> {
  for (let count = 0; count < 50; count++) await new Promise((resolve) => setImmediate(resolve))
}

test('parts are together as long as their sum, and as young as the youngest of them', async () => {
  const { survey, store } = place()
  const created = { createdAt: new Date(0).toISOString() }
  store(ONE, 'five5', { ...created, touchedAtMs: 1 })
  store(TWO, 'sixsix', { ...created, length: 6, touchedAtMs: 3 })
  store(THREE, 'five5', { ...created, touchedAtMs: 2 })
  const whole = { length: 16, unfinished: undefined, touchedAtMs: 3, hasBytes: true, terminated: [] }
  assert.equal(await survey.of([ONE, TWO, THREE]), whole)
})

test('the first part is told that has not all its bytes; from a later place on, the earlier ones count for nothing', async () => {
  const { survey, reads, store } = place()
  store(ONE, '')
  store(TWO, '')
  store(THREE, 'five5')
  const all = await survey.of([THREE, ONE, TWO])
  assert.equal([Reflect.get(all, 'unfinished'), Reflect.get(all, 'hasBytes')], [1, true])
  reads.length = 0
  const rest = await survey.of([THREE, ONE, TWO], 2)
  assert.equal([Reflect.get(rest, 'unfinished'), Reflect.get(rest, 'length')], [2, 5])
  assert.equal([Reflect.get(rest, 'hasBytes'), reads], [false, [TWO]])
})

test('where one part has no length yet the sum has none', async () => {
  const { survey, store } = place()
  store(ONE, 'abc', { length: null })
  store(TWO, 'five5')
  assert.is(Reflect.get(await survey.of([ONE, TWO]), 'length'), null)
})

test('a part that is named twice counts twice, and is read once', async () => {
  const { survey, reads, store } = place()
  store(ONE, 'five5')
  assert.is(Reflect.get(await survey.of([ONE, ONE]), 'length'), 10)
  assert.equal(reads, [ONE])
})

test('a part is missing that is not stored, that the check does not let through, or that will get no more bytes', async () => {
  const { survey, store } = place()
  store(ONE, 'five5')
  assert.equal(await survey.of([ONE, TWO]), { missing: TWO })
  assert.equal(await survey.of([ONE], 0, () => false), { missing: ONE })
  store(TWO, 'abc', { terminatedAt: '2026-11-25T12:00:00Z' })
  assert.equal(await survey.of([ONE, TWO]), { missing: TWO })
  store(TWO, 'five5', { terminatedAt: '2026-11-25T12:00:00Z' })
  assert.equal(Reflect.get(await survey.of([ONE, TWO, TWO]), 'terminated'), [TWO], 'its bytes are there')
})

test('a part in memory counts as it is there, and is not read from the disk; one that is being removed is gone', async () => {
  const { survey, live, reads, store } = place()
  store(ONE, 'abc')
  const upload = uploadOf(ONE, { length: 5, offset: 5 })
  live.set(ONE, upload)
  assert.is(await survey.read(ONE), upload)
  assert.equal(reads, [])
  upload.markGone()
  assert.is(await survey.read(ONE), undefined)
})

test('a part that comes into memory while the disk is read counts as it is in memory', async () => {
  const { survey, live, disk, store } = place()
  store(ONE, 'abc')
  const upload = uploadOf(ONE, { length: 5, offset: 5 })
  disk.reading = async (id) => void live.set(id, upload)
  assert.is(await survey.read(ONE), upload)
})

test('a part whose removal runs is read once that has ended, also where it begins while the disk is read', async () => {
  const { storage, survey, leaving, reads, disk, store } = place()
  store(ONE, 'five5')
  const removal = gate()
  disk.reading = async (id) => {
    disk.reading = async () => {}
    leaving.set(id, removal.opened)
  }
  const read = survey.read(ONE)
  await turns()
  assert.equal(reads, [ONE])
  storage.uploads.delete(ONE)
  leaving.delete(ONE)
  removal.open()
  assert.is(await read, undefined)
})

test('a part whose sidecar cannot be read is neither there nor missing', async () => {
  const { storage, survey, store } = place()
  store(ONE, 'five5')
  Object.assign(storage.uploads.get(ONE) ?? {}, { facts: null })
  assert.is(await codeOf(survey.of([ONE])), 'upload_locked')
})

test('long lists take turns, so that many at once do not take the disk from others; a short one does not wait', async () => {
  const { survey, reads, disk, store } = place()
  for (const id of [ONE, TWO, THREE]) store(id, 'five5')
  const held = gate()
  disk.reading = () => held.opened
  const long = (id: string): string[] => Array<string>(17).fill(id)
  const first = survey.of(long(ONE), 0, () => {
    throw new Error('not a part')
  })
  const second = survey.of(long(TWO))
  const short = survey.of([THREE])
  const outcomes = Promise.allSettled([first, second, short])
  await turns()
  assert.equal(reads.sort(), [ONE, THREE])
  held.open()
  const ends = (await outcomes).map(({ status }) => status)
  assert.equal(ends, ['rejected', 'fulfilled', 'fulfilled'], 'one that fails keeps nobody from its turn')
})

test.run()
