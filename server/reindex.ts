import { join } from 'node:path'
import type { Config } from './config.js'
import { createLog } from './log.js'
import { openRecords } from './records/records.js'
import { currentBoot } from './storage/boot.js'
import { isOnDisk, rowsOnDisk } from './storage/walk.js'

const QUEUED_RECORDS = 10_000
const CLOSE_WITHIN_MS = 60_000

/**
 * Builds the index anew from the sidecars; `lading reindex` calls it, also beside a running server.
 * Rejects with RecordsError where the database cannot be written.
 */
export async function reindex(config: Config): Promise<{ restored: number; removed: number }> {
  const { dataDir } = config
  const log = await createLog(config)
  const bootId = currentBoot(Date.now())
  const records = openRecords({ databasePath: join(dataDir, 'lading.db'), queueLimit: QUEUED_RECORDS, log })
  try {
    await records.ready
    return await records.reindex(rowsOnDisk(dataDir, bootId), (row) => isOnDisk(dataDir, row.id, bootId))
  } finally {
    await records.close(CLOSE_WITHIN_MS)
  }
}
