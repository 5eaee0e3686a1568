// waits
import pg from 'pg'
import { suite } from 'uvu'
import type { RecordStore } from '../../server/model/record-store.js'
import { openSql } from '../../server/postgres/pool.js'
import { openPostgresRecords } from '../../server/records/postgres/postgres-records.js'
import { testRecordList } from '../helpers/list-contract.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { type StorePlace, testRecordStore } from '../helpers/record-store-contract.js'

interface Place extends StorePlace {
  postgres: Postgres
}

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

const stores = suite<Place>('record store, PostgreSQL')
const test = needsPostgres(stores)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  // Each store has connections of its own, as each process has.
  const pools = await Promise.all([1, 2, 3].map(() => openSql(url)))
  place.open = (options = {}) => {
    const sql = pools.pop()
    if (!sql) throw new Error('a test opens three stores at most')
    const store = openPostgresRecords({ sql, folder: null, queueBytes: QUEUE_BYTES, log: silent, ...options })
    opened.push(store)
    return store
  }
  place.lockOut = () => lockedOut(url)
})
test.after.each(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close(1000)))
})
test.after(({ postgres }) => postgres.kill())
testRecordStore(test)
testRecordList(test)
stores.run()
