import type { UploadRecord } from '../../model/record.js'
import type { RecordStore } from '../../model/record-store.js'
import { QueuedRecords, type QueuedRecordsOptions } from '../queued-records.js'
import { PostgresBackend, type PostgresBackendOptions } from './postgres-backend.js'

type Options = Omit<QueuedRecordsOptions, 'database'> &
  Omit<PostgresBackendOptions, 'openedAt' | 'tokenOf'> & {
    /** The token of an upload's lock while this node holds it; left out where a server is alone. */
    readonly tokenOf?: ((id: string) => number | undefined) | undefined
  }

/** Opens the records in PostgreSQL. Returns at once, whether it can be reached or not; the close ends `sql`. */
export function openPostgresRecords(options: Options): RecordStore {
  return new PostgresRecords(options)
}

/** A record is written later than it is put, perhaps after the lock was given back: its token is kept with it. */
class PostgresRecords extends QueuedRecords {
  readonly #tokens: WeakMap<UploadRecord, number>
  readonly #tokenOf: Options['tokenOf']

  constructor({ tokenOf, ...options }: Options) {
    const { sql, folder } = options
    const openedAt = new Date().toISOString()
    const tokens = new WeakMap<UploadRecord, number>()
    super({ ...options, database: sql.place }, (events) => {
      return new PostgresBackend({ sql, openedAt, folder, tokenOf: (record) => tokens.get(record) }, events)
    })
    this.#tokens = tokens
    this.#tokenOf = tokenOf
  }

  override put(record: UploadRecord): void {
    const token = this.#tokenOf?.(record.id)
    if (token !== undefined) this.#tokens.set(record, token)
    super.put(record)
  }
}
