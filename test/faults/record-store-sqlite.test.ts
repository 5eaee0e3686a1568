import Sqlite from 'better-sqlite3'
import { suite } from 'uvu'
import { testRecordList } from '../helpers/list-contract.js'
import { type StorePlace, testRecordStore } from '../helpers/record-store-contract.js'
import { arrive, leave, type Place } from '../helpers/records-place.js'

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
testRecordList(sqlite)
sqlite.run()
