/** A flush that ends within this time costs less in this thread than the waking of another one for it. */
const QUICK_MS = 0.5
/** After a slower one the thread waits for none for so many times as long: for at most 1 % of the time. */
const REST_TIMES = 100

/**
 * Flushes of little. While the disk is quick the thread does them itself; otherwise they run beside its other work, so
 * that no other upload waits for the disk.
 */
export class SmallFlushes {
  readonly #monotonic: () => number
  #slowUntilMs = Number.NEGATIVE_INFINITY

  /** `monotonic` is in milliseconds. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Flushes by `here`, or by `beside` while the disk is slow. Settles as the one it calls. */
  async run(here: () => void, beside: () => Promise<void>): Promise<void> {
    const startedAt = this.#monotonic()
    if (startedAt < this.#slowUntilMs) return beside()
    try {
      here()
    } finally {
      const endedAt = this.#monotonic()
      const tookMs = endedAt - startedAt
      if (tookMs > QUICK_MS) this.#slowUntilMs = endedAt + tookMs * REST_TIMES
    }
  }
}
