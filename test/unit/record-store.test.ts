import { suite } from 'uvu'
import { testRecordList } from '../helpers/list-contract.js'
import { MemoryDatabase, openMemoryRecords } from '../helpers/memory-records.js'
import { type StorePlace, testRecordStore } from '../helpers/record-store-contract.js'

const QUEUE_BYTES = 2 ** 20
const WRITES = ['write', 'complete', 'markClean', 'takeClean', 'remove', 'purge'] as const
const silent = { info() {}, warn() {}, error() {} }

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
testRecordList(memory)
memory.run()
