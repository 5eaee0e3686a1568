import type { UploadRecord } from '../../model/record.js'
import { nameKey } from '../../model/upload-list.js'
import { codeOf, type Sqlite } from '../../sqlite.js'
import type { RowFault } from '../backend.js'
import { COLUMNS } from '../columns.js'

/** The fields of a record, by their columns. */
export const FIELDS = Object.entries(COLUMNS)
  .map(([field, column]) => `${column} AS ${field}`)
  .join(', ')
/** Selects whole records. */
export const SELECT = `SELECT ${FIELDS} FROM uploads`

const STORED = { ...COLUMNS, nameKey: 'name_key' } as const

const UPSERT = `INSERT INTO uploads (${Object.values(STORED).join(', ')})
  VALUES (${Object.keys(STORED)
    .map((field) => `@${field}`)
    .join(', ')})
  ON CONFLICT (id) DO UPDATE SET ${Object.values(STORED)
    .filter((column) => column !== 'id')
    .map((column) => `${column} = excluded.${column}`)
    .join(', ')}`

/**
 * A row that this process has written since the sidecar was read stays. A row from before this process gives way to
 * the sidecar, because the disk is the truth.
 */
const UPSERT_UNLESS_NEWER = `${UPSERT}
  WHERE excluded.updated_at >= uploads.updated_at OR uploads.updated_at < @openedAt`

/**
 * Most records differ from their row only in what bytes and time change. SQLite writes every index whose columns are
 * set, changed or not: this leaves all indexes of lists alone.
 */
const PROGRESS = `UPDATE uploads SET length = @length, offset = @offset, updated_at = @updatedAt WHERE id = @id AND
  ${Object.entries(COLUMNS)
    .filter(([field]) => !['id', 'length', 'offset', 'updatedAt'].includes(field))
    .map(([field, column]) => `${column} IS @${field}`)
    .join(' AND ')}`

type Stored = UploadRecord & { readonly nameKey: string | null }

/** Prepares what writes one record into its row. Each returns what SQLite will never take, and throws its other errors. */
export function prepareRows(db: Sqlite.Database, openedAt: string) {
  const progress = db.prepare<UploadRecord>(PROGRESS)
  const upsert = db.prepare<Stored>(UPSERT)
  const upsertUnlessNewer = db.prepare<Stored & { openedAt: string }>(UPSERT_UNLESS_NEWER)
  return {
    /** The newest record of an upload replaces its row. */
    live: (record: UploadRecord) =>
      faultOf(record, () => {
        if (progress.run(record).changes === 0) upsert.run(storedOf(record))
      }),
    /** The record of a sidecar gives way to a row that is newer. */
    restored: (record: UploadRecord) =>
      faultOf(record, () => upsertUnlessNewer.run({ ...storedOf(record), openedAt })),
  }
}

function storedOf(record: UploadRecord): Stored {
  return { ...record, nameKey: record.filename === null ? null : nameKey(record.filename) }
}

function faultOf({ id }: UploadRecord, write: () => void): RowFault | undefined {
  try {
    write()
    return undefined
  } catch (error) {
    // A record that can never be written must not hold up its batch for ever.
    if (!isRowFault(error)) throw error
    return { id, cause: String(error) }
  }
}

function isRowFault(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true
  return /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)/.test(codeOf(error))
}
