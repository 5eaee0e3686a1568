import * as v from 'valibot'
import { UploadError } from '../errors.js'
import { fromJson } from '../model/from-json.js'
import type { SavedDigest } from '../model/saved-digest.js'
import { SqlError, type SqlQueries, type SqlResult, type SqlValue } from '../model/sql.js'
import { isDatedId } from '../model/upload-id.js'
import type { Base, Change, Kept, Ledger, Multipart, Part, Removed, Tail } from './ledger.js'
import { OwnWrites } from './own-writes.js'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const TailsSchema = v.array(v.object({ key: v.string(), etag: v.string(), position: count, bytes: count }))
const PartsSchema = v.array(v.tuple([count, count, count, v.string()]))

/** A row of `s3_uploads`, with its parts as JSON. */
interface Row {
  readonly id: string
  readonly facts: string
  readonly token: number
  readonly sender: number | null
  readonly base_etag: string | null
  readonly base_bytes: number | null
  readonly base_object_bytes: number | null
  readonly multipart_id: string | null
  readonly multipart_mark: string | null
  readonly tails: string
  readonly digest_offset: number | null
  readonly digest_state: string | null
  readonly stored_at_ms: number
  readonly parts: string
}

const FIND = `SELECT id, facts, token, sender, base_etag, base_bytes, base_object_bytes, multipart_id, multipart_mark, tails,
    digest_offset, digest_state,
    (extract(epoch FROM stored_at) * 1000)::bigint AS stored_at_ms,
    (SELECT coalesce(json_agg(json_build_array(number, position, bytes, etag) ORDER BY number), '[]')::text
      FROM s3_parts WHERE s3_parts.id = s3_uploads.id) AS parts
  FROM s3_uploads WHERE id = $1 AND NOT is_removed`

/**
 * One row where the token is that of the upload's lock, none otherwise. The lock on the row of the lock keeps the next
 * holder waiting until this statement is over, and finds no row where the next holder was faster.
 */
const HELD = '(SELECT token AS held_token FROM upload_locks WHERE id = $1 AND token = $2 FOR SHARE) AS held'

const writeWhere = (from: string): string => `WITH changed AS (
    UPDATE s3_uploads SET
      token = $2,
      facts = coalesce($3::text, facts),
      sender = CASE WHEN $4 THEN $5::bigint ELSE sender END,
      base_etag = CASE WHEN $6 THEN $7::text ELSE base_etag END,
      base_bytes = CASE WHEN $6 THEN $8::bigint ELSE base_bytes END,
      base_object_bytes = CASE WHEN $6 THEN $9::bigint ELSE base_object_bytes END,
      multipart_id = CASE WHEN $10 THEN $11::text ELSE multipart_id END,
      multipart_mark = CASE WHEN $10 THEN $12::text ELSE multipart_mark END,
      tails = coalesce($13::text, tails),
      stored_at = CASE WHEN $14 THEN clock_timestamp() ELSE stored_at END,
      digest_offset = CASE WHEN $20 THEN $21::bigint ELSE digest_offset END,
      digest_state = CASE WHEN $20 THEN $22::text ELSE digest_state END
     ${from} WHERE id = $1 AND token <= $2 AND NOT is_removed RETURNING id
  ), dropped AS (
    DELETE FROM s3_parts USING changed WHERE s3_parts.id = changed.id AND number > $15::integer
  ), added AS (
    INSERT INTO s3_parts (id, number, position, bytes, etag, token)
    SELECT changed.id, $16::integer, $17::bigint, $18::bigint, $19::text, $2 FROM changed WHERE $16 IS NOT NULL
  ) SELECT id FROM changed`

/** Where each upload belongs to whoever holds its lock in the table `upload_locks`. */
const SHARED = {
  create: `INSERT INTO s3_uploads (id, token, day, facts) SELECT $1, held_token, $3, $4 FROM ${HELD}
    ON CONFLICT DO NOTHING`,
  write: writeWhere(`FROM ${HELD}`),
  remove: `FROM (SELECT upload_locks.id AS held_id FROM upload_locks
      JOIN unnest($1::text[], $2::bigint[]) AS given (id, token)
      ON upload_locks.id = given.id AND upload_locks.token = given.token FOR SHARE OF upload_locks) AS held
    WHERE id = held_id`,
}

/** Where one process writes. */
const ALONE = {
  create: 'INSERT INTO s3_uploads (id, token, day, facts) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
  write: writeWhere(''),
  remove: `FROM unnest($1::text[], $2::bigint[]) AS given (given_id, given_token)
    WHERE id = given_id`,
}

export interface SqlLedgerTools {
  readonly sql: SqlQueries
  /** The token that this process may write an upload under now. */
  readonly tokenOf: (id: string) => number | undefined
  /** Many nodes write, each under the locks that it holds. */
  readonly isShared: boolean
}

/** The ledger in PostgreSQL; its tables are made by LEDGER_STEPS. */
export class SqlLedger implements Ledger {
  readonly #tools: SqlLedgerTools
  readonly #texts: typeof ALONE
  readonly #own = new OwnWrites()

  constructor(tools: SqlLedgerTools) {
    this.#tools = tools
    this.#texts = tools.isShared ? SHARED : ALONE
  }

  /** See Ledger. */
  async create(id: string, facts: string, token: number): Promise<boolean> {
    const { changes } = await this.#query(this.#texts.create, [id, token, dayOf(id), facts])
    if (changes === 1) this.#own.note(id, token)
    return changes === 1
  }

  /** See Ledger. */
  async find(id: string): Promise<Kept | undefined> {
    const { rows } = await this.#query<Row>(FIND, [id])
    const [row] = rows
    if (!row) return undefined
    if (this.#tools.tokenOf(id) !== undefined) this.#own.note(id, row.token)
    const parts = (fromJson(PartsSchema, row.parts) ?? []).map(asPart)
    const { facts, sender, stored_at_ms: storedAtMs } = row
    return {
      id,
      facts,
      sender,
      storedAtMs,
      base: baseOf(row),
      multipart: multipartOf(row),
      parts,
      tails: tailsOf(row),
      digest: digestOf(row),
    }
  }

  /** See Ledger. */
  async write(id: string, token: number, change: Change): Promise<boolean> {
    const { facts = null, sender, base, multipart, tails, part, lastPart, bytesChanged = false } = change
    const { digest } = change
    const { rows } = await this.#query(this.#texts.write, [
      ...[id, token, facts],
      ...[sender !== undefined, sender ?? null],
      ...[base !== undefined, base?.etag ?? null, base?.bytes ?? null, base?.objectBytes ?? null],
      ...[multipart !== undefined, multipart?.id ?? null, multipart?.mark ?? null],
      ...[tails ? JSON.stringify(tails) : null, bytesChanged, lastPart ?? null],
      ...[part?.number ?? null, part?.position ?? null, part?.bytes ?? null, part?.etag ?? null],
      ...[digest !== undefined, digest?.offset ?? null, digest?.state ?? null],
    ])
    if (rows.length === 1) this.#own.note(id, token)
    return rows.length === 1
  }

  /** See Ledger. */
  async isAsLeft(id: string): Promise<boolean> {
    const { rows } = await this.#query<Pick<Row, 'token'>>(
      'SELECT token FROM s3_uploads WHERE id = $1 AND NOT is_removed',
      [id],
    )
    return this.#own.take(id, rows[0]?.token)
  }

  /** See Ledger. */
  async page(
    fromDay: string,
    after: string | null,
    most: number,
  ): Promise<readonly { readonly id: string; readonly isRemoved: boolean }[]> {
    const { rows } = await this.#query<{ id: string; is_removed: boolean }>(
      `SELECT id, is_removed FROM s3_uploads
       WHERE day >= $1 AND ($2::text IS NULL OR day < $3 OR (day = $3 AND id > $2))
       ORDER BY day DESC, id LIMIT $4`,
      [fromDay.replaceAll('/', ''), after, after === null ? '' : dayOf(after), most],
    )
    return rows.map(({ id, is_removed: isRemoved }) => ({ id, isRemoved }))
  }

  /** See Ledger. */
  async beginRemoval(ids: readonly string[], tokens: readonly number[]): Promise<readonly Removed[]> {
    const { rows } = await this.#query<Pick<Row, 'id' | 'multipart_id' | 'multipart_mark' | 'tails'>>(
      `UPDATE s3_uploads SET is_removed = true ${this.#texts.remove}
       RETURNING id, multipart_id, multipart_mark, tails`,
      [ids, tokens],
    )
    return rows.map((row) => ({ id: row.id, multipart: multipartOf(row), tails: tailsOf(row) }))
  }

  /** See Ledger. */
  async endRemoval(ids: readonly string[]): Promise<void> {
    await this.#query('DELETE FROM s3_uploads WHERE id = ANY ($1) AND is_removed', [ids])
  }

  /** See Ledger. */
  async isHalfRemoved(id: string): Promise<boolean> {
    const { rows } = await this.#query('SELECT id FROM s3_uploads WHERE id = $1 AND is_removed', [id])
    return rows.length === 1
  }

  async #query<R extends object>(text: string, values: readonly SqlValue[] = []): Promise<SqlResult<R>> {
    try {
      return await this.#tools.sql.query<R>(text, values)
    } catch (error) {
      const isAway = error instanceof SqlError && ['gone', 'slow', 'locked'].includes(error.problem)
      throw isAway ? new UploadError('storage_unavailable', { cause: error }) : error
    }
  }
}

/** The day of an id; '' where it has none, which sorts behind all days. */
function dayOf(id: string): string {
  return isDatedId(id) ? id.slice(0, 8) : ''
}

function asPart([number, position, bytes, etag]: v.InferOutput<typeof PartsSchema>[number]): Part {
  return { number, position, bytes, etag }
}

function baseOf({ base_etag: etag, base_bytes: bytes, base_object_bytes: objectBytes }: Row): Base | null {
  return etag === null || bytes === null || objectBytes === null ? null : { etag, bytes, objectBytes }
}

function digestOf({ digest_offset: offset, digest_state: state }: Row): SavedDigest | null {
  return offset === null || state === null ? null : { offset, state }
}

function multipartOf({
  multipart_id: id,
  multipart_mark: mark,
}: Pick<Row, 'multipart_id' | 'multipart_mark'>): Multipart | null {
  return id === null || mark === null ? null : { id, mark }
}

function tailsOf({ tails }: Pick<Row, 'tails'>): readonly Tail[] {
  const found = fromJson(TailsSchema, tails)
  if (!found) throw new Error('the tails of an upload cannot be read')
  return found
}
