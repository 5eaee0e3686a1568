import type { Held, NewFinal, SharedFinals } from '../model/shared-finals.js'
import type { Sql, SqlQueries } from '../model/sql.js'
import { dayOf, storageError } from './sql-ledger.js'

/**
 * In one statement: the parts are there and cannot be given up before it ends, the upload is made, and from then on they
 * are needed.
 */
const CREATE = `WITH there AS MATERIALIZED (
    SELECT id FROM s3_uploads WHERE id = ANY ($7::text[]) AND NOT is_removed ORDER BY id FOR SHARE
  ), made AS (
    INSERT INTO s3_uploads (id, day, facts, token)
    SELECT $1, $2, $3, $4::bigint WHERE (SELECT count(*) FROM there) = cardinality($7::text[])
    ON CONFLICT DO NOTHING RETURNING id
  ), entered AS (
    INSERT INTO s3_finals (id, key, client, names) SELECT id, $5, $6, cardinality($7::text[]) FROM made
  ), needed AS (
    INSERT INTO s3_needs (part, final) SELECT part, made.id FROM made, unnest($7::text[]) AS part
  ) SELECT (SELECT count(*) FROM there) AS there, (SELECT count(*) FROM made) AS made`

const HELD = `SELECT count(*) AS finals, coalesce(sum(names), 0)::bigint AS names,
    count(*) FILTER (WHERE client = $1) AS own_finals,
    coalesce(sum(names) FILTER (WHERE client = $1), 0)::bigint AS own_names
  FROM s3_finals WHERE is_open`

/** Final uploads in PostgreSQL; the tables are made by FINALS_STEPS. */
export class SqlFinals implements SharedFinals {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Adds a final upload without bytes. Resolves with what was wrong: the id exists, or a part is not there any more. */
  async create(
    id: string,
    facts: string,
    token: number,
    final: NewFinal & { readonly parts: readonly string[] },
  ): Promise<'made' | 'exists' | 'part_gone'> {
    const parts = [...new Set(final.parts)]
    const [found] = await this.#ask<{ there: number; made: number }>(CREATE, [
      ...[id, dayOf(id), facts, token, final.key, final.client],
      parts,
    ])
    if (found?.made === 1) return 'made'
    return found?.there === parts.length ? 'exists' : 'part_gone'
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
    try {
      const { rows } = await this.#sql.transaction(async (sql) => {
        await sql.query('SELECT id FROM s3_uploads WHERE id = ANY ($1) ORDER BY id FOR UPDATE', [parts])
        return sql.query<{ id: string }>(
          `UPDATE s3_uploads SET is_removed = true
           WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM s3_needs WHERE part = s3_uploads.id) RETURNING id`,
          [parts],
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
      return (await this.#sql.query<Row>(text, values)).rows
    } catch (error) {
      throw storageError(error)
    }
  }
}
