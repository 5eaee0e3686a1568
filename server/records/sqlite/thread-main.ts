import { existsSync, renameSync, rmSync } from 'node:fs'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { RecordsProblem } from '../error.js'
import { codeOf, Database, NewerSchemaError } from './database.js'
import type { Batch, Call, FromThread, Opening, ThreadData, ToThread } from './message.js'

/** The pause before the next try, doubled from the first to the last; it bounds the lag after a lock ends. */
const FIRST_RETRY_MS = 25
const LAST_RETRY_MS = 500
/** A disk that damages every database must not fill up with copies of them. */
const SET_ASIDE_EVERY_MS = 60_000

/** A time of trouble with the database, from the first failed try to the first good one. */
interface Episode {
  readonly sinceMs: number
  readonly cause: string
  tries: number
}

/**
 * Owns the database. It never waits for a lock within SQLite: what is locked or fails is tried again by a
 * timer, so that questions are answered meanwhile. Another process's BEGIN EXCLUSIVE lets this one read, in
 * WAL mode; a connection under `locking_mode = EXCLUSIVE` shuts everybody out, but can only come to be while
 * nobody else has the file open.
 */
class RecordsThread {
  readonly #path: string
  readonly #openedAt: string
  readonly #port: MessagePort
  #database: Database | undefined
  #batch: Batch | undefined
  #episode: Episode | undefined
  #timer: NodeJS.Timeout | undefined
  #setAside: Opening['setAside'] = null
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

  /** Opens the database and writes what waits for it; or comes back later. */
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
    this.#post({ kind: 'opened', ...database.opening, setAside: this.#setAside })
    this.#setAside = null
    return database
  }

  #write(database: Database, batch: Batch): void {
    const startedMs = performance.now()
    const faults = database.write(batch)
    this.#batch = undefined
    this.#post({ kind: 'written', tookMs: performance.now() - startedMs, faults })
  }

  #recover(): void {
    if (!this.#episode) return
    const { sinceMs, tries } = this.#episode
    this.#episode = undefined
    this.#post({ kind: 'recovered', afterMs: performance.now() - sinceMs, tries })
  }

  #fail(error: unknown): void {
    if (error instanceof NewerSchemaError) this.#halt(error)
    else this.#tryLater(error)
  }

  #tryLater(error: unknown): void {
    const isOpening = this.#database === undefined
    // After a real failure the connections are opened anew: SQLite's way out of I/O errors, and the check
    // of the schema comes again.
    if (problemOf(error) !== 'locked') this.#shut()
    const isAside = isDamage(error, isOpening) && this.#moveAside(error)
    if (!isAside) this.#tellTrouble(error)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.work(), isAside ? 0 : this.#nextPauseMs())
  }

  #halt(error: Error): void {
    this.#halted = true
    this.#batch = undefined
    this.#post({ kind: 'halted', cause: error.message })
  }

  #tellTrouble(error: unknown): void {
    const cause = String(error)
    const isNews = this.#episode?.cause !== cause
    const { sinceMs = performance.now(), tries = 0 } = this.#episode ?? {}
    this.#episode = { sinceMs, tries: tries + 1, cause }
    if (isNews) this.#post({ kind: 'trouble', problem: problemOf(error), cause })
  }

  #nextPauseMs(): number {
    return Math.min(FIRST_RETRY_MS * 2 ** Math.min((this.#episode?.tries ?? 1) - 1, 16), LAST_RETRY_MS)
  }

  /** Moves a damaged database out of the way, with its -wal; false when that was done a moment ago. */
  #moveAside(error: unknown): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#setAsideMs < SET_ASIDE_EVERY_MS) return false
    const path = `${this.#path}.corrupt-${new Date().toISOString().replaceAll(':', '')}`
    try {
      renameSync(this.#path, path)
      if (existsSync(`${this.#path}-wal`)) renameSync(`${this.#path}-wal`, `${path}-wal`)
      rmSync(`${this.#path}-shm`, { force: true })
    } catch (cause) {
      this.#tellTrouble(cause)
      return false
    }
    this.#setAsideMs = nowMs
    this.#setAside = { path, cause: String(error) }
    return true
  }

  /** Answers a call; a task under a lock is tried again until the deadline, by the clock of this thread. */
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

/** The database is not open yet, which is as good as locked. */
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

/** True for a file that is no database, a broken one, or one whose tables are not what its version says. */
function isDamage(error: unknown, isOpening: boolean): boolean {
  const code = codeOf(error)
  return /^SQLITE_(CORRUPT|NOTADB)/.test(code) || (isOpening && code === 'SQLITE_ERROR')
}

if (!parentPort) throw new Error('thread-main.js runs in a worker thread only')
const data: ThreadData = workerData
const thread = new RecordsThread(data, parentPort)
parentPort.on('message', (message: ToThread) => thread.receive(message))
thread.work()
