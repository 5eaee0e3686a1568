import { suite } from 'uvu'
import * as assert from 'uvu/assert'
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
  const open = () => openMemoryRecords(database, { database: 'memory', queueBytes: ROOM_FOR_FOUR, log })
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

test.run()
