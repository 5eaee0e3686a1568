import Sqlite from 'better-sqlite3'
import { suite } from 'uvu'
import { MemoryDatabase, openMemoryRecords } from '../helpers/memory-records.js'
import { type StorePlace, testRecordStore } from '../helpers/record-store-contract.js'
import { arrive, leave, type Place } from '../helpers/records-place.js'

const QUEUE_BYTES = 2 ** 20
const WRITES = ['write', 'complete', 'markClean', 'takeClean', 'remove', 'purge'] as const
const silent = { info() {}, warn() {}, error() {} }

/** To SQLite another connection is as good as another process, and it needs no start; faults/records-lock has the process. */
function lockedOut(path: string): () => Promise<void> {
  const other = new Sqlite(path, { timeout: 5000 })
  other.exec('BEGIN EXCLUSIVE')
  return async () => void other.close()
}

const sqlite = suite<Place & StorePlace>('record store, SQLite')
sqlite.before.each(arrive)
sqlite.before.each((context) => {
  context.lockOut = async () => lockedOut(context.path)
})
sqlite.after.each(leave)
testRecordStore(sqlite)
sqlite.run()

const memory = suite<StorePlace>('record store, memory')
memory.before.each((context) => {
  const database = new MemoryDatabase()
  context.open = (options = {}) =>
    openMemoryRecords(database, { database: 'memory', queueBytes: QUEUE_BYTES, log: silent, ...options })
  context.lockOut = async () => {
    const releases = WRITES.map((name) => database.hold(name))
    return async () => {
      for (const release of releases) release()
    }
  }
})
testRecordStore(memory)
memory.run()
