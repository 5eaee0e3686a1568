import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AT, type Place, placeFor, range, record, rows, sidecars } from '../helpers/records-place.js'

const test = suite<Place>('records, reindex')
placeFor(test)

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

test.run()
