import { SqlError, type SqlQueries } from '../model/sql.js'

/** The key of the advisory lock that nodes which begin at once wait for: the letters of `lading`. */
const LOCK_KEY = 0x6c6164696e67

const VERSIONS = 'CREATE TABLE IF NOT EXISTS lading_schema (part text PRIMARY KEY, version integer NOT NULL)'

/** Does `migrate` of Sql within a transaction. */
export async function migrate(queries: SqlQueries, part: string, steps: readonly string[]): Promise<number> {
  await checkEncoding(queries)
  await queries.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY])
  await queries.query(VERSIONS)
  const found = await versionOf(queries, part)
  if (found > steps.length) {
    throw new SqlError(
      'newer',
      `the tables of ${part} have schema version ${found}, and this Lading knows versions up to ${steps.length}. ` +
        'Start the newer Lading again, or use another database',
    )
  }
  for (const step of steps.slice(found)) await queries.query(step)
  if (found < steps.length) {
    await queries.query(
      `INSERT INTO lading_schema VALUES ($1, $2)
         ON CONFLICT (part) DO UPDATE SET version = excluded.version`,
      [part, steps.length],
    )
  }
  return found
}

/** Other encodings cannot store every name. */
async function checkEncoding(queries: SqlQueries): Promise<void> {
  const { rows } = await queries.query<{ encoding: string }>(
    `SELECT current_setting('server_encoding') AS encoding`,
  )
  const encoding = rows[0]?.encoding
  if (encoding !== 'UTF8')
    throw new SqlError('failing', `the encoding of the database is ${encoding} and must be UTF8`)
}

async function versionOf(queries: SqlQueries, part: string): Promise<number> {
  const { rows } = await queries.query<{ version: number }>(
    'SELECT version FROM lading_schema WHERE part = $1',
    [part],
  )
  return rows[0]?.version ?? 0
}
