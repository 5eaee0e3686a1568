import { existsSync, renameSync, rmSync } from 'node:fs'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { RecordsProblem } from '../../model/record-store.js'
import { codeOf } from '../../sqlite.js'
import type { Call, RecordBatch } from '../backend.js'
import { Database, NewerSchemaError } from './database.js'
import type { FromThread, ThreadData, ToThread } from './message.js'

/** The pause before the next try, doubled from the first to the last; it bounds the lag after a lock ends. */
const FIRST_RETRY_MS = 25
const LAST_RETRY_MS = 500
/** A disk that damages every database must not be filled with copies of them. */
const SET_ASIDE_EVERY_MS = 60_000

/** A time of trouble with the database, from the first failed try to the first good one. */
interface Trouble {
  readonly sinceMs: number
  readonly cause: string
  tries: number
}

/**
 * Owns the database. It never waits for a lock within SQLite: a write that is locked out or fails is tried again by a
 * timer, so that questions are answered meanwhile. Under another process's BEGIN EXCLUSIVE this one can still read,
 * because of WAL mode. A connection with `locking_mode = EXCLUSIVE` shuts everybody out, but it can only begin while
 * nobody else has the file open.
 */
class SqliteThreadMain {
  readonly #path: string
  readonly #openedAt: string
  readonly #port: MessagePort
  #database: Database | undefined
  #batch: RecordBatch | undefined
  #trouble: Trouble | undefined
  #timer: NodeJS.Timeout | undefined
  #setAsideMs = Number.NEGATIVE_INFINITY
  #halted = false

  constructor(data: ThreadData, port: MessagePort) {
    this.#path = data.databasePath
    this.#openedAt = data.openedAt
    this.#port = port
  }

  receive(message: ToThread): void {
    if (message.kind === 'batch') {
      this.#batch = message.batch
      this.work()
    } else if (message.kind === 'call') {
      this.#answer(message.number, message.call, performance.now() + message.retryMs)
    } else {
      this.#close()
    }
  }

  /** Opens the database and writes the batch that waits. Where that fails, it is tried again later. */
  work(): void {
    clearTimeout(this.#timer)
    if (this.#halted) return
    try {
      const database = this.#open()
      if (this.#batch) this.#write(database, this.#batch)
      this.#recover()
    } catch (error) {
      this.#fail(error)
    }
  }

  #open(): Database {
    if (this.#database?.gone) this.#shut()
    if (this.#database) return this.#database
    const database = new Database(this.#path, this.#openedAt)
    this.#database = database
    this.#post({ kind: 'opened', opening: database.opening })
    return database
  }

  #write(database: Database, batch: RecordBatch): void {
    const faults = database.write(batch)
    this.#batch = undefined
    this.#post({ kind: 'written', faults })
  }

  #recover(): void {
    if (!this.#trouble) return
    const { sinceMs, tries } = this.#trouble
    this.#trouble = undefined
    this.#post({ kind: 'recovered', afterMs: performance.now() - sinceMs, tries })
  }

  #fail(error: unknown): void {
    if (error instanceof NewerSchemaError) this.#halt(error)
    else this.#tryLater(error)
  }

  #tryLater(error: unknown): void {
    const isOpening = this.#database === undefined
    // After a real failure the connections are opened again: that is how SQLite gets over I/O errors, and the
    // schema is checked again.
    if (problemOf(error) !== 'locked') this.#shut()
    const isAside = isDamage(error, isOpening) && this.#moveAside(error)
    if (!isAside) this.#reportTrouble(error)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.work(), isAside ? 0 : this.#nextPauseMs())
  }

  #halt(error: Error): void {
    this.#halted = true
    this.#batch = undefined
    this.#post({ kind: 'halted', cause: error.message })
  }

  #reportTrouble(error: unknown): void {
    const cause = String(error)
    const isNew = this.#trouble?.cause !== cause
    const { sinceMs = performance.now(), tries = 0 } = this.#trouble ?? {}
    this.#trouble = { sinceMs, tries: tries + 1, cause }
    if (isNew) this.#post({ kind: 'troubled', problem: problemOf(error), cause })
  }

  #nextPauseMs(): number {
    return Math.min(FIRST_RETRY_MS * 2 ** Math.min((this.#trouble?.tries ?? 1) - 1, 16), LAST_RETRY_MS)
  }

  /** Renames a damaged database and its -wal; false when that was done a moment ago, or fails. */
  #moveAside(error: unknown): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#setAsideMs < SET_ASIDE_EVERY_MS) return false
    const path = `${this.#path}.corrupt-${new Date().toISOString().replaceAll(':', '')}`
    try {
      renameSync(this.#path, path)
      if (existsSync(`${this.#path}-wal`)) renameSync(`${this.#path}-wal`, `${path}-wal`)
      rmSync(`${this.#path}-shm`, { force: true })
    } catch (cause) {
      this.#reportTrouble(cause)
      return false
    }
    this.#setAsideMs = nowMs
    this.#post({ kind: 'setAside', path, cause: String(error) })
    return true
  }

  /** Answers a call. Where the database is locked, it is tried again until the deadline, by this thread's clock. */
  #answer(number: number, call: Call, deadlineMs: number): void {
    try {
      if (!this.#database) throw new NotOpenError()
      this.#post({ kind: 'answer', number, answer: this.#database.answer(call) })
    } catch (error) {
      const problem = problemOf(error)
      if (problem === 'locked' && performance.now() < deadlineMs && !this.#halted) {
        setTimeout(() => this.#answer(number, call, deadlineMs), FIRST_RETRY_MS)
        return
      }
      this.#post({ kind: 'failure', number, problem, cause: String(error) })
      if (problem === 'failing') this.#fail(error)
    }
  }

  #shut(): void {
    this.#database?.close()
    this.#database = undefined
  }

  #close(): void {
    clearTimeout(this.#timer)
    this.#halted = true
    this.#shut()
    this.#port.close()
  }

  #post(message: FromThread): void {
    this.#port.postMessage(message)
  }
}

/** The database is not open yet; callers see it as locked. */
class NotOpenError extends Error {
  override readonly name = 'NotOpenError'
  constructor() {
    super('The database is not open yet')
  }
}

function problemOf(error: unknown): RecordsProblem {
  if (error instanceof NotOpenError) return 'locked'
  return /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(codeOf(error)) ? 'locked' : 'failing'
}

/** True for a file that is no database, a damaged one, or one whose tables do not match its version. */
function isDamage(error: unknown, isOpening: boolean): boolean {
  const code = codeOf(error)
  return /^SQLITE_(CORRUPT|NOTADB)/.test(code) || (isOpening && code === 'SQLITE_ERROR')
}

if (!parentPort) throw new Error('sqlite-thread-main.js runs in a worker thread only')
const data: ThreadData = workerData
const thread = new SqliteThreadMain(data, parentPort)
parentPort.on('message', (message: ToThread) => thread.receive(message))
thread.work()
