import type { Sql, SqlQueries } from '../../model/sql.js'

const INCOMPLETE = 'incomplete'
const CLEAN = 'clean'
/** The start of the mark that tells since when no rows are missing; milliseconds since 1970 follow. */
const WHOLE_SINCE = 'whole since '
/** The start of the mark that tells whose data folder the rows are of; its id follows. */
const FOLDER = 'folder '

/** What the database says of itself, in the table `marks`. */
export interface Marks {
  /** Rows are missing. */
  readonly isIncomplete: boolean
  /** Milliseconds since 1970. */
  readonly wholeSinceMs: number
  /** The id of the data folder whose uploads the rows are; undefined in a new database. */
  readonly folder: string | undefined
}

/** Reads the marks. @throws SqlError (rejects), as all functions here do */
export async function readMarks(queries: SqlQueries): Promise<Marks> {
  const { rows } = await queries.query<{ name: string }>('SELECT name FROM marks')
  const behind = (start: string) => rows.find(({ name }) => name.startsWith(start))?.name.slice(start.length)
  return {
    isIncomplete: rows.some(({ name }) => name === INCOMPLETE),
    wholeSinceMs: Number(behind(WHOLE_SINCE) ?? 0),
    folder: behind(FOLDER),
  }
}

/** Rows are missing. Belongs into the caller's transaction. */
export async function setIncomplete(queries: SqlQueries): Promise<void> {
  await insert(queries, INCOMPLETE)
}

/** The rows are those of a data folder. */
export async function setFolder(queries: SqlQueries, id: string): Promise<void> {
  await insert(queries, `${FOLDER}${id}`)
}

/** No rows are missing of uploads that got bytes after `wholeSinceMs`. */
export async function setWhole(sql: Sql, wholeSinceMs: number): Promise<void> {
  await sql.transaction(async (queries) => {
    await queries.query('DELETE FROM marks WHERE name = $1 OR name LIKE $2', [INCOMPLETE, `${WHOLE_SINCE}%`])
    await insert(queries, `${WHOLE_SINCE}${wholeSinceMs}`)
  })
}

/** Everything was written before the end. */
export async function setClean(queries: SqlQueries): Promise<void> {
  await insert(queries, CLEAN)
}

/** Takes the mark of a clean end away; true where it was there. */
export async function takeClean(queries: SqlQueries): Promise<boolean> {
  return (await queries.query('DELETE FROM marks WHERE name = $1', [CLEAN])).changes > 0
}

async function insert(queries: SqlQueries, name: string): Promise<void> {
  await queries.query('INSERT INTO marks VALUES ($1) ON CONFLICT DO NOTHING', [name])
}
