import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Place,
  placeFor,
  RECORD_BYTES,
  range,
  record,
  rejection,
  rows,
  sidecars,
  until,
} from '../helpers/records-place.js'

const test = suite<Place>('records, lock')
placeFor(test)

test('get answers with the queued state, then with the row, and undefined for neither', async (place) => {
  const records = place.open()
  await records.ready
  records.put(record(1))
  assert.ok(await records.flush(10_000))
  const { release } = await place.lock('BEGIN EXCLUSIVE')
  records.put(record(1, { offset: 7 }))
  records.put(record(2))
  assert.is((await records.get(record(1).id))?.offset, 7)
  await until(() => place.lines.some((line) => line.startsWith('warn: another process')))
  assert.is((await records.get(record(1).id))?.offset, 7, 'in flight')
  assert.is((await records.get(record(2).id))?.offset, 0)
  assert.is(await records.get(record(3).id), undefined, 'readers pass a writer under WAL')
  await release()
})

test('under BEGIN EXCLUSIVE of another process puts go on, and all rows are there 2 s after it', async (place) => {
  const records = place.open()
  await records.ready
  const { release } = await place.lock('BEGIN EXCLUSIVE')
  const startedMs = performance.now()
  for (const number of range(3000)) records.put(record(number, { state: 'finished' }))
  assert.ok(performance.now() - startedMs < 1000)
  await until(() => records.stats.lagMs > 1500)
  for (const number of range(3000)) records.put(record(number, { state: 'finished', offset: 1 }))
  assert.ok(records.stats.queued <= 3000 + 64, 'a batch in flight, and the newest states')
  assert.is(await records.flush(50), false)
  await release()
  assert.ok(await records.flush(2000), 'written within 2 s')
  assert.equal([...new Set(rows(place.path).map((row) => row.offset))], [1])
  assert.is(rows(place.path).length, 3000)
  const locked = place.lines.filter((line) => line.startsWith('warn: another process'))
  assert.is(locked.length, 1, 'logged once, not at each try')
  await until(() => place.lines.includes('info: the database of records answers again'))
})

test('opens behind locking_mode = EXCLUSIVE of another process, and is ready after it', async (place) => {
  const { release } = await place.lock(
    'PRAGMA journal_mode = WAL',
    'PRAGMA locking_mode = EXCLUSIVE',
    'BEGIN EXCLUSIVE',
  )
  const records = place.open()
  records.put(record(1))
  await until(() => records.stats.lagMs > 1000)
  assert.is((await rejection(records.get(record(2).id))).problem, 'locked')
  assert.is((await records.get(record(1).id))?.offset, 0)
  await release()
  assert.ok(await records.flush(2000))
  assert.ok((await records.ready).fresh)
  assert.is(rows(place.path).length, 1)
})

test('at the limit states are dropped with one line, and a reindex is asked for afterwards', async (place) => {
  const causes: string[] = []
  const records = place.open({ queueBytes: 4 * RECORD_BYTES, onNeedsReindex: (cause) => causes.push(cause) })
  await records.reindex(sidecars(), async () => true)
  const { release } = await place.lock('BEGIN EXCLUSIVE')
  for (const number of range(10)) records.put(record(number))
  for (const number of range(3)) records.put(record(100 + number, { state: 'finished' }))
  assert.is(records.stats.queued, 4)
  assert.is(records.stats.dropped, 9)
  assert.equal(causes, [])
  await release()
  await until(() => causes.length > 0)
  assert.equal(causes, ['dropped'])
  assert.is(place.lines.filter((line) => line.includes('queue of records is full')).length, 1)
  assert.is(rows(place.path).filter((row) => row.state === 'finished').length, 3)
  await records.close(5000)
  assert.ok((await place.open().ready).fresh, 'the next start knows of it as well')
})

test('close gives up at its timeout under a lock, and says so', async ({ open, lock, lines }) => {
  const records = open()
  await records.ready
  await lock('BEGIN EXCLUSIVE')
  records.put(record(1))
  const startedMs = performance.now()
  await records.close(200)
  assert.ok(performance.now() - startedMs < 2000)
  assert.ok(lines.includes('warn: records were not written before the close'))
})

test('a reindex under a lock waits with the queue half full, and loses nothing', async (place) => {
  const records = place.open({ queueBytes: 20 * RECORD_BYTES })
  await records.ready
  const { release } = await place.lock('BEGIN EXCLUSIVE')
  const all = range(200).map((number) => record(number))
  const reindexed = records.reindex(sidecars(...all), async () => true)
  reindexed.catch(() => {}) // It is awaited below, unless an assertion fails before.
  await until(() => records.stats.lagMs > 300)
  assert.is(records.stats.queued, 10)
  await release()
  assert.equal(await reindexed, { restored: 200, removed: 0 })
  assert.is(records.stats.dropped, 0)
  assert.is(rows(place.path).length, 200)
})

test.run()
