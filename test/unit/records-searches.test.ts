import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arrive, leave, type Place, range, record, rows, sidecars } from './records-place.js'

const test = suite<Place>('records, searches')
test.before.each(arrive)
test.after.each(leave)

const at = (second: number): string => `2026-11-23T10:00:${String(second).padStart(2, '0')}.000Z`

test('missing gives the ids that have no row, in any state', async ({ open }) => {
  const records = open()
  const states = ['receiving', 'paused', 'finished', 'terminated'] as const
  for (const [number, state] of states.entries()) records.put(record(number, { state }))
  assert.ok(await records.flush(10_000))
  const ids = [0, 1, 2, 3, 8, 9].map((number) => record(number).id)
  assert.equal(await records.missing(ids), ids.slice(4))
  assert.equal((await records.rows(ids)).length, 4)
})

test('finals gives the finished final uploads in the order of their finish, page by page', async ({
  open,
}) => {
  const records = open()
  const final = { state: 'finished', concat: 'final' } as const
  // Two at the same moment must not hide each other behind the end of a page.
  for (const [number, second] of [5, 3, 3, 9].entries())
    records.put(record(number, { ...final, updatedAt: at(second) }))
  records.put(record(4, { state: 'finished', updatedAt: at(9) }))
  records.put(record(5, { state: 'paused', concat: 'final', updatedAt: at(9) }))
  assert.ok(await records.flush(10_000))
  const found: number[] = []
  for (let after = { updatedAt: at(1), id: '' }; ; ) {
    const [row] = await records.finals(after, 1)
    if (!row) break
    found.push(Number(row.id.slice(9)))
    after = row
  }
  assert.equal(found, [1, 2, 0, 3])
  assert.equal(await records.finals({ updatedAt: at(9), id: 'z' }, 10), [])
})

test('purge keeps so many rows without files in each state, the newest', async ({ open, path }) => {
  const records = open()
  for (const number of range(700)) {
    const updatedAt = new Date(Date.UTC(2026, 10, 23) + number * 1000).toISOString()
    records.put(record(number, { state: number % 2 === 0 ? 'expired' : 'terminated', updatedAt }))
  }
  records.put(record(700, { state: 'paused' }))
  assert.ok(await records.flush(10_000))
  // The row at the limit stays as well: it is the first of those that are old enough to go.
  assert.is(await records.purge(new Date(0), 10), 700 - 22)
  assert.equal(
    rows(path).map((row) => Number(String(row.id).slice(9))),
    [...range(22).map((number) => 678 + number), 700],
  )
  assert.is(await records.purge(new Date(0)), 0)
})

test('the next start is told of a clean end, once, and only where the end could say so', async ({ open }) => {
  const first = open()
  await first.ready
  assert.is(await first.takeClean(), false)
  await first.reindex(sidecars(), async () => true)
  await first.close(5_000)
  const second = open()
  await second.ready
  assert.is(await second.takeClean(), false)
  second.leaveClean()
  second.put(record(1))
  await second.close(5_000)
  const third = open()
  await third.ready
  assert.is(await third.takeClean(), true)
  assert.is(await third.takeClean(), false)
})

test.run()
