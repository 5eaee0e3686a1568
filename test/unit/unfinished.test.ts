import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { createId } from '../../server/model/upload-id.js'
import { Unfinished } from '../../server/uploads/unfinished.js'

const test = suite('unfinished')

const codeOf = (error: unknown): string => (error instanceof UploadError ? error.code : '')

const DAY = new Date('2026-11-25T12:00:00Z')
const idOf = (number: number): string => createId(DAY, number.toString(16).padStart(32, '0'))
/** Ids whose first word is the same share a place in the table. */
const crowdedId = fc.integer({ min: 0, max: 40 }).map(idOf)
const spreadId = fc.integer({ min: 0, max: 3000 }).map((number) => {
  return createId(DAY, ((number * 0x9e37_79b1) % 2 ** 32).toString(16).padStart(8, '0').padEnd(32, '7'))
})
/** The same without a dash, and ids that a hook has named. */
const hexId = fc.integer({ min: 0, max: 40 }).map((number) => idOf(number).replace('-', ''))
const namedId = fc.integer({ min: 0, max: 40 }).map((number) => `20261125-order-${number}`)
const id = fc.oneof(crowdedId, spreadId, hexId, namedId)
const at = fc.nat(1000)
const step = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('set' as const), id, at }), weight: 5 },
  { arbitrary: fc.record({ kind: fc.constant('delete' as const), id, at }), weight: 5 },
  // Few of these: each looks at the whole table and the whole model.
  { arbitrary: fc.record({ kind: fc.constant('due' as const), id, at }), weight: 1 },
)

test('its size is the number of unfinished uploads, and each is due at its time, whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1500, size: 'max' }), (steps) => {
      const table = new Unfinished(100_000)
      const model = new Map<string, number>()
      for (const { kind, id, at } of steps) {
        if (kind === 'set') {
          table.set(id, at)
          model.set(id, at)
        } else if (kind === 'delete') {
          table.delete(id)
          model.delete(id)
        } else {
          const expected = [...model].filter(([, dueAt]) => dueAt <= at).map(([due]) => due)
          assert.equal(table.due(at, 100_000).sort(), expected.sort())
        }
        assert.is(table.size, model.size)
        assert.is(table.has(id), model.has(id))
      }
    }),
    { numRuns: 30 },
  )
})

test('batches of what is due reach every upload while others are removed', () => {
  const table = new Unfinished(100_000)
  for (let number = 0; number < 1000; number++) table.set(idOf(number), number % 2)
  const seen = new Set<string>()
  for (;;) {
    const ids = table.due(0, 64)
    if (ids.length === 0) break
    for (const id of ids) {
      seen.add(id)
      table.delete(id)
    }
  }
  assert.is(seen.size, 500)
  assert.is(table.size, 500)
  assert.is(table.due(1, 10_000).length, 500)
})

test('at the limit a new upload is refused, and there is room again once one is gone', () => {
  const table = new Unfinished(2)
  table.admit(idOf(1), 0)
  table.admit(idOf(2), 0)
  assert.throws(
    () => table.admit(idOf(3), 0),
    (error: unknown) => error instanceof UploadError && error.code === 'unfinished_full',
  )
  table.delete(idOf(1))
  table.delete(idOf(1))
  table.admit(idOf(3), 0)
  assert.is(table.size, 2)
})

test('one of several nodes admits as many as are left by the last count of all nodes', () => {
  const unfinished = new Unfinished(3)
  unfinished.admit(idOf(1), 0)
  unfinished.noteAll(2)
  unfinished.admit(idOf(2), 0)
  assert.is(unfinished.size, 3)
  assert.throws(
    () => unfinished.admit(idOf(3), 0),
    (error: unknown) => codeOf(error) === 'unfinished_full',
  )
  unfinished.noteAll(2)
  unfinished.admit(idOf(3), 0)
})

test('one of several nodes has room again as soon as an upload ends that was here', () => {
  const unfinished = new Unfinished(2)
  unfinished.noteAll(0)
  for (let number = 0; number < 10; number++) {
    const id = number % 2 === 0 ? idOf(number) : `20261125-order-${number}`
    unfinished.admit(id, 0)
    unfinished.delete(id)
    // It is gone already: nothing more ends.
    unfinished.delete(id)
  }
  assert.is(unfinished.size, 0)
  unfinished.admit(idOf(1), 0)
  unfinished.admit(idOf(2), 0)
  unfinished.delete(idOf(3))
  assert.is(unfinished.size, 2)
  // The last count was from before these two.
  unfinished.noteAll(1)
  for (const number of [1, 2]) unfinished.delete(idOf(number))
  assert.is(unfinished.size, 0)
})

test('one that is found on the disk counts, also beyond the limit', () => {
  const table = new Unfinished(1)
  table.set(idOf(1), 0)
  table.set(idOf(2), 0)
  assert.is(table.size, 2)
})

test.run()
