import { statSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AT,
  commits,
  type Place,
  placeFor,
  range,
  record,
  rejection,
  rows,
} from '../helpers/records-place.js'

const test = suite<Place>('records')
placeFor(test)

test('stores every field of a record in the column of the contract', async ({ open, path }) => {
  const records = open()
  const sha256 = 'ab'.repeat(32)
  const ended = { state: 'finished', sha256, offset: 5_000_000_000, finishedAt: AT } as const
  const finished = { ...ended, concat: 'final', joinedInto: 'the whole', owner: 'alice' } as const
  records.put(record(1, finished))
  assert.ok(await records.flush(10_000))
  const { id, filename, type, declaredType, length, metadata, path: file, reason } = record(1)
  const times = { created_at: AT, updated_at: AT, finished_at: AT }
  const columns = { id, state: 'finished', filename, type, declared_type: declaredType, length }
  const more = { offset: length, sha256, metadata, path: file, ...times, reason, concat: 'final' }
  // By the last two, lists find it.
  const newest = {
    ...{ joined_into: 'the whole', owner: 'alice', grant_id: null },
    ...{ name_key: 'PHOTO.JPG', family: 'image/' },
  }
  assert.equal(rows(path), [{ ...columns, ...more, ...newest }])
  assert.equal(await records.get(id), record(1, finished))
  assert.is(statSync(path).mode & 0o777, 0o640)
})

test('keeps only the newest state of an upload', async ({ open, path }) => {
  const records = open()
  for (const offset of range(100)) records.put(record(1, { offset }))
  assert.is(records.stats.queued, 1)
  assert.ok(await records.flush(10_000))
  assert.equal(
    rows(path).map((row) => row.offset),
    [99],
  )
})

test('a batch is one transaction', async ({ open, path }) => {
  const records = open()
  await records.ready
  const before = commits(path)
  for (const number of range(60)) records.put(record(number))
  assert.ok(await records.flush(10_000))
  assert.is(commits(path), before + 1)
  assert.is(rows(path).length, 60)
})

test('a state that SQLite cannot take is left out and logged, and the others are written', async (place) => {
  const records = place.open()
  records.put(record(1))
  records.put(record(2, { offset: Number.NaN }))
  records.put(record(3))
  assert.ok(await records.flush(10_000))
  assert.is(rows(place.path).length, 2)
  assert.ok(place.lines.includes('error: a record cannot be stored and is left out'))
})

test('close writes what is queued', async ({ open, path }) => {
  const records = open()
  for (const number of range(1500)) records.put(record(number))
  await records.close(10_000)
  assert.is(rows(path).length, 1500)
  records.put(record(1, { offset: 9 }))
  assert.is(records.stats.queued, 0, 'ignored after the close')
  assert.is((await rejection(records.get('any'))).problem, 'closed')
})

test.run()
