import { createHash, randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { openSqlite, type Sqlite } from '../../sqlite.js'

const MOST_UPLOADS = 100_000
const CHECKED_EVERY = 10_000
const KEPT_MS = 30 * 24 * 3_600_000
const BUSY_MS = 5_000
const SCHEMA = `CREATE TABLE IF NOT EXISTS uploads
  (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, url TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL)`

/** Which file goes where: the key of what is remembered. */
export interface ResumeKey {
  /** It may have secrets: only the hash of a key is stored. */
  readonly endpoint: string
  /** Absolute, without links. */
  readonly path: string
  /** The name that it is given: two links to a file are two uploads. */
  readonly name: string
}

/**
 * Remembers, in a small database, the URL of each upload that was begun: after a crash or Ctrl-C the next run goes on
 * there. What is older than 30 days, and what is beyond 100,000 uploads, is forgotten. Where it cannot be written the
 * uploads go on, and cannot be resumed by a later run.
 */
export class ResumeStore {
  readonly #run = randomUUID()
  readonly #failed: (error: unknown) => void
  #db: Sqlite.Database | undefined
  #added = 0

  private constructor(db: Sqlite.Database | undefined, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
    this.#forgetOld()
  }

  /** Opens the file at `path`. `failed` is called, once, where it cannot be read or written. */
  static open(path: string, failed: (error: unknown) => void): ResumeStore {
    try {
      return new ResumeStore(openDatabase(path), failed)
    } catch (error) {
      failed(error)
      return new ResumeStore(undefined, failed)
    }
  }

  /** The URL of an upload of this file, as it is now; undefined where there is none. */
  urlOf(key: ResumeKey, fingerprint: string): string | undefined {
    return this.#try((db) => {
      const found = db
        .prepare<string, { url: string; fingerprint: string }>(
          'SELECT url, fingerprint FROM uploads WHERE key = ?',
        )
        .get(hashOf(key))
      return found?.fingerprint === fingerprint ? found.url : undefined
    })
  }

  /** Remembers an upload. */
  remember(key: ResumeKey, fingerprint: string, url: string): void {
    this.#try((db) => {
      db.prepare('INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?)').run(
        hashOf(key),
        fingerprint,
        url,
        this.#run,
        Date.now(),
      )
      this.#added += 1
      if (this.#added % CHECKED_EVERY === 0) this.#forgetOld()
    })
  }

  /** Forgets an upload: the next run begins it again. */
  forget(key: ResumeKey): void {
    this.#try((db) => db.prepare('DELETE FROM uploads WHERE key = ?').run(hashOf(key)))
  }

  /** Forgets what this run has sent: the same command uploads it again. */
  forgetRun(): void {
    this.#try((db) => db.prepare('DELETE FROM uploads WHERE run = ?').run(this.#run))
  }

  /** Closes the file. */
  close(): void {
    this.#try((db) => db.close())
  }

  #forgetOld(): void {
    this.#try((db) => {
      db.prepare('DELETE FROM uploads WHERE at < ?').run(Date.now() - KEPT_MS)
      db.prepare(
        'DELETE FROM uploads WHERE key IN (SELECT key FROM uploads ORDER BY at DESC LIMIT -1 OFFSET ?)',
      ).run(MOST_UPLOADS)
    })
  }

  /** Does nothing more once it has failed: the uploads do not depend on it. */
  #try<T>(work: (db: Sqlite.Database) => T): T | undefined {
    const db = this.#db
    if (!db) return undefined
    try {
      return work(db)
    } catch (error) {
      this.#db = undefined
      db.close()
      this.#failed(error)
      return undefined
    }
  }
}

function openDatabase(path: string): Sqlite.Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = openSqlite(path, { timeout: BUSY_MS })
  try {
    // The URL of an upload can be a secret.
    chmodSync(path, 0o600)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL')
    db.exec(SCHEMA)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function hashOf({ endpoint, path, name }: ResumeKey): string {
  return createHash('sha256').update(`${endpoint}\0${path}\0${name}`).digest('hex')
}
