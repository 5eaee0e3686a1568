import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RecordState, UploadRecord } from '../../server/model/record.js'
import { type RecordStore, RecordsError, type ReindexCause } from '../../server/model/record-store.js'
import { AT, RECORD_BYTES, record, sidecars } from './record.js'
import { eventually } from './server.js'

/** Where a test opens stores, one after the other, over the same database. */
export interface StorePlace {
  open(options?: { queueBytes?: number; onNeedsReindex?: (cause: ReindexCause) => void }): RecordStore
  /** Lets another process lock the database: it can be read and not written. Returns the function that ends that. */
  lockOut(): Promise<() => Promise<void>>
}

const WITHIN_MS = 30_000
const ALL_STATES = ['receiving', 'paused', 'finished', 'refused', 'expired', 'terminated'] as const

const ROOM_FOR_FOUR = { queueBytes: 4 * RECORD_BYTES }

/** Adds the tests that every record store must pass. */
export function testRecordStore(test: Test<StorePlace>): void {
  testRecords(test)
  testLists(test)
  testReindex(test)
  testLock(test)
}

function testRecords(test: Test<StorePlace>): void {
  test('every field of a record comes back, also in the next process', async ({ open }) => {
    const whole = { sha256: 'ab'.repeat(32), finishedAt: AT, reason: 'why', joinedInto: 'x', owner: 'alice' }
    const finished = record(1, {
      ...whole,
      state: 'finished',
      concat: 'final',
      length: null,
      offset: 2 ** 40,
    })
    const store = open()
    store.put(finished)
    assert.equal(await store.get(finished.id), finished)
    await store.close(WITHIN_MS)
    const next = open()
    await next.ready
    assert.equal(await next.get(finished.id), finished)
    assert.is(await next.get(record(2).id), undefined)
  })

  test('the newest record of an upload is kept, however often it is written', async ({ open }) => {
    const store = open()
    for (let offset = 0; offset < 50; offset++) {
      store.put(record(1, { offset }))
      if (offset % 7 === 0) assert.ok(await store.flush(WITHIN_MS))
    }
    assert.ok(await store.flush(WITHIN_MS))
    assert.equal(offsets(await store.rows([record(1).id])), [49])
  })

  test('what a sidecar gives replaces a record from before this process, and never a later one', async ({
    open,
  }) => {
    const before = open()
    before.put(record(1, { offset: 9, updatedAt: '2026-11-23T11:00:00.000Z' }))
    await before.close(WITHIN_MS)
    const store = open()
    store.put(record(2, { offset: 9, updatedAt: '2100-01-01T00:00:00.000Z' }))
    assert.ok(await store.flush(WITHIN_MS))
    for (const number of [1, 2, 3]) await store.restore(record(number, { offset: 3 }))
    assert.ok(await store.flush(WITHIN_MS))
    assert.equal(offsets(await store.withFiles('', 10)), [3, 9, 3])
  })

  test('after the close records are ignored, and calls reject with closed', async ({ open }) => {
    const store = open()
    await store.ready
    await store.close(WITHIN_MS)
    store.put(record(1))
    assert.is(store.stats.queued, 0)
    const calls = [store.get('any'), store.restore(record(1)), store.unfinished('', 1), store.takeClean()]
    for (const call of calls) assert.is(await problemOf(call), 'closed')
    assert.is(await store.flush(WITHIN_MS), true, 'nothing waits')
  })
}

function testLists(test: Test<StorePlace>): void {
  test('lists give the records of their states by id, page by page', async ({ open }) => {
    const store = await filled(open())
    assert.equal(numbers(await pages((afterId) => store.unfinished(afterId, 1))), [0, 1])
    assert.equal(numbers(await pages((afterId) => store.withFiles(afterId, 2))), [0, 1, 2])
    assert.equal(await store.missing([record(5).id, record(6).id]), [record(6).id])
    assert.equal(numbers(await store.rows([record(5).id, record(6).id])), [5])
  })

  test('finished final uploads are listed by time and id, so that no page hides an equal time', async ({
    open,
  }) => {
    const store = open()
    const final = { state: 'finished', concat: 'final' } as const
    for (const [number, second] of [5, 3, 3, 9].entries())
      store.put(record(number, { ...final, updatedAt: at(second) }))
    store.put(record(4, { state: 'finished', updatedAt: at(9) }))
    store.put(record(5, { state: 'paused', concat: 'final', updatedAt: at(9) }))
    assert.ok(await store.flush(WITHIN_MS))
    const found: UploadRecord[] = []
    for (let after = { updatedAt: at(1), id: '' }; ; ) {
      const [row] = await store.finals(after, 1)
      if (!row) break
      found.push(row)
      after = row
    }
    assert.equal(numbers(found), [1, 2, 0, 3])
  })

  test('remove deletes records with files, purge those without', async ({ open }) => {
    const store = await filled(open())
    const ids = ALL_STATES.map((_, number) => record(number).id)
    assert.is(await store.purge(new Date(Date.parse(AT))), 0)
    assert.is(await store.remove(ids), 3)
    assert.equal(await store.missing(ids), ids.slice(0, 3))
    assert.is(await store.purge(new Date(Date.parse(AT) + 1)), 3)
    assert.equal(await store.missing(ids), ids)
  })

  test('purge keeps the newest of each state', async ({ open }) => {
    const store = open()
    for (let number = 0; number < 20; number++)
      store.put(record(number, { state: 'expired', updatedAt: at(number) }))
    assert.ok(await store.flush(WITHIN_MS))
    // The one at the limit stays as well.
    assert.is(await store.purge(new Date(0), 4), 15)
    assert.equal(await store.missing([record(14).id, record(15).id]), [record(14).id])
  })
}

function testReindex(test: Test<StorePlace>): void {
  test('a reindex restores what has a sidecar, removes what has no files, and makes the index whole', async ({
    open,
  }) => {
    const store = await filled(open())
    assert.ok((await store.ready).fresh)
    assert.is(store.wholeSinceMs, Number.POSITIVE_INFINITY)
    const kept = record(1).id
    const result = await store.reindex(
      sidecars(record(1, { offset: 8 }), record(7)),
      async ({ id }) => id === kept,
    )
    assert.equal(result, { restored: 2, removed: 3 })
    assert.equal(numbers(await store.withFiles('', 10)), [1])
    assert.ok(store.wholeSinceMs <= Date.now())
    await store.close(WITHIN_MS)
    assert.equal(await open().ready, { fresh: false, newestAt: AT })
  })

  test('a reindex that fails leaves the index as it was: one is due at the next start', async ({ open }) => {
    const store = open()
    const failing = async function* () {
      yield record(1)
      throw new Error('a folder cannot be read')
    }
    const failure = await store.reindex(failing(), async () => true).catch((error: Error) => error.message)
    assert.is(failure, 'a folder cannot be read')
    await store.close(WITHIN_MS)
    assert.ok((await open().ready).fresh)
  })

  test('the mark of a clean end is left on request, and can be taken once', async ({ open }) => {
    const first = await whole(open())
    await first.close(WITHIN_MS)
    const second = open()
    await second.ready
    assert.is(await second.takeClean(), false, 'the first store was not asked to leave it')
    second.leaveClean()
    await second.close(WITHIN_MS)
    const third = open()
    await third.ready
    assert.equal([await third.takeClean(), await third.takeClean()], [true, false])
  })
}

function testLock(test: Test<StorePlace>): void {
  test('under a lock records wait and are found, and are written after it', async ({ open, lockOut }) => {
    const store = await whole(open())
    const release = await lockOut()
    store.put(record(1, { offset: 7 }))
    assert.is(await store.flush(50), false)
    assert.is((await store.get(record(1).id))?.offset, 7)
    assert.is(store.stats.queued, 1)
    assert.ok(store.stats.lagMs > 0)
    await release()
    assert.ok(await store.flush(WITHIN_MS))
    assert.equal([store.stats.queued, store.stats.lagMs], [0, 0])
    assert.equal(numbers(await store.unfinished('', 10)), [1])
  })

  test('an end under a lock is not a clean one', async ({ open, lockOut }) => {
    const store = await whole(open())
    store.leaveClean()
    const release = await lockOut()
    store.put(record(1))
    await store.close(50)
    await release()
    const next = open()
    await next.ready
    assert.is(await next.takeClean(), false)
  })

  test('records that are dropped while a batch is under way are missing at the next start', async (place) => {
    const causes: string[] = []
    const store = place.open({ ...ROOM_FOR_FOUR, onNeedsReindex: (cause) => causes.push(cause) })
    await whole(store)
    const release = await place.lockOut()
    store.put(record(0))
    assert.is(await store.flush(0), false, 'the batch is under way')
    for (let number = 1; number < 10; number++) store.put(record(number))
    assert.is(store.stats.dropped, 6)
    assert.is(store.wholeSinceMs, Number.POSITIVE_INFINITY)
    await release()
    await eventually(WITHIN_MS, 'the request for a reindex', async () => causes.length > 0 || undefined)
    await store.close(WITHIN_MS)
    assert.equal(causes, ['dropped'])
    assert.ok((await place.open().ready).fresh)
  })

  test('a reindex beside which records are dropped does not make the index whole', async (place) => {
    const causes: string[] = []
    const store = place.open({ ...ROOM_FOR_FOUR, onNeedsReindex: (cause) => causes.push(cause) })
    await whole(store)
    // The walk has passed these uploads when they change.
    const overtaken = async function* () {
      yield record(0)
      const release = await place.lockOut()
      for (let number = 0; number < 10; number++) store.put(record(number))
      await release()
    }
    await store.reindex(overtaken(), async () => true)
    await eventually(WITHIN_MS, 'the request for a reindex', async () => causes.length > 0 || undefined)
    assert.is(store.wholeSinceMs, Number.POSITIVE_INFINITY)
    await store.close(WITHIN_MS)
    assert.ok((await place.open().ready).fresh)
  })
}

async function filled(store: RecordStore, states: readonly RecordState[] = ALL_STATES): Promise<RecordStore> {
  for (const [number, state] of states.entries()) store.put(record(number, { state }))
  assert.ok(await store.flush(WITHIN_MS))
  return store
}

/** The same store, once nothing is missing from it. */
export async function whole(store: RecordStore): Promise<RecordStore> {
  await store.reindex(sidecars(), async () => true)
  return store
}

async function pages(
  next: (afterId: string) => Promise<readonly UploadRecord[]>,
): Promise<readonly UploadRecord[]> {
  const all: UploadRecord[] = []
  for (let rows = await next(''); rows.length > 0; rows = await next(all.at(-1)?.id ?? '')) all.push(...rows)
  return all
}

async function problemOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'none',
    (error: unknown) => (error instanceof RecordsError ? error.problem : String(error)),
  )
}

const at = (second: number): string => `2026-11-23T10:00:${String(second).padStart(2, '0')}.000Z`
const offsets = (rows: readonly UploadRecord[]): number[] => rows.map(({ offset }) => offset)
const numbers = (rows: readonly UploadRecord[]): number[] => rows.map(({ id }) => Number(id.slice(9)))
