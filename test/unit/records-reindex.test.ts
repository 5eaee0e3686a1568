import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AT, arrive, leave, type Place, range, record, rows, sidecars } from './records-place.js'

const test = suite<Place>('records, reindex')
test.before.each(arrive)
test.after.each(leave)

test('purge deletes old rows without files, and no others', async ({ open, path }) => {
  const records = open()
  const old = { updatedAt: '2026-11-20T00:00:00.000Z' }
  for (const number of range(600)) records.put(record(number, { ...old, state: 'refused' }))
  records.put(record(600, { ...old, state: 'expired' }))
  records.put(record(601, { ...old, state: 'terminated' }))
  records.put(record(602, { ...old, state: 'finished' }))
  records.put(record(603, { ...old, state: 'paused' }))
  records.put(record(604, { state: 'terminated' }))
  assert.ok(await records.flush(10_000))
  assert.is(await records.purge(new Date('2026-11-21T00:00:00Z')), 602)
  assert.equal(
    rows(path).map((row) => row.state),
    ['finished', 'paused', 'terminated'],
  )
})

test('unfinished gives the receiving and paused rows in pages', async ({ open }) => {
  const records = open()
  const states = ['receiving', 'finished', 'paused', 'refused', 'receiving'] as const
  for (const [number, state] of states.entries()) records.put(record(number, { state }))
  assert.ok(await records.flush(10_000))
  const first = await records.unfinished('', 2)
  const second = await records.unfinished(first.at(-1)?.id ?? '', 2)
  const third = await records.unfinished(second.at(-1)?.id ?? '', 2)
  const numbers = [first, second, third].map((page) => page.map((row) => Number(row.id.slice(9))))
  assert.equal(numbers, [[0, 2], [4], []])
})

test('a page of rows with long metadata is bounded in bytes, and no row is left out', async ({ open }) => {
  const records = open({ queueBytes: 2 ** 30 })
  const long = { metadata: `filename ${'QUFB'.repeat(2045)}`, filename: 'A'.repeat(6135) }
  for (const number of range(300)) records.put(record(number, long))
  assert.ok(await records.flush(10_000))
  let seen = 0
  let longest = 0
  for (let afterId = ''; ; ) {
    const page = await records.unfinished(afterId, 256)
    const last = page.at(-1)
    if (!last) break
    seen += page.length
    longest = Math.max(longest, JSON.stringify(page).length)
    afterId = last.id
  }
  assert.is(seen, 300)
  assert.ok(longest < 512 * 1024, `${longest} bytes in a page`)
  const gone = await records.reindex(sidecars(), async () => false)
  assert.equal(gone, { restored: 0, removed: 300 })
})

test('a reindex brings back what the disk has and removes rows whose files are gone', async (place) => {
  const records = place.open()
  assert.ok((await records.ready).fresh)
  for (const number of range(700)) records.put(record(number, { state: 'finished' }))
  records.put(record(700, { state: 'terminated' }))
  assert.ok(await records.flush(10_000))
  const onDisk = [record(5, { state: 'finished', offset: 1 }), record(800), record(801)]
  const ids = new Set(onDisk.map(({ id }) => id))
  const result = await records.reindex(sidecars(...onDisk), async ({ id }) => ids.has(id))
  assert.equal(result, { restored: 3, removed: 699 })
  assert.equal(
    rows(place.path).map((row) => [Number(String(row.id).slice(9)), row.offset]),
    [
      [5, 1],
      [700, 0],
      [800, 0],
      [801, 0],
    ],
  )
  await records.close(5000)
  assert.equal(await place.open().ready, { fresh: false, newestAt: AT })
})

test('a reindex that does not reach its end is due again at the next start', async ({ open }) => {
  const records = open()
  const failing = async function* () {
    yield record(1)
    throw new Error('a folder cannot be read')
  }
  const failure = await records.reindex(failing(), async () => true).catch((error: Error) => error.message)
  assert.is(failure, 'a folder cannot be read')
  await records.close(5000)
  assert.ok((await open().ready).fresh)
})

test('what a sidecar says replaces what another process put before this one began', async ({
  open,
  path,
}) => {
  const before = open()
  before.put(record(1, { state: 'finished', offset: 9, updatedAt: '2026-11-23T11:00:00.000Z' }))
  await before.close(10_000)
  const records = open()
  await records.restore(record(1, { offset: 3 }))
  assert.ok(await records.flush(10_000))
  assert.equal(
    rows(path).map((row) => row.offset),
    [3],
  )
})

test('what a sidecar says never replaces a later state', async ({ open, path }) => {
  const records = open()
  const later = { state: 'finished', offset: 9, updatedAt: '2100-01-01T00:00:00.000Z' } as const
  records.put(record(1, later))
  assert.ok(await records.flush(10_000))
  await records.restore(record(1, { offset: 3 }))
  assert.is((await records.get(record(1).id))?.offset, 9)
  records.put(record(2, later))
  await records.restore(record(2, { offset: 3 }))
  assert.ok(await records.flush(10_000))
  assert.equal(
    rows(path).map((row) => row.offset),
    [9, 9],
  )
})

test.run()
