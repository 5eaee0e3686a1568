import { setTimeout } from 'node:timers/promises'

/** Keeps reading below so many bytes a second. */
export class Pace {
  readonly #bytesPerSecond: number
  readonly #signal: AbortSignal
  /** When the bytes so far may have been read; milliseconds of a monotonic clock. */
  #dueMs = performance.now()

  /** Infinity sets no limit. */
  constructor(bytesPerSecond: number, signal: AbortSignal) {
    this.#bytesPerSecond = bytesPerSecond
    this.#signal = signal
  }

  /** How many bytes are to be read at once. */
  get pieceBytes(): number {
    return Math.max(1_024, Math.min(256 * 1_024, Math.ceil(this.#bytesPerSecond / 4)))
  }

  /** The signal has come: nothing more is read. */
  get isOver(): boolean {
    return this.#signal.aborted
  }

  /** Waits until so many bytes more may be read. Rejects at the signal. */
  async take(bytes: number): Promise<void> {
    this.#signal.throwIfAborted()
    const nowMs = performance.now()
    // Time in which nothing was read is not made up for.
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (bytes * 1_000) / this.#bytesPerSecond
    const waitMs = this.#dueMs - nowMs
    if (waitMs >= 1) await setTimeout(waitMs, undefined, { signal: this.#signal })
  }
}
