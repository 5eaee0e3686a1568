import { setTimeout as pause } from 'node:timers/promises'

/** The pauses before each try but the first. */
const PAUSES_MS = [1_000, 5_000, 15_000, 60_000]
/** So much may wait at once. */
const MOST_WAITING = 1_000

/** Work that no answer waits for: it is done in the background, and again where it fails. */
export class Later {
  readonly #pausesMs: readonly number[]
  #waiting = 0

  /** Tests, which cannot wait for so long, give other pauses. */
  constructor(pausesMs: readonly number[] = PAUSES_MS) {
    this.#pausesMs = pausesMs
  }

  /**
   * Does `work`, in five tries over 80 seconds; the first one is made after `afterMs`. `lost` is called once, with the last
   * error, where none of them succeeds, or at once where too much waits already. Waiting for a try does not keep the process alive.
   */
  do(work: () => Promise<unknown>, lost: (error: unknown) => void, afterMs = 0): void {
    if (this.#waiting >= MOST_WAITING) {
      lost(new Error('too much waits for its turn'))
      return
    }
    this.#waiting += 1
    tried(work, [afterMs, ...this.#pausesMs])
      .catch(lost)
      .finally(() => {
        this.#waiting -= 1
      })
  }
}

async function tried(work: () => Promise<unknown>, pausesMs: readonly number[]): Promise<void> {
  let cause: unknown
  for (const pauseMs of pausesMs) {
    await pause(pauseMs, undefined, { ref: false })
    try {
      await work()
      return
    } catch (error) {
      cause = error
    }
  }
  throw cause
}
