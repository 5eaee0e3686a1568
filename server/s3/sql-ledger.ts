import * as v from 'valibot'
import { UploadError } from '../errors.js'
import { fromJson } from '../model/from-json.js'
import type { SavedDigest } from '../model/saved-digest.js'
import type { SqlQueries, SqlResult, SqlValue } from '../model/sql.js'
import { isDatedId } from '../model/upload-id.js'
import type { Base, Change, Kept, Ledger, Multipart, NeedingFinal, Part, Removed, Tail } from './ledger.js'
import { ALONE, type LedgerTexts, SHARED } from './ledger-texts.js'
import { OwnWrites } from './own-writes.js'
import { storageError } from './storage-error.js'

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
  FROM s3_uploads WHERE id = ANY ($1) AND NOT is_removed`

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
  readonly #texts: LedgerTexts
  readonly #own = new OwnWrites()

  constructor(tools: SqlLedgerTools) {
    this.#tools = tools
    this.#texts = tools.isShared ? SHARED : ALONE
  }

  /** See Ledger. */
  async create(id: string, facts: string, token: number, final?: NeedingFinal): Promise<boolean> {
    const isNew = final
      ? await this.#createFinal(id, facts, token, final)
      : (await this.#query(this.#texts.create, [id, token, dayOf(id), facts])).changes === 1
    if (isNew) this.#own.note(id, token)
    return isNew
  }

  async #createFinal(id: string, facts: string, token: number, final: NeedingFinal): Promise<boolean> {
    const parts = [...new Set(final.parts)]
    const { rows } = await this.#query<{ there: number; made: number }>(this.#texts.createFinal, [
      ...[id, token, dayOf(id), facts, final.key, final.client],
      parts,
    ])
    const [found] = rows
    if (found && found.there < parts.length)
      throw new UploadError('part_unknown', { detail: 'it was just removed' })
    return found?.made === 1
  }

  /** See Ledger. */
  async find(id: string): Promise<Kept | undefined> {
    const { rows } = await this.#query<Row>(FIND, [[id]])
    const [row] = rows
    if (row && this.#tools.tokenOf(id) !== undefined) this.#own.note(id, row.token)
    return row && keptOf(row)
  }

  /** See Ledger. */
  async findAll(ids: readonly string[]): Promise<readonly Kept[]> {
    const { rows } = await this.#query<Row>(FIND, [ids])
    return rows.map(keptOf)
  }

  /** See Ledger. */
  async write(id: string, token: number, change: Change): Promise<boolean> {
    const { facts = null, sender, base, multipart, tails, part, lastPart, bytesChanged = false } = change
    const { digest, isFinished = false } = change
    const { rows } = await this.#query(this.#texts.write, [
      ...[id, token, facts],
      ...[sender !== undefined, sender ?? null],
      ...[base !== undefined, base?.etag ?? null, base?.bytes ?? null, base?.objectBytes ?? null],
      ...[multipart !== undefined, multipart?.id ?? null, multipart?.mark ?? null],
      ...[tails ? JSON.stringify(tails) : null, bytesChanged, lastPart ?? null],
      ...[part?.number ?? null, part?.position ?? null, part?.bytes ?? null, part?.etag ?? null],
      isFinished,
      ...[digest !== undefined, digest?.offset ?? null, digest?.state ?? null],
    ])
    if (rows.length === 1) this.#own.note(id, token)
    return rows.length === 1
  }

  /** See Ledger. */
  disown(id: string): void {
    this.#own.forget(id)
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
    type Gone = Pick<Row, 'id' | 'multipart_id' | 'multipart_mark' | 'tails'>
    const { rows } = await this.#query<Gone>(
      `WITH removed AS (
         UPDATE s3_uploads SET is_removed = true ${this.#texts.remove}
         RETURNING id, multipart_id, multipart_mark, tails
       ), unneeded AS (
         DELETE FROM s3_finals USING removed WHERE s3_finals.id = removed.id
       ) SELECT * FROM removed`,
      [ids, tokens],
    )
    return rows.map((row) => ({ id: row.id, multipart: multipartOf(row), tails: tailsOf(row) }))
  }

  /** See Ledger. */
  async endRemoval(ids: readonly string[]): Promise<void> {
    await this.#query('DELETE FROM s3_uploads WHERE id = ANY ($1) AND is_removed', [ids])
  }

  /** See Ledger. */
  async halfRemoved(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await this.#query<Pick<Row, 'id'>>(
      'SELECT id FROM s3_uploads WHERE id = ANY ($1) AND is_removed',
      [ids],
    )
    return new Set(rows.map(({ id }) => id))
  }

  async #query<R extends object>(text: string, values: readonly SqlValue[] = []): Promise<SqlResult<R>> {
    try {
      return await this.#tools.sql.query<R>(text, values)
    } catch (error) {
      throw storageError(error)
    }
  }
}

/** The day of an id; '' where it has none, which sorts behind all days. */
function dayOf(id: string): string {
  return isDatedId(id) ? id.slice(0, 8) : ''
}

function keptOf(row: Row): Kept {
  const { id, facts, sender, stored_at_ms: storedAtMs } = row
  const parts = (fromJson(PartsSchema, row.parts) ?? []).map(asPart)
  const layout = { base: baseOf(row), multipart: multipartOf(row), parts, tails: tailsOf(row) }
  return { id, facts, sender, storedAtMs, ...layout, digest: digestOf(row) }
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
