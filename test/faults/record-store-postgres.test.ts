// waits
import pg from 'pg'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { UploadRecord } from '../../server/model/record.js'
import type { RecordStore } from '../../server/model/record-store.js'
import { openSql } from '../../server/postgres/pool.js'
import { openPostgresRecords } from '../../server/records/postgres/postgres-records.js'
import { testRecordList } from '../helpers/list-contract.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { record } from '../helpers/record.js'
import { type StorePlace, testRecordStore } from '../helpers/record-store-contract.js'

interface Place extends StorePlace {
  postgres: Postgres
  /** The records of one of several nodes; `tokenOf` gives the token of an upload's lock. */
  openNode(tokenOf: (id: string) => number | undefined): RecordStore
}

const WITHIN_MS = 60_000
const QUEUE_BYTES = 2 ** 20
const silent = { info() {}, warn() {}, error() {} }
const opened: RecordStore[] = []

/** Another connection is as good as another process. */
async function lockedOut(url: string): Promise<() => Promise<void>> {
  const other = new pg.Client(url)
  await other.connect()
  await other.query('BEGIN')
  await other.query('LOCK TABLE uploads, marks IN EXCLUSIVE MODE')
  return () => other.end()
}

const records = suite<Place>('record store, PostgreSQL')
const test = needsPostgres(records)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  // Each store has connections of its own, as each process has.
  const pools = await Promise.all([1, 2, 3].map(() => openSql(url)))
  const open = (options: Partial<Parameters<typeof openPostgresRecords>[0]> = {}) => {
    const sql = pools.pop()
    if (!sql) throw new Error('a test opens three stores at most')
    const store = openPostgresRecords({ sql, folder: null, queueBytes: QUEUE_BYTES, log: silent, ...options })
    opened.push(store)
    return store
  }
  place.open = open
  place.openNode = (tokenOf) => open({ tokenOf })
  place.lockOut = () => lockedOut(url)
})
test.after.each(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close(1000)))
})
test.after(({ postgres }) => postgres.kill())
testRecordStore(test)
testRecordList(test)
test('a record that a node writes late leaves the newer one of another node', async ({ openNode }) => {
  const held = new Map<number, number>()
  const stores = [0, 1].map((node) => openNode(() => held.get(node)))
  const put = async (at: number, token: number | undefined, written: UploadRecord): Promise<void> => {
    if (token === undefined) held.delete(at)
    else held.set(at, token)
    stores[at]?.put(written)
    // It may have been given back by the time of the write.
    held.delete(at)
    assert.ok(await stores[at]?.flush(WITHIN_MS))
  }
  const rowOf = async (number: number): Promise<string> => {
    const row = await stores[0]?.get(record(number).id)
    return `${row?.state} ${row?.offset}`
  }
  const cases: [token: number | undefined, state: UploadRecord['state'], offset: number, row: string][][] = [
    // What was received before another node had the upload; and by a node that had lost its lease.
    [
      [5, 'paused', 10, 'paused 10'],
      [6, 'paused', 20, 'paused 20'],
      [5, 'paused', 15, 'paused 20'],
      [undefined, 'paused', 15, 'paused 20'],
      // A body whose checksum is wrong does not count.
      [6, 'paused', 10, 'paused 10'],
      [7, 'paused', 12, 'paused 12'],
    ],
    // It was finished, and removed elsewhere: with and without a lock.
    [
      [6, 'terminated', 20, 'terminated 20'],
      [5, 'finished', 20, 'terminated 20'],
      [undefined, 'finished', 20, 'terminated 20'],
      [7, 'paused', 20, 'terminated 20'],
    ],
    [
      [undefined, 'expired', 20, 'expired 20'],
      [undefined, 'finished', 20, 'expired 20'],
    ],
    [
      [6, 'finished', 20, 'finished 20'],
      [5, 'paused', 10, 'finished 20'],
      [undefined, 'terminated', 20, 'terminated 20'],
    ],
  ]
  for (const [number, steps] of cases.entries()) {
    for (const [step, [token, state, offset, row]] of steps.entries()) {
      await put(step % 2, token, record(number, { state, offset }))
      assert.is(await rowOf(number), row, `case ${number}, step ${step}`)
    }
  }
  // A hook may give the id to another upload.
  await put(0, 8, record(1, { state: 'paused', offset: 1, createdAt: '2026-11-24T10:00:00.000Z' }))
  assert.is(await rowOf(1), 'paused 1')
})

records.run()
