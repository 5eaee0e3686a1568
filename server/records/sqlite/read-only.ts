import { existsSync } from 'node:fs'
import type { UploadRecord } from '../../model/record.js'
import { openSqlite, type Sqlite } from '../../sqlite.js'
import { WITH_FILES } from './database.js'
import { SELECT } from './rows.js'

const BUSY_MS = 5_000

/** Reads the records of a data folder, also beside a running server; changes none. */
export class ReadOnlyRecords {
  readonly #db: Sqlite.Database
  readonly #get: Sqlite.Statement<string, UploadRecord>
  readonly #withFiles: Sqlite.Statement<[string, number], UploadRecord>

  private constructor(db: Sqlite.Database) {
    this.#db = db
    this.#get = db.prepare(`${SELECT} WHERE id = ?`)
    this.#withFiles = db.prepare(`${SELECT} WHERE +${WITH_FILES} AND id > ? ORDER BY id LIMIT ?`)
  }

  /** Undefined where there is no database, or none that can be read: it is an index, and the next start makes it. */
  static open(path: string): ReadOnlyRecords | undefined {
    if (!existsSync(path)) return undefined
    let db: Sqlite.Database | undefined
    try {
      db = openSqlite(path, { readonly: true, timeout: BUSY_MS })
      return new ReadOnlyRecords(db)
    } catch {
      // It belongs to another user, has no table yet, or is of another version.
      db?.close()
      return undefined
    }
  }

  /** The record of an upload. */
  get(id: string): UploadRecord | undefined {
    return this.#get.get(id)
  }

  /** Records of uploads that have files, by id, after `afterId`. */
  withFiles(afterId: string, limit: number): readonly UploadRecord[] {
    return this.#withFiles.all(afterId, limit)
  }

  /** Closes the database. */
  close(): void {
    this.#db.close()
  }
}
