import type { Pool, PoolClient, QueryResult } from 'pg'
import type { Sql, SqlQueries, SqlResult, SqlValue } from '../model/sql.js'
import { SqlError } from '../model/sql.js'
import { isAnswer, sqlError } from './errors.js'
import { migrate } from './migrations.js'
import { connectionSettings, FIRST_QUERY, placeOf } from './settings.js'

/** Connections of one node; what waits for one gets `gone` after five seconds. */
const MOST_CONNECTIONS = 8
const IDLE_AFTER_MS = 30_000

/** Opens the pool of a database. Loads the library; no connection is made before the first query. */
export async function openSql(url: string): Promise<Sql> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    ...connectionSettings(url, pg.types.getTypeParser),
    max: MOST_CONNECTIONS,
    idleTimeoutMillis: IDLE_AFTER_MS,
    onConnect: async (client) => void (await client.query(FIRST_QUERY)),
  })
  // The query that runs gets the error too. An error without a listener would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return new PooledSql(pool, placeOf(url))
}

class PooledSql implements Sql {
  readonly place: string
  readonly #pool: Pool
  #ending: Promise<void> | undefined

  constructor(pool: Pool, place: string) {
    this.#pool = pool
    this.place = place
  }

  query<Row extends object>(text: string, values: readonly SqlValue[] = []): Promise<SqlResult<Row>> {
    return this.#with((session) => session.query<Row>(text, values))
  }

  transaction<T>(work: (queries: SqlQueries) => Promise<T>): Promise<T> {
    return this.#with((session) => session.transaction(work))
  }

  migrate(part: string, steps: readonly string[]): Promise<number> {
    return this.transaction((queries) => migrate(queries, part, steps))
  }

  end(): Promise<void> {
    this.#ending ??= this.#pool.end()
    return this.#ending
  }

  async #with<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((cause: unknown) => {
      throw sqlError(cause)
    })
    const session = new Session(client)
    try {
      return await work(session)
    } finally {
      client.release(session.isBroken)
    }
  }
}

/** One connection while it is used. */
class Session implements SqlQueries {
  readonly #client: PoolClient
  /** It was lost, or the answer to a query that was given up is still to come: nobody may use it again. */
  isBroken = false

  constructor(client: PoolClient) {
    this.#client = client
  }

  async query<Row extends object>(text: string, values: readonly SqlValue[] = []): Promise<SqlResult<Row>> {
    const { rows, rowCount } = await this.#ask<Row>(text, values)
    return { rows, changes: rowCount ?? 0 }
  }

  async transaction<T>(work: (queries: SqlQueries) => Promise<T>): Promise<T> {
    await this.#ask('BEGIN')
    try {
      const result = await work(this)
      const { command } = await this.#ask('COMMIT')
      // PostgreSQL answers ROLLBACK where a query of the work failed, and the work went on.
      if (command !== 'COMMIT') throw new SqlError('failing', 'a query of the transaction failed before')
      return result
    } catch (error) {
      if (!this.isBroken) await this.#ask('ROLLBACK').catch(() => this.#break())
      throw error
    }
  }

  async #ask<Row extends object>(text: string, values: readonly SqlValue[] = []): Promise<QueryResult<Row>> {
    try {
      return await this.#client.query<Row>(text, [...values])
    } catch (cause) {
      const error = sqlError(cause)
      this.isBroken ||= !isAnswer(error)
      throw error
    }
  }

  #break(): void {
    this.isBroken = true
  }
}
