import type { RecordStore } from '../../model/record-store.js'
import { QueuedRecords, type QueuedRecordsOptions } from '../queued-records.js'
import { SqliteThread } from './sqlite-thread.js'

export interface SqliteRecordsOptions extends Omit<QueuedRecordsOptions, 'database'> {
  /** The folder must exist; the file is created with mode 0640. */
  readonly databasePath: string
  /** The script of the SQLite thread, for tests that let it die. */
  readonly threadScript?: URL
}

/** Opens the records in SQLite. Starts the thread and returns at once, whatever state the database is in. */
export function openSqliteRecords(options: SqliteRecordsOptions): RecordStore {
  const { databasePath, log } = options
  const script = options.threadScript ?? new URL('./sqlite-thread-main.js', import.meta.url)
  const openedAt = new Date().toISOString()
  return new QueuedRecords({ ...options, database: databasePath }, (events) => {
    return new SqliteThread({ script, databasePath, openedAt, log }, events)
  })
}
