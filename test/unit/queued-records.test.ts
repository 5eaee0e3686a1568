import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BackendEvents, Opening } from '../../server/records/backend.js'
import { QueuedRecords } from '../../server/records/queued-records.js'
import { MemoryDatabase, openMemoryRecords } from '../helpers/memory-records.js'
import { RECORD_BYTES, record, sidecars } from '../helpers/record.js'
import { whole } from '../helpers/record-store-contract.js'
import { eventually } from '../helpers/server.js'

const test = suite('queued records')

const WITHIN_MS = 30_000
const ROOM_FOR_FOUR = 4 * RECORD_BYTES

function place() {
  const database = new MemoryDatabase()
  const lines: string[] = []
  const note = (_: object, message: string) => lines.push(message)
  const log = { info: note, warn: note, error: note }
  const options = { database: 'memory', queueBytes: ROOM_FOR_FOUR, log }
  const open = (onNeedsReindex = (): void => {}) =>
    openMemoryRecords(database, { ...options, onNeedsReindex })
  return { database, lines, open }
}

test('an end that could not write everything leaves no mark, and says so', async () => {
  const { database, lines, open } = place()
  const store = await whole(open())
  store.leaveClean()
  const release = database.hold('write')
  store.put(record(1))
  await store.close(20)
  release()
  assert.is(database.isClean, false)
  assert.ok(lines.includes('records were not written before the close'))
})

test('an end while rows are missing leaves no mark, though everything queued is written', async () => {
  const { database, open } = place()
  const store = await whole(open())
  store.leaveClean()
  const release = database.hold('write')
  for (let number = 0; number < 10; number++) store.put(record(number))
  release()
  await store.close(WITHIN_MS)
  assert.equal([store.stats.dropped > 0, database.isIncomplete, database.isClean], [true, true, false])
})

test('records dropped in the last moment of a reindex are still marked as missing', async () => {
  const { database, open } = place()
  const store = await whole(open())
  const release = database.hold('complete')
  const reindexed = store.reindex(sidecars(), async () => true)
  await eventually(
    WITHIN_MS,
    'the end of the walk',
    async () => database.waiting('complete') > 0 || undefined,
  )
  for (let number = 0; number < 10; number++) store.put(record(number))
  // The batch with the mark comes before the mark is removed.
  assert.is(await store.flush(WITHIN_MS), true)
  await eventually(WITHIN_MS, 'the mark', async () => database.isIncomplete || undefined)
  release()
  await reindexed
  assert.is(store.wholeSinceMs, Number.POSITIVE_INFINITY)
  await store.close(WITHIN_MS)
  assert.is(database.isIncomplete, true)
})

test('a reindex is asked for once the database has the mark that records were dropped', async () => {
  const { database, open } = place()
  const marks: boolean[] = []
  const store = await whole(open(() => void marks.push(database.isIncomplete)))
  const release = database.hold('write')
  for (let number = 0; number < 3; number++) store.put(record(number))
  await eventually(WITHIN_MS, 'the first batch', async () => database.waiting('write') > 0 || undefined)
  // The batch under way was sent before: it brings no mark.
  for (let number = 3; number < 10; number++) store.put(record(number))
  release()
  await eventually(WITHIN_MS, 'the call for a reindex', async () => marks.length > 0 || undefined)
  assert.equal(marks, [true])
  await store.close(WITHIN_MS)
})

test('a reindex beside which another database took the place of the first leaves no whole index', async () => {
  const calls: string[] = []
  const opening: Opening = {
    ...{ isNew: false, incomplete: true, newestAt: null, wholeSinceMs: 0, identity: 'first' },
  }
  let database: BackendEvents | undefined
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const store = new QueuedRecords({ database: 'fake', queueBytes: ROOM_FOR_FOUR, log }, (events) => {
    database = events
    return {
      write: () => true,
      call: async ({ name }) => {
        calls.push(name)
        return { rows: [], changes: 0 }
      },
      stop: async () => {},
    }
  })
  database?.opened(opening)
  async function* walk() {
    database?.opened({ ...opening, identity: 'second' })
    yield* sidecars()
  }
  await store.reindex(walk(), async () => true)
  assert.equal(calls, ['withFiles'], 'it is not marked as complete')
  assert.is(store.wholeSinceMs, Number.POSITIVE_INFINITY)
  await store.close(WITHIN_MS)
})

test.run()
