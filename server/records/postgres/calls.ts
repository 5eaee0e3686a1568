import { setTimeout } from 'node:timers/promises'
import { RecordsError, type RecordsProblem } from '../../model/record-store.js'
import { SqlError } from '../../model/sql.js'
import type { Answer } from '../backend.js'

/** Questions and tasks that may wait at once; one more is refused as overloaded. */
const CALLS_LIMIT = 1_024
/** Calls that PostgreSQL has at once: an answer may have 256 KiB. */
const UNDER_WAY_LIMIT = 4
/** How much longer than its tries a call may take before it is given up. */
const CALL_GRACE_MS = 1_000
const RETRY_EVERY_MS = 50

/** Asks PostgreSQL: a few calls at once, each within its time. */
export class Calls {
  /** Calls that nobody has answered yet; each is ended by its function. */
  readonly #open = new Set<(error: RecordsError) => void>()
  readonly #waiting: (() => void)[] = []
  #underWay = 0
  #isClosed = false

  /**
   * Calls `ask`, and again for `retryMs` where PostgreSQL cannot be reached or is locked.
   *
   * @throws RecordsError (rejects), within `retryMs` and a second
   */
  call(ask: () => Promise<Answer>, retryMs: number): Promise<Answer> {
    if (this.#isClosed) return Promise.reject(closed())
    if (this.#open.size >= CALLS_LIMIT)
      return Promise.reject(
        new RecordsError('overloaded', `${CALLS_LIMIT} calls wait for the database already`),
      )
    const deadlineMs = performance.now() + retryMs
    return new Promise<Answer>((resolve, reject) => {
      const over = new AbortController()
      const end = (error: RecordsError) => {
        over.abort()
        reject(error)
      }
      this.#open.add(end)
      setTimeout(retryMs + CALL_GRACE_MS, undefined, { signal: over.signal }).then(
        () => end(new RecordsError('slow', 'The database did not answer in time')),
        () => {},
      )
      this.#answer(ask, deadlineMs, over.signal)
        .then(resolve, (error: unknown) => end(recordsError(error)))
        .finally(() => {
          over.abort()
          this.#open.delete(end)
        })
    })
  }

  /** Ends every call that waits. */
  close(): void {
    this.#isClosed = true
    for (const end of this.#open) end(closed())
  }

  async #answer(ask: () => Promise<Answer>, deadlineMs: number, over: AbortSignal): Promise<Answer> {
    for (;;) {
      try {
        return await this.#inTurn(ask, over)
      } catch (error) {
        if (over.aborted || !isPassing(error) || performance.now() >= deadlineMs) throw error
      }
      await setTimeout(RETRY_EVERY_MS)
    }
  }

  async #inTurn(ask: () => Promise<Answer>, over: AbortSignal): Promise<Answer> {
    while (this.#underWay >= UNDER_WAY_LIMIT)
      await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    this.#underWay += 1
    try {
      over.throwIfAborted()
      return await ask()
    } finally {
      this.#underWay -= 1
      this.#waiting.shift()?.()
    }
  }
}

/** The store's word for what PostgreSQL reports. */
export function problemOf(error: unknown): RecordsProblem {
  if (!(error instanceof SqlError) || error.problem === 'gone') return 'failing'
  return error.problem
}

/** The same call may succeed a moment later. */
function isPassing(error: unknown): boolean {
  return error instanceof SqlError && (error.problem === 'gone' || error.problem === 'locked')
}

function recordsError(error: unknown): RecordsError {
  return new RecordsError(problemOf(error), String(error), { cause: error })
}

function closed(): RecordsError {
  return new RecordsError('closed', 'The records are closed')
}
