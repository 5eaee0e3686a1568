import { Worker } from 'node:worker_threads'
import type { Log } from '../../model/log.js'
import { RecordsError } from '../../model/record-store.js'
import type { Answer, Backend, BackendEvents, Call, RecordBatch } from '../backend.js'
import type { FromThread, ThreadData, ThreadNews, ToThread } from './message.js'

/** Questions and tasks that may wait for the thread at once; one more is refused as overloaded. */
const CALLS_LIMIT = 1024
/** Calls that the thread has at once: an answer may have 16 KiB, and answers gather while nobody reads them. */
const UNDER_WAY_LIMIT = 64
/** How much longer than its tries a call may take before it is given up, for a disk that hangs. */
const CALL_GRACE_MS = 1000
const FIRST_RESTART_MS = 50
const LAST_RESTART_MS = 5000

interface SqliteThreadOptions extends ThreadData {
  readonly script: URL
  readonly log: Log
}

interface PendingCall {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: RecordsError) => void
  readonly timer: NodeJS.Timeout
}

/** The main thread's side of the SQLite thread: sends it batches and calls, and starts it again if it dies. */
export class SqliteThread implements Backend {
  readonly #options: SqliteThreadOptions
  readonly #events: BackendEvents
  readonly #calls = new Map<number, PendingCall>()
  /** The messages of calls that were not sent to the thread yet, in order. */
  readonly #unsent = new Map<number, ToThread>()
  /** Calls that were sent to the thread; one that was given up counts until it is answered. */
  readonly #underWay = new Set<number>()
  #worker: Worker | undefined
  #restart: NodeJS.Timeout | undefined
  #deaths = 0
  #numbers = 0
  #stopping = false

  constructor(options: SqliteThreadOptions, events: BackendEvents) {
    this.#options = options
    this.#events = events
    this.#start()
  }

  write(batch: RecordBatch): boolean {
    return this.#send({ kind: 'batch', batch })
  }

  call(call: Call, retryMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#calls.size >= CALLS_LIMIT) {
        reject(new RecordsError('overloaded', `${CALLS_LIMIT} calls wait for the database already`))
        return
      }
      this.#numbers += 1
      const number = this.#numbers
      const giveUp = () => this.#fail(number, new RecordsError('slow', 'The database did not answer in time'))
      const timer = setTimeout(giveUp, retryMs + CALL_GRACE_MS)
      this.#calls.set(number, { resolve, reject, timer })
      this.#unsent.set(number, { kind: 'call', number, call, retryMs })
      this.#sendCalls()
    })
  }

  /** Closes the database and ends the thread; by force after `timeoutMs`, and never later than that. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restart)
    this.#failAll(new RecordsError('closed', 'The records are closed'))
    const worker = this.#worker
    if (!worker) return
    this.#send({ kind: 'close' })
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => {
        // Not awaited: a thread within a hanging system call ends only when that call does.
        void worker.terminate()
        resolve()
      }, timeoutMs)
      worker.once('exit', () => {
        clearTimeout(force)
        resolve()
      })
    })
  }

  #start(): void {
    const { script, databasePath, openedAt } = this.#options
    const data: ThreadData = { databasePath, openedAt }
    const worker = new Worker(script, {
      name: 'records',
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32, stackSizeMb: 1 },
    })
    let cause: unknown
    worker.on('message', (message: FromThread) => this.#receive(message))
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', (code) => this.#exited(cause ?? new Error(`The SQLite thread ended with code ${code}`)))
    this.#worker = worker
    this.#events.started()
  }

  #exited(cause: unknown): void {
    this.#worker = undefined
    this.#underWay.clear()
    if (this.#stopping) return
    this.#failAll(new RecordsError('failing', 'the SQLite thread died', { cause }))
    const { log, databasePath } = this.#options
    log.error({ database: databasePath, err: cause }, 'the SQLite thread died and is started again')
    this.#events.lost()
    const pauseMs = Math.min(FIRST_RESTART_MS * 2 ** Math.min(this.#deaths, 16), LAST_RESTART_MS)
    this.#deaths += 1
    this.#restart = setTimeout(() => this.#start(), pauseMs)
  }

  #receive(message: FromThread): void {
    if (message.kind === 'answer') {
      this.#underWay.delete(message.number)
      this.#take(message.number)?.resolve(message.answer)
      this.#sendCalls()
    } else if (message.kind === 'failure') {
      this.#underWay.delete(message.number)
      this.#fail(message.number, new RecordsError(message.problem, message.cause))
      this.#sendCalls()
    } else {
      this.#report(message)
    }
  }

  #report(news: ThreadNews): void {
    const { log, databasePath } = this.#options
    if (news.kind === 'written') this.#deaths = 0
    if (news.kind === 'opened') this.#events.opened(news.opening)
    else if (news.kind === 'written') this.#events.written(news.faults)
    else if (news.kind === 'troubled') this.#events.troubled(news.problem, news.cause)
    else if (news.kind === 'recovered') this.#events.recovered(news.afterMs, news.tries)
    else if (news.kind === 'halted') this.#events.halted(news.cause)
    else log.error({ ...news, database: databasePath }, 'a damaged database was set aside')
  }

  #sendCalls(): void {
    for (const [number, message] of this.#unsent) {
      if (this.#underWay.size >= UNDER_WAY_LIMIT) return
      this.#unsent.delete(number)
      if (this.#send(message)) this.#underWay.add(number)
      else this.#fail(number, new RecordsError('failing', 'The SQLite thread is being started again'))
    }
  }

  #send(message: ToThread): boolean {
    this.#worker?.postMessage(message)
    return this.#worker !== undefined
  }

  #take(number: number): PendingCall | undefined {
    const call = this.#calls.get(number)
    this.#calls.delete(number)
    this.#unsent.delete(number)
    clearTimeout(call?.timer)
    return call
  }

  #fail(number: number, error: RecordsError): void {
    this.#take(number)?.reject(error)
  }

  #failAll(error: RecordsError): void {
    for (const number of this.#calls.keys()) this.#fail(number, error)
  }
}
