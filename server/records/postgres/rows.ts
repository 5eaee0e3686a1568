import type { UploadRecord } from '../../model/record.js'
import { isRowFault, type SqlQueries } from '../../model/sql.js'
import { nameKey } from '../../model/upload-list.js'
import type { RowFault } from '../backend.js'
import { COLUMNS } from '../columns.js'
import { storable } from './parameters.js'

/** A page has rows of so many bytes, and one more: where metadata is long, a page has few rows. */
const PAGE_BYTES = 256 * 1024
/** What a row takes beside its texts of any length; see bytesOf. */
const ROW_BYTES = 736
const LONG_TEXTS = ['metadata', 'filename', 'declared_type', 'reason', 'owner']

const quoted = (column: string): string => `"${column}"`
const FIELDS = Object.entries(COLUMNS)
  .map(([field, column]) => `${quoted(column)} AS ${quoted(field)}`)
  .join(', ')
/** The bytes of a row; PostgreSQL knows the length of a long text without reading it. */
const BYTES = `(${ROW_BYTES} + ${LONG_TEXTS.map((text) => `coalesce(octet_length(${text}), 0)`).join(' + ')})`

/** A query for whole records: those that `rest` (everything from WHERE on) selects. */
export function recordsQuery(rest: string): string {
  return `SELECT ${FIELDS} FROM uploads ${rest}`
}

/**
 * A query for a page of records.
 *
 * @param rest everything from WHERE on, with its order and limit
 * @param order by what the rows are ordered, once more
 */
export function pageQuery(rest: string, order: string): string {
  const before = `sum(${BYTES}) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) - ${BYTES}`
  return `SELECT ${FIELDS} FROM (SELECT *, ${before} AS before FROM (SELECT * FROM uploads ${rest}) AS found) AS page
    WHERE before < ${PAGE_BYTES} ORDER BY ${order}`
}

const STORED = [...Object.values(COLUMNS), 'name_key']
const TOKEN = 'token'
const NUMBERS: readonly string[] = [COLUMNS.length, COLUMNS.offset, TOKEN]

/** `$1` is an array of rows in JSON. In the order of ids, so that two nodes do not wait for each other. */
function upsertOf(columns: readonly string[]): string {
  const names = columns.map(quoted).join(', ')
  const given = columns.map((column) => `${quoted(column)} ${NUMBERS.includes(column) ? 'bigint' : 'text'}`)
  // What is recorded without a lock does not make older records of other nodes newer.
  const givenTo = (column: string) =>
    column === TOKEN ? 'coalesce(excluded.token, uploads.token)' : `excluded.${quoted(column)}`
  const changed = columns.filter((column) => column !== 'id')
  return `INSERT INTO uploads (${names})
    SELECT ${names} FROM json_to_recordset($1::json) AS given (${given.join(', ')}) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET ${changed.map((column) => `${quoted(column)} = ${givenTo(column)}`).join(', ')}`
}

/**
 * A record may come late, from a node that had the upload before. An upload that has ended does not begin again, one that
 * is gone does not come back, and of two records the one with the larger token is newer. An unfinished upload is recorded
 * under its lock: without one, that lock was lost. Where a hook gave its id to another upload, that one was created at
 * another time.
 */
const UPSERT_UNLESS_LATE = `${upsertOf([...STORED, TOKEN])}
  WHERE uploads.created_at <> excluded.created_at OR CASE
    WHEN excluded.state IN ('receiving', 'paused')
      THEN uploads.ended_at IS NULL AND coalesce(excluded.token, 0) >= coalesce(uploads.token, 0)
    WHEN excluded.state = 'finished'
      THEN uploads.state NOT IN ('refused', 'expired', 'terminated')
        AND coalesce(excluded.token, uploads.token, 0) >= coalesce(uploads.token, 0)
    ELSE true END`

/**
 * A row that this process has written since the sidecar was read stays. A row from before this process (`$2`) gives way
 * to the sidecar, because the disk is the truth.
 */
const UPSERT_UNLESS_NEWER = `${upsertOf(STORED)}
  WHERE excluded.updated_at >= uploads.updated_at OR uploads.updated_at < $2`

/** The token of the lock under which a record was made; undefined without one. */
export type TokenOf = (record: UploadRecord) => number | undefined

/** Writes records into their rows, unless newer ones are there. @throws SqlError (rejects) */
export async function writeLive(
  queries: SqlQueries,
  records: readonly UploadRecord[],
  tokenOf: TokenOf,
): Promise<void> {
  if (records.length === 0) return
  const rows = records.map((record) => ({ ...storedOf(record), [TOKEN]: tokenOf(record) ?? null }))
  await queries.query(UPSERT_UNLESS_LATE, [JSON.stringify(rows)])
}

/** Writes the records of sidecars, which give way to rows that are newer. @throws SqlError (rejects) */
export async function writeRestored(
  queries: SqlQueries,
  records: readonly UploadRecord[],
  openedAt: string,
): Promise<void> {
  if (records.length > 0)
    await queries.query(UPSERT_UNLESS_NEWER, [JSON.stringify(records.map(storedOf)), openedAt])
}

/**
 * Writes one record; the transaction goes on where PostgreSQL will never take it.
 *
 * @returns why it will not
 * @throws SqlError (rejects) for every other reason
 */
export async function writeAlone(
  queries: SqlQueries,
  record: UploadRecord,
  write: (records: readonly UploadRecord[]) => Promise<void>,
): Promise<RowFault | undefined> {
  await queries.query('SAVEPOINT one_row')
  try {
    await write([record])
    await queries.query('RELEASE SAVEPOINT one_row')
    return undefined
  } catch (error) {
    if (!isRecordFault(error)) throw error
    await queries.query('ROLLBACK TO SAVEPOINT one_row')
    return { id: record.id, cause: String(error) }
  }
}

/** True for what is wrong with a record. */
export function isRecordFault(error: unknown): boolean {
  return isRowFault(error) || error instanceof TypeError
}

function storedOf(record: UploadRecord): Record<string, unknown> {
  const fields = Object.entries({ ...record, nameKey: record.filename && nameKey(record.filename) })
  const columns: Readonly<Record<string, string>> = { ...COLUMNS, nameKey: 'name_key' }
  return Object.fromEntries(
    fields.map(([field, value]) => [
      columns[field] ?? field,
      typeof value === 'string' ? storable(value) : value,
    ]),
  )
}
