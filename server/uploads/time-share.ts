import { setTimeout } from 'node:timers/promises'

/** Work between two pauses, in milliseconds: short beside what a request takes. */
const WORK_MS = 4
/** A disk that hangs is no work of ours: the pause after it has an end. */
const MOST_PAUSE_MS = 30_000

/** The share of a core that a piece of background work has: after each few milliseconds of work it pauses. */
export class TimeShare {
  readonly #oneOf: () => number
  readonly #ended: AbortSignal
  readonly #mostPauseMs: number
  #sinceMs = performance.now()
  #pause: Promise<void> | undefined

  /** Gives one of `oneOf` parts of a core; a pause ends at once when `ended` is aborted. */
  constructor(oneOf: () => number, ended: AbortSignal, mostPauseMs = MOST_PAUSE_MS) {
    this.#oneOf = oneOf
    this.#ended = ended
    this.#mostPauseMs = mostPauseMs
  }

  /** Begins the count of work: what was done before was somebody else's. */
  begin(): void {
    this.#sinceMs = performance.now()
  }

  /** Pauses where enough was done since the last pause; called between two small steps. */
  async rest(): Promise<void> {
    const workMs = performance.now() - this.#sinceMs
    if (this.#pause === undefined && workMs < WORK_MS) return
    this.#pause ??= this.#pauseFor(Math.min(workMs * (this.#oneOf() - 1), this.#mostPauseMs))
    await this.#pause
  }

  async #pauseFor(ms: number): Promise<void> {
    try {
      await setTimeout(ms, undefined, { signal: this.#ended })
    } catch {
      // The end of the server: nothing more is to be waited for.
    }
    this.#pause = undefined
    this.#sinceMs = performance.now()
  }
}
