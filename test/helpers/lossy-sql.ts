import { type Sql, SqlError, type SqlQueries, type SqlResult, type SqlValue } from '../../server/model/sql.js'
import { eventually } from './server.js'

const WITHIN_MS = 30_000

/** A PostgreSQL that does what it is asked, but some answers do not arrive. */
export class LossySql implements Sql {
  /** The first answer with a row to a query such as this is lost. */
  loses: RegExp | undefined
  /** The first query such as `query` is given up. PostgreSQL does it after one such as `after`, once it gives a row. */
  delays: { readonly query: RegExp; readonly after: RegExp } | undefined
  readonly #sql: Sql
  #delayed: { after: RegExp; ask: () => Promise<SqlResult<object>> } | undefined

  constructor(sql: Sql) {
    this.#sql = sql
  }

  get place(): string {
    return this.#sql.place
  }

  /** See Sql, as for each of the others. */
  async query<Row extends object>(text: string, values?: readonly SqlValue[]): Promise<SqlResult<Row>> {
    const ask = () => this.#sql.query<Row>(text, values)
    if (this.delays?.query.test(text) && !this.#delayed) {
      this.#delayed = { after: this.delays.after, ask }
      throw new SqlError('slow', 'the query was given up')
    }
    const result = await ask()
    if (this.loses?.test(text) && result.rows.length > 0) {
      this.loses = undefined
      throw new SqlError('gone', 'the answer was lost')
    }
    const delayed = this.#delayed
    if (delayed?.after.test(text)) {
      this.#delayed = undefined
      this.delays = undefined
      await eventually(WITHIN_MS, 'a row for the delayed query', async () => {
        return (await delayed.ask()).rows.length > 0 || undefined
      })
    }
    return result
  }

  transaction<T>(work: (queries: SqlQueries) => Promise<T>): Promise<T> {
    return this.#sql.transaction(work)
  }

  migrate(part: string, steps: readonly string[]): Promise<number> {
    return this.#sql.migrate(part, steps)
  }

  end(): Promise<void> {
    return this.#sql.end()
  }
}
