import { closeSync, openSync, statSync } from 'node:fs'
import type { UploadRecord } from '../../model/record.js'
import { nameKey } from '../../model/upload-list.js'
import { openSqlite, type Sqlite } from '../../sqlite.js'
import type { Answer, Call, Opening, RecordBatch, RowFault } from '../backend.js'
import { prepareLists } from './lists.js'
import { Marks } from './marks.js'
import { page } from './page.js'
import { FIELDS, prepareRows, SELECT } from './rows.js'
import { MIGRATIONS, NAME_KEYS, NAME_KEYS_VERSION, SCHEMA_VERSION } from './schema.js'
import { prepareSearches } from './searches.js'

/** The exact words of the condition of the index `uploads_unfinished`; otherwise SQLite would not use it. */
const UNFINISHED = `state IN ('receiving', 'paused')`
/** The condition of uploads that have files. */
export const WITH_FILES = `state IN ('receiving', 'paused', 'finished')`

/** The schema is a newer Lading's. The database is closed as it was found. */
export class NewerSchemaError extends Error {
  constructor(path: string, version: number) {
    super(
      `${path} has schema version ${version}, and this Lading knows versions up to ${SCHEMA_VERSION}. ` +
        'Start the newer Lading again; or stop, move the file away, and the index is built again from the sidecars',
    )
    this.name = 'NewerSchemaError'
  }
}

/** The index in SQLite: one connection that writes, and one read-only connection for all questions. */
export class Database {
  /** How the database was found. */
  readonly opening: Opening
  readonly #path: string
  readonly #file: string | undefined
  readonly #writer: Sqlite.Database
  readonly #reader: Sqlite.Database
  readonly #rows: ReturnType<typeof prepareRows>
  readonly #statements: ReturnType<typeof prepareWrites>
  readonly #questions: ReturnType<typeof prepareReads>
  readonly #marks: Marks
  readonly #search: ReturnType<typeof prepareSearches>
  readonly #lists: ReturnType<typeof prepareLists>

  /**
   * Opens or creates the file and brings its schema up to date. It never waits for a lock.
   * `openedAt` is when this process opened the index, in ISO 8601: rows from before may be ahead of their files.
   *
   * @throws NewerSchemaError, and SQLite's errors: SQLITE_BUSY while another process has a lock in the way
   */
  constructor(path: string, openedAt: string) {
    createPrivately(path)
    this.#path = path
    this.#writer = openSqlite(path, { timeout: 0 })
    let reader: Sqlite.Database | undefined
    try {
      // A file that was just created has version 0.
      const isNew = migrate(this.#writer, path) === 0
      reader = openSqlite(path, { timeout: 0, readonly: true })
      reader.pragma('cache_size = -512')
      this.#reader = reader
      this.#rows = prepareRows(this.#writer, openedAt)
      this.#statements = prepareWrites(this.#writer)
      this.#questions = prepareReads(reader)
      this.#marks = new Marks(this.#writer, reader)
      this.#search = prepareSearches(reader, SELECT)
      this.#lists = prepareLists(reader, FIELDS)
      this.#file = identify(path)
      this.opening = {
        isNew,
        incomplete: this.#marks.isIncomplete,
        newestAt: this.#questions.newest.get()?.newestAt ?? null,
        wholeSinceMs: this.#marks.wholeSinceMs,
        identity: this.#file ?? '',
      }
    } catch (error) {
      reader?.close()
      this.#writer.close()
      throw error
    }
  }

  /** True when the file was deleted or replaced since it was opened. */
  get gone(): boolean {
    return identify(this.#path) !== this.#file
  }

  /**
   * Writes a batch in one transaction.
   *
   * @returns the records that SQLite will never take, e.g. for a missing path; the rest is written
   * @throws SQLite's errors; then nothing of the batch is written
   */
  write(batch: RecordBatch): RowFault[] {
    const { live, restored } = this.#rows
    const faults: Array<RowFault | undefined> = []
    const writeAll = this.#writer.transaction(() => {
      if (batch.incomplete) this.#marks.setIncomplete()
      faults.push(...batch.live.map(live), ...batch.restored.map(restored))
    })
    writeAll.immediate()
    return faults.filter((fault) => fault !== undefined)
  }

  /** Answers a question or does a task. @throws SQLite's errors; then nothing was changed */
  answer(call: Call): Answer {
    switch (call.name) {
      case 'get':
        return { rows: this.#questions.get.all(call.id), changes: 0 }
      case 'unfinished':
        return { rows: page(this.#questions.unfinished.iterate(call.afterId, call.limit)), changes: 0 }
      case 'withFiles':
        return { rows: page(this.#questions.withFiles.iterate(call.afterId, call.limit)), changes: 0 }
      case 'remove':
        return { rows: [], changes: this.#statements.remove.run(JSON.stringify(call.ids)).changes }
      case 'purge':
        return { rows: [], changes: this.#statements.purge.run(call.state, call.before, call.limit).changes }
      case 'complete':
        this.#marks.setWhole(call.wholeSinceMs)
        return { rows: [], changes: 0 }
      case 'markClean':
        this.#marks.setClean()
        return { rows: [], changes: 0 }
      case 'takeClean':
        return { rows: [], changes: this.#marks.takeClean() ? 1 : 0 }
      case 'list':
        return this.#lists.list(call)
      case 'count':
        return this.#lists.count(call)
      default:
        return this.#search(call)
    }
  }

  close(): void {
    this.#reader.close()
    this.#writer.close()
  }
}

/** Creates the file with mode 0640, which SQLite gives to the -wal and -shm files as well. */
function createPrivately(path: string): void {
  // Only a file that does not exist is opened here: closing a descriptor of it would drop SQLite's locks.
  if (identify(path) !== undefined) return
  closeSync(openSync(path, 'ax', 0o640))
}

/** Identifies the file at a path; undefined when there is none. */
function identify(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat && `${stat.dev}:${stat.ino}`
}

/** Brings the schema up to date and returns the version that was found. */
function migrate(db: Sqlite.Database, path: string): number {
  const found = versionOf(db)
  // Before anything else, so that the file of a newer version is not even switched to WAL.
  if (found > SCHEMA_VERSION) throw new NewerSchemaError(path, found)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = NORMAL')
  db.pragma('journal_size_limit = 16777216')
  db.pragma('cache_size = -1024')
  while (versionOf(db) < SCHEMA_VERSION) db.transaction(migrateOnce).immediate(db)
  return found
}

function migrateOnce(db: Sqlite.Database): void {
  // Read again under the lock: another process may have done this step meanwhile.
  const version = versionOf(db)
  const migration = MIGRATIONS[version]
  if (migration === undefined) return
  db.exec(migration)
  if (version + 1 === NAME_KEYS_VERSION) {
    db.function('name_key', { deterministic: true }, (name) => nameKey(String(name)))
    db.exec(NAME_KEYS)
  }
  db.pragma(`user_version = ${version + 1}`)
}

function versionOf(db: Sqlite.Database): number {
  return Number(db.pragma('user_version', { simple: true }))
}

function prepareWrites(db: Sqlite.Database) {
  return {
    remove: db.prepare<string>(
      `DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(?)) AND ${WITH_FILES}`,
    ),
    purge: db.prepare<[string, string, number]>(
      `DELETE FROM uploads WHERE id IN
         (SELECT id FROM uploads WHERE state = ? AND updated_at < ? LIMIT ?)`,
    ),
  }
}

function prepareReads(db: Sqlite.Database) {
  return {
    get: db.prepare<string, UploadRecord>(`${SELECT} WHERE id = ?`),
    unfinished: db.prepare<[string, number], UploadRecord>(
      `${SELECT} INDEXED BY uploads_unfinished WHERE ${UNFINISHED} AND id > ? ORDER BY id LIMIT ?`,
    ),
    // The index of the ids gives the order; by the states (which the + rules out), each page would be sorted.
    withFiles: db.prepare<[string, number], UploadRecord>(
      `${SELECT} WHERE +${WITH_FILES} AND id > ? ORDER BY id LIMIT ?`,
    ),
    // One seek in the index for each state, however many rows there are.
    newest: db.prepare<[], { newestAt: string | null }>(
      `WITH states (state) AS
         (VALUES ('receiving'), ('paused'), ('finished'), ('refused'), ('expired'), ('terminated'))
       SELECT max((SELECT max(updated_at) FROM uploads WHERE uploads.state = states.state)) AS newestAt
       FROM states`,
    ),
  }
}
