import { Worker } from 'node:worker_threads'
import { RecordsError } from '../error.js'
import type { Answer, Batch, Call, FromThread, ThreadData, ToThread } from './message.js'

/** Questions and tasks that may wait for the thread at once; one more is refused as overloaded. */
const CALLS_LIMIT = 1024
/** Calls that the thread has at once: an answer may have 16 KiB, and answers gather while nobody reads them. */
const UNDER_WAY_LIMIT = 64
/** How much longer than its tries a call may take before it is given up, for a disk that hangs. */
const CALL_GRACE_MS = 1000
const FIRST_RESTART_MS = 50
const LAST_RESTART_MS = 5000

/** What the thread tells of itself; answers go to whoever asked. */
export type ThreadNews = Exclude<FromThread, { kind: 'answer' | 'failure' }>

export interface ThreadEvents {
  /** It runs, for the first time or again, and takes a batch. */
  started(): void
  /** It died, and the batch it had with it; it is started again. */
  died(cause: unknown): void
  told(news: ThreadNews): void
}

interface PendingCall {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: RecordsError) => void
  readonly timer: NodeJS.Timeout
}

/** The SQLite thread as the main thread sees it: batches and calls go in, and it is started again if it dies. */
export class Thread {
  readonly #script: URL
  readonly #data: ThreadData
  readonly #events: ThreadEvents
  readonly #calls = new Map<number, PendingCall>()
  /** The messages of calls that the thread does not have yet, in order. */
  readonly #unsent = new Map<number, ToThread>()
  /** Calls that the thread has; one that was given up counts until it is answered. */
  readonly #underWay = new Set<number>()
  #worker: Worker | undefined
  #restart: NodeJS.Timeout | undefined
  #deaths = 0
  #numbers = 0
  #stopping = false

  constructor(script: URL, data: ThreadData, events: ThreadEvents) {
    this.#script = script
    this.#data = data
    this.#events = events
    this.#start()
  }

  /** Sends a batch; false while the thread is down. */
  write(batch: Batch): boolean {
    return this.#send({ kind: 'batch', batch })
  }

  /**
   * Asks the database, or gives it a task.
   *
   * @param retryMs for how long a locked database is tried again, in milliseconds; 0 asks once
   * @returns a promise that settles within `retryMs` and a second
   * @throws RecordsError (rejects) when the database is locked, failing or slow, or too many calls wait
   */
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
    const worker = new Worker(this.#script, {
      name: 'records',
      workerData: this.#data,
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
    this.#failAll(new RecordsError('failing', 'The SQLite thread died', { cause }))
    this.#events.died(cause)
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
      if (message.kind === 'written') this.#deaths = 0
      this.#events.told(message)
    }
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
