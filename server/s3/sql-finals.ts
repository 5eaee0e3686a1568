import type { Held, SharedFinals } from '../model/shared-finals.js'
import type { Sql, SqlQueries } from '../model/sql.js'
import { tokenFor } from './entry.js'
import { ALONE, SHARED } from './ledger-texts.js'
import type { SqlLedgerTools } from './sql-ledger.js'
import { storageError } from './storage-error.js'

const HELD = `SELECT count(*) AS finals, coalesce(sum(names), 0)::bigint AS names,
    count(*) FILTER (WHERE client = $1) AS own_finals,
    coalesce(sum(names) FILTER (WHERE client = $1), 0)::bigint AS own_names
  FROM s3_finals WHERE is_open`

export type SqlFinalsTools = Pick<SqlLedgerTools, 'tokenOf' | 'isShared'> & { readonly sql: Sql }

/** Final uploads in PostgreSQL; the tables are made by FINALS_STEPS. */
export class SqlFinals implements SharedFinals {
  readonly #tools: SqlFinalsTools

  constructor(tools: SqlFinalsTools) {
    this.#tools = tools
  }

  /** See SharedFinals. */
  async needed(parts: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#ask<{ part: string }>(
      'SELECT DISTINCT part FROM s3_needs WHERE part = ANY ($1)',
      [parts],
    )
    return new Set(rows.map(({ part }) => part))
  }

  /** See SharedFinals. Two statements: only the second one sees the final upload for which the first one waited. */
  async giveUp(parts: readonly string[]): Promise<ReadonlySet<string>> {
    if (parts.length === 0) return new Set()
    const { sql, tokenOf, isShared } = this.#tools
    const { remove } = isShared ? SHARED : ALONE
    const tokens = parts.map((part) => tokenFor(part, tokenOf))
    try {
      const { rows } = await sql.transaction(async (queries) => {
        await queries.query('SELECT id FROM s3_uploads WHERE id = ANY ($1) ORDER BY id FOR UPDATE', [parts])
        return queries.query<{ id: string }>(
          `UPDATE s3_uploads SET is_removed = true ${remove}
           AND NOT EXISTS (SELECT FROM s3_needs WHERE part = s3_uploads.id) RETURNING id`,
          [parts, tokens],
        )
      })
      return new Set(rows.map(({ id }) => id))
    } catch (error) {
      throw storageError(error)
    }
  }

  /** See SharedFinals. */
  async naming(part: string): Promise<readonly string[]> {
    const rows = await this.#ask<{ final: string }>('SELECT final FROM s3_needs WHERE part = $1', [part])
    return rows.map(({ final }) => final)
  }

  /** See SharedFinals. */
  async madeBy(key: string): Promise<string | undefined> {
    const [newest] = await this.#ask<{ id: string }>(
      'SELECT id FROM s3_finals WHERE key = $1 ORDER BY made_at DESC LIMIT 1',
      [key],
    )
    return newest?.id
  }

  /** See SharedFinals. */
  async held(client: string): Promise<{ readonly finals: Held; readonly names: Held }> {
    const [row] = await this.#ask<{
      finals: number
      names: number
      own_finals: number
      own_names: number
    }>(HELD, [client])
    return {
      finals: { all: row?.finals ?? 0, own: row?.own_finals ?? 0 },
      names: { all: row?.names ?? 0, own: row?.own_names ?? 0 },
    }
  }

  async #ask<Row extends object>(
    text: string,
    values: Parameters<SqlQueries['query']>[1],
  ): Promise<readonly Row[]> {
    try {
      return (await this.#tools.sql.query<Row>(text, values)).rows
    } catch (error) {
      throw storageError(error)
    }
  }
}
