import { type Sql, SqlError, type SqlQueries } from '../../model/sql.js'
import type { Answer, Backend, BackendEvents, Call, RecordBatch, RowFault } from '../backend.js'
import { Calls, problemOf } from './calls.js'
import { setIncomplete } from './marks.js'
import { openTables, Writer } from './opening.js'
import { answerOf } from './questions.js'
import { isRecordFault, type TokenOf, writeAlone, writeLive, writeRestored } from './rows.js'

/** The pause before the next try, doubled from the first to the last; it bounds the lag after an outage. */
const FIRST_RETRY_MS = 25
const LAST_RETRY_MS = 500

export interface PostgresBackendOptions {
  /** Used by this backend alone, which ends it. */
  readonly sql: Sql
  /** When the index was opened, in ISO 8601: rows from before may be ahead of their files. */
  readonly openedAt: string
  /** The id of the data folder whose uploads are recorded; null where many nodes share the tables. */
  readonly folder: string | null
  readonly tokenOf: TokenOf
}

/** A time of trouble with the database, from the first failed try to the first good one. */
interface Trouble {
  readonly sinceMs: number
  readonly error: unknown
  readonly tries: number
}

/** The records in PostgreSQL. A batch is tried again until it is written, however long PostgreSQL is away. */
export class PostgresBackend implements Backend {
  readonly #options: PostgresBackendOptions
  readonly #events: BackendEvents
  readonly #calls = new Calls()
  readonly #writer = new Writer()
  #batch: RecordBatch | undefined
  #trouble: Trouble | undefined
  #timer: NodeJS.Timeout | undefined
  /** The tables were looked at since the connection was last lost. */
  #isOpen = false
  #isWorking = false
  #isEnded = false

  constructor(options: PostgresBackendOptions, events: BackendEvents) {
    this.#options = options
    this.#events = events
    // In a later turn: the events below need the object that is just being made.
    setImmediate(() => this.#work())
  }

  write(batch: RecordBatch): boolean {
    this.#batch = batch
    this.#work()
    return true
  }

  call(call: Call, retryMs: number): Promise<Answer> {
    return this.#calls.call(async () => {
      if (!this.#isOpen) throw this.#trouble?.error ?? new SqlError('locked', 'The database is not open yet')
      return answerOf(this.#options.sql, call)
    }, retryMs)
  }

  async stop(timeoutMs: number): Promise<void> {
    const isIdle = this.#isOpen && !this.#isWorking
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#calls.close()
    const { sql } = this.#options
    const ended = (isIdle ? this.#writer.leave(sql).catch(() => {}) : Promise.resolve()).then(() => sql.end())
    await new Promise<void>((resolve) => {
      // A query that hangs is left behind: its connection ends with the process, or after its limit.
      const timer = setTimeout(resolve, timeoutMs)
      ended.finally(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Opens the database and writes the batch that waits. Where that fails, it is tried again later. Never rejects. */
  async #work(): Promise<void> {
    if (this.#isWorking || this.#isEnded) return
    this.#isWorking = true
    clearTimeout(this.#timer)
    try {
      await this.#open()
      while (this.#batch && !this.#isEnded) await this.#write(this.#batch)
    } catch (error) {
      if (!this.#isEnded) this.#fail(error)
    } finally {
      this.#isWorking = false
    }
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return
    const { sql, folder } = this.#options
    const opening = await openTables(sql, this.#writer, folder)
    this.#isOpen = true
    this.#recover()
    this.#events.opened(opening)
  }

  async #write(batch: RecordBatch): Promise<void> {
    const faults = await this.#writeAll(batch)
    this.#batch = undefined
    this.#writer.written()
    this.#recover()
    this.#events.written(faults)
  }

  async #writeAll(batch: RecordBatch): Promise<readonly RowFault[]> {
    const { sql, openedAt, tokenOf } = this.#options
    const begin = async (queries: SqlQueries): Promise<void> => {
      await this.#writer.count(queries)
      if (batch.incomplete) await setIncomplete(queries)
    }
    try {
      await sql.transaction(async (queries) => {
        await begin(queries)
        await writeLive(queries, batch.live, tokenOf)
        await writeRestored(queries, batch.restored, openedAt)
      })
      return []
    } catch (error) {
      if (!isRecordFault(error)) throw error
    }
    // A record that can never be written must not hold up its batch for ever.
    return sql.transaction(async (queries) => {
      await begin(queries)
      const faults: (RowFault | undefined)[] = []
      for (const record of batch.live)
        faults.push(await writeAlone(queries, record, (records) => writeLive(queries, records, tokenOf)))
      for (const record of batch.restored)
        faults.push(await writeAlone(queries, record, (records) => writeRestored(queries, records, openedAt)))
      return faults.filter((fault) => fault !== undefined)
    })
  }

  #recover(): void {
    if (!this.#trouble) return
    const { sinceMs, tries } = this.#trouble
    this.#trouble = undefined
    this.#events.recovered(performance.now() - sinceMs, tries)
  }

  #fail(error: unknown): void {
    if (error instanceof SqlError && error.problem === 'newer') {
      this.#isEnded = true
      this.#events.halted(error.message)
      return
    }
    // After a lost connection another database may answer, such as an older copy.
    if (problemOf(error) !== 'locked') this.#isOpen = false
    const isNew = String(this.#trouble?.error) !== String(error)
    const { sinceMs = performance.now(), tries = 0 } = this.#trouble ?? {}
    this.#trouble = { sinceMs, tries: tries + 1, error }
    if (isNew) this.#events.troubled(problemOf(error), String(error))
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries, 16), LAST_RETRY_MS)
    this.#timer = setTimeout(() => this.#work(), pauseMs)
  }
}
