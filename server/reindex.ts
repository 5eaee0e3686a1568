import { join } from 'node:path'
import type { Config } from './config.js'
import { folderId } from './folder-id.js'
import { createLog } from './log.js'
import { type RecordStore, RecordsError } from './model/record-store.js'
import { openSqliteRecords } from './records/sqlite/sqlite-records.js'
import { sqliteProblem } from './sqlite.js'
import { lookAtStored } from './storage.js'
import { allRecords } from './uploads/all-records.js'
import { within } from './within.js'

// Some twenty seconds of small uploads at full speed while another process holds the database: 8,200 ordinary records.
const QUEUED_RECORD_BYTES = 7 * 1024 * 1024
const REINDEX_ENDS_WITHIN_MS = 60_000
const OPENS_WITHIN_MS = 60_000

/** Makes what `openRecords` needs in the data folder, so that it does not reject later. Rejects with the system's error. */
export async function prepareRecords(config: Config): Promise<void> {
  await folderOf(config)
}

/** Whose uploads a database that is not in the data folder records. Those in a bucket are many nodes' own. */
async function folderOf({ dataDir, database, storage }: Config): Promise<string | null> {
  return database === 'sqlite' || storage !== 'files' ? null : folderId(dataDir)
}

/**
 * Opens the records of a data folder, in SQLite or in PostgreSQL, whatever state the database is in. Rejects where the
 * folder cannot be written.
 */
export async function openRecords(
  config: Config,
  log: Awaited<ReturnType<typeof createLog>>,
  more: {
    readonly onNeedsReindex?: () => void
    readonly written?: (ms: number) => void
    /** The token of an upload's lock while this node holds it. */
    readonly tokenOf?: (id: string) => number | undefined
  } = {},
): Promise<RecordStore> {
  const { dataDir, database } = config
  const problem = sqliteProblem()
  if (problem) log.warn({ problem }, 'better-sqlite3 12 is used, not 13: it ends Node 24.19 and later')
  const { tokenOf, ...events } = more
  const options = { queueBytes: QUEUED_RECORD_BYTES, log, ...events }
  if (database === 'sqlite')
    return openSqliteRecords({ databasePath: join(dataDir, 'lading.db'), ...options })
  const { openSql } = await import('./postgres/pool.js')
  const { openPostgresRecords } = await import('./records/postgres/postgres-records.js')
  const folder = await folderOf(config)
  return openPostgresRecords({ sql: await openSql(database), folder, tokenOf, ...options })
}

/**
 * Rebuilds the index from what is stored; `lading reindex` calls it, also beside a running server.
 * Rejects with RecordsError where the database does not open within a minute, or cannot be written.
 */
export async function reindex(config: Config): Promise<{ restored: number; removed: number }> {
  const { stored, end } = await lookAtStored(config)
  const records = await openRecords(config, await createLog(config))
  try {
    await opened(records)
    return await records.reindex(allRecords(stored), ({ id }) => stored.has(id))
  } finally {
    await records.close(REINDEX_ENDS_WITHIN_MS)
    await end()
  }
}

/** Rejects with RecordsError `slow` where the database does not open in time: whoever waits here can do nothing else. */
async function opened({ ready }: RecordStore): Promise<void> {
  let isOpen = false
  const opening = ready.then(() => {
    isOpen = true
  })
  await within(OPENS_WITHIN_MS, opening)
  if (!isOpen) throw new RecordsError('slow', `the database did not open within ${OPENS_WITHIN_MS / 1000} s`)
}
