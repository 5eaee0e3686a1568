import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { codeOf, openSqlite, type Sqlite } from '../../sqlite.js'

/** A server that was killed may take a moment to end, and one that has just begun to write its name. */
const TRIES = 6
const PAUSE_MS = 100
const MOST_NAME_CHARACTERS = 200

/** Another server has the data folder, or the folder cannot be locked; the message is one line for the operator. */
export class FolderLockError extends Error {
  override readonly name = 'FolderLockError'
}

/** A data folder that belongs to this server alone. */
export interface FolderLock {
  /** Gives the folder back. */
  release(): void
}

/**
 * Locks a data folder for one server: a transaction of SQLite stays open on `lading.lock`, and the system ends it
 * with the process, so that no crash leaves a lock behind. `holder` is what other servers are told;
 * it stands in `lading.pid`, because nobody else may open the locked file without ending its lock.
 *
 * @throws FolderLockError (rejects) when another server has it, or the file system cannot lock
 */
export async function lockFolder(dataDir: string, holder: string): Promise<FolderLock> {
  const pidPath = join(dataDir, 'lading.pid')
  for (let tries = 1; ; tries++) {
    const lock = tryLock(dataDir)
    if (lock) return hold(lock, pidPath, holder)
    if (tries === TRIES) {
      throw new FolderLockError(
        `the data folder ${dataDir} is in use by ${nameIn(pidPath)}. ` +
          'One server to a data folder: stop that one, or choose another --data-dir',
      )
    }
    await setTimeout(PAUSE_MS)
  }
}

/** The connection that holds the lock; undefined when another one does. */
function tryLock(dataDir: string): Sqlite.Database | undefined {
  const path = join(dataDir, 'lading.lock')
  let lock: Sqlite.Database | undefined
  try {
    lock = openSqlite(path, { timeout: 0 })
    // Without a journal the transaction leaves no file behind.
    lock.pragma('journal_mode = MEMORY')
    // RESERVED is one byte of the file: of many that ask at once exactly one gets it.
    lock.exec('BEGIN IMMEDIATE')
    chmodSync(path, 0o640)
    return lock
  } catch (error) {
    lock?.close()
    if (/^SQLITE_BUSY/.test(codeOf(error))) return undefined
    const why = error instanceof Error ? `${codeOf(error)} ${error.message}`.trim() : String(error)
    throw new FolderLockError(`the data folder ${dataDir} cannot be locked: ${why}`, { cause: error })
  }
}

function hold(lock: Sqlite.Database, pidPath: string, holder: string): FolderLock {
  try {
    writeFileSync(pidPath, `${holder}\n`, { mode: 0o640 })
  } catch {
    // On a full disk: the lock holds all the same, and only the name is missing from the other's message.
  }
  return {
    release() {
      if (!lock.open) return
      rmSync(pidPath, { force: true })
      lock.close()
    },
  }
}

function nameIn(pidPath: string): string {
  try {
    const name = readFileSync(pidPath, 'utf8').slice(0, MOST_NAME_CHARACTERS)
    return name.replaceAll(/[^\x20-\x7e]/g, '') || 'another process'
  } catch {
    return 'another process'
  }
}
