const WINDOW_MS = 2_000

/** The speed of an upload over the last two to four seconds; times are of a monotonic clock. */
export class Rate {
  #since = Number.NEGATIVE_INFINITY
  #bytes = 0
  #earlier = { bytes: 0, ms: 0 }

  /** Counts bytes that arrived at `nowMs`. */
  add(bytes: number, nowMs: number): void {
    this.#roll(nowMs)
    this.#bytes += bytes
  }

  /** Bytes a second. */
  perSecond(nowMs: number): number {
    this.#roll(nowMs)
    const ms = nowMs - this.#since + this.#earlier.ms
    return ms === 0 ? 0 : Math.round(((this.#bytes + this.#earlier.bytes) * 1000) / ms)
  }

  #roll(nowMs: number): void {
    const ms = nowMs - this.#since
    if (ms < WINDOW_MS) return
    this.#earlier = ms < 2 * WINDOW_MS ? { bytes: this.#bytes, ms } : { bytes: 0, ms: 0 }
    this.#since = nowMs
    this.#bytes = 0
  }
}
