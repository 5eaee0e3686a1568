import type { RecordStore } from '../../model/record-store.js'
import { QueuedRecords, type QueuedRecordsOptions } from '../queued-records.js'
import { PostgresBackend, type PostgresBackendOptions } from './postgres-backend.js'

type Options = Omit<QueuedRecordsOptions, 'database'> & Omit<PostgresBackendOptions, 'openedAt'>

/** Opens the records in PostgreSQL. Returns at once, whether it can be reached or not; the close ends `sql`. */
export function openPostgresRecords(options: Options): RecordStore {
  const { sql, folder } = options
  const openedAt = new Date().toISOString()
  return new QueuedRecords({ ...options, database: sql.place }, (events) => {
    return new PostgresBackend({ sql, openedAt, folder }, events)
  })
}
