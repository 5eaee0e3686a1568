import type { UploadRecord } from '../../model/record.js'
import type { Sql } from '../../model/sql.js'
import { answerOf } from './questions.js'

/** Reads the records in PostgreSQL, also beside a running server; changes none. */
export class PostgresReader {
  readonly #sql: Sql

  /** @param sql is ended by `close` */
  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** The record of an upload. @throws SqlError (rejects), also where there are no tables yet */
  async get(id: string): Promise<UploadRecord | undefined> {
    const { rows } = await answerOf(this.#sql, { name: 'get', id })
    return rows[0]
  }

  /** Records of uploads that have files, by id, after `afterId`. Rejects as `get` does. */
  async withFiles(afterId: string, limit: number): Promise<readonly UploadRecord[]> {
    const { rows } = await answerOf(this.#sql, { name: 'withFiles', afterId, limit })
    return rows
  }

  /** Closes the connections. */
  close(): Promise<void> {
    return this.#sql.end()
  }
}
