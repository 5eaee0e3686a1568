import { randomUUID } from 'node:crypto'
import { type Sql, SqlError, type SqlQueries } from '../../model/sql.js'
import type { Opening } from '../backend.js'
import { readMarks, setFolder } from './marks.js'
import { MIGRATIONS } from './schema.js'

/** A writer that has not written for so long has ended without saying so. */
const WRITER_LIVES_DAYS = 30

const NEWEST_AT = `SELECT greatest(
    (SELECT max(updated_at) FROM uploads WHERE state IN ('receiving', 'paused')),
    (SELECT max((SELECT max(ended_at) FROM uploads WHERE uploads.state = ended.state))
       FROM unnest(ARRAY['finished', 'refused', 'expired', 'terminated']) AS ended (state))
  ) AS "newestAt"`

/**
 * What this process has written, as the database knows it. A database in whose place an older copy was put, or one that
 * lost its last transactions to a failover, has fewer batches of ours than it acknowledged.
 */
export class Writer {
  /** In the table `record_writers`; another one after rows were lost. */
  #id = ''
  #acknowledged = 0

  /** Finds the row of this writer, or makes one. The id changes where what this process has written is not there. */
  async identify(queries: SqlQueries): Promise<string> {
    const { rows } = await queries.query<{ batches: number }>(
      'SELECT batches FROM record_writers WHERE id = $1',
      [this.#id],
    )
    if ((rows[0]?.batches ?? -1) >= this.#acknowledged) return this.#id
    this.#id = randomUUID()
    this.#acknowledged = 0
    await queries.query('INSERT INTO record_writers (id, batches) VALUES ($1, 0)', [this.#id])
    await queries.query(
      `DELETE FROM record_writers WHERE seen_at < clock_timestamp() - make_interval(days => $1)`,
      [WRITER_LIVES_DAYS],
    )
    return this.#id
  }

  /**
   * Counts a batch. Belongs into its transaction; `written` follows its commit. Rejects with SqlError `gone` where this
   * is not the database, or an older copy of it: it may have taken its place while nothing was written.
   */
  async count(queries: SqlQueries): Promise<void> {
    const { changes } = await queries.query(
      'UPDATE record_writers SET batches = batches + 1, seen_at = clock_timestamp() WHERE id = $1 AND batches >= $2',
      [this.#id, this.#acknowledged],
    )
    // The tables are opened again, which shows whose database this is and what it lacks.
    if (changes === 0) throw new SqlError('gone', 'the database lacks batches that it has acknowledged')
  }

  written(): void {
    this.#acknowledged += 1
  }

  /** The process ends. @throws SqlError (rejects) */
  async leave(queries: SqlQueries): Promise<void> {
    await queries.query('DELETE FROM record_writers WHERE id = $1', [this.#id])
  }
}

/**
 * Brings the tables up to date and says how they were found.
 *
 * @param folder the id of the data folder whose uploads they are; null where many nodes share them
 * @throws SqlError (rejects); `newer` for the tables of a newer Lading or of another data folder
 */
export async function openTables(sql: Sql, writer: Writer, folder: string | null): Promise<Opening> {
  const isNew = (await sql.migrate('records', MIGRATIONS)) === 0
  return sql.transaction(async (queries) => {
    const marks = await readMarks(queries)
    if (folder !== null && marks.folder === undefined) await setFolder(queries, folder)
    if (folder !== null && marks.folder !== undefined && marks.folder !== folder) throw foreign(sql.place)
    const { rows } = await queries.query<{ newestAt: string | null }>(NEWEST_AT)
    return {
      isNew,
      incomplete: marks.isIncomplete,
      newestAt: rows[0]?.newestAt ?? null,
      wholeSinceMs: marks.wholeSinceMs,
      identity: await writer.identify(queries),
    }
  })
}

/** A reindex would remove the rows of the other folder. */
function foreign(place: string): SqlError {
  return new SqlError(
    'newer',
    `${place} has the records of another data folder: one database to a data folder. Choose another one; or, where ` +
      `that folder is gone, run DELETE FROM marks WHERE name LIKE 'folder %', and lading reindex`,
  )
}
