import { suite } from 'uvu'
import { openSqlite } from '../../server/sqlite.js'
import { testRecordList } from '../helpers/list-contract.js'
import { type StorePlace, testRecordStore } from '../helpers/record-store-contract.js'
import { type Place, placeFor } from '../helpers/records-place.js'

/** To SQLite another connection is as good as another process, and it needs no start; faults/records-lock has the process. */
function lockedOut(path: string): () => Promise<void> {
  const other = openSqlite(path, { timeout: 5000 })
  other.exec('BEGIN EXCLUSIVE')
  return async () => void other.close()
}

const sqlite = suite<Place & StorePlace>('record store, SQLite')
placeFor(sqlite)
sqlite.before.each((context) => {
  context.lockOut = async () => lockedOut(context.path)
})
testRecordStore(sqlite)
testRecordList(sqlite)
sqlite.run()
