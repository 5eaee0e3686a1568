import { join } from 'node:path'
import type { Config } from './config.js'
import { currentBoot } from './files/boot.js'
import { StoredFiles } from './files/stored-files.js'
import { folderId } from './folder-id.js'
import { createLog } from './log.js'
import type { RecordStore } from './model/record-store.js'
import { openSqliteRecords } from './records/sqlite/sqlite-records.js'
import { allRecords } from './uploads/all-records.js'

// Some twenty seconds of small uploads at full speed while another process holds the database: 8,200 ordinary records.
const QUEUED_RECORD_BYTES = 7 * 1024 * 1024
const REINDEX_ENDS_WITHIN_MS = 60_000

/**
 * Opens the records of a data folder, in SQLite or in PostgreSQL, whatever state the database is in. Rejects where the
 * folder cannot be written.
 */
export async function openRecords(
  { dataDir, database }: Config,
  log: Awaited<ReturnType<typeof createLog>>,
  events: { onNeedsReindex?: () => void; written?: (ms: number) => void } = {},
): Promise<RecordStore> {
  const options = { queueBytes: QUEUED_RECORD_BYTES, log, ...events }
  if (database === 'sqlite')
    return openSqliteRecords({ databasePath: join(dataDir, 'lading.db'), ...options })
  const { openSql } = await import('./postgres/pool.js')
  const { openPostgresRecords } = await import('./records/postgres/postgres-records.js')
  const folder = await folderId(dataDir)
  return openPostgresRecords({ sql: await openSql(database), folder, ...options })
}

/**
 * Rebuilds the index from the sidecars; `lading reindex` calls it, also beside a running server.
 * Rejects with RecordsError where the database cannot be written.
 */
export async function reindex(config: Config): Promise<{ restored: number; removed: number }> {
  const stored = new StoredFiles(config.dataDir, currentBoot(Date.now()))
  const records = await openRecords(config, await createLog(config))
  try {
    await records.ready
    return await records.reindex(allRecords(stored), ({ id }) => stored.has(id))
  } finally {
    await records.close(REINDEX_ENDS_WITHIN_MS)
  }
}
