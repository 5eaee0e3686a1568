const RATE_WINDOW_MS = 60_000

export interface PaceLimits {
  /** No bytes for so long are too few. */
  readonly idleTimeoutMs: number
  /** Fewer bytes than this in a minute are too few; 0 for no such limit. */
  readonly minRateBytesPerMinute: number
}

/** Tells a sender that has stopped, or is too slow to keep a slot. */
export class Pace {
  readonly #limits: PaceLimits
  #lastByteAtMs: number
  #windowSinceMs: number
  #windowBytes = 0

  constructor(limits: PaceLimits, nowMs: number) {
    this.#limits = limits
    this.#lastByteAtMs = this.#windowSinceMs = nowMs
  }

  /** Counts bytes that came. */
  add(bytes: number, nowMs: number): void {
    this.#lastByteAtMs = nowMs
    this.#windowBytes += bytes
  }

  /** Begins anew: we did not read, so neither silence nor slowness was the sender's. */
  forgive(nowMs: number): void {
    this.#lastByteAtMs = this.#windowSinceMs = nowMs
    this.#windowBytes = 0
  }

  /** What is wrong with the sender's pace now, if anything is. */
  fault(nowMs: number): 'idle' | 'slow' | undefined {
    if (nowMs - this.#lastByteAtMs >= this.#limits.idleTimeoutMs) return 'idle'
    if (nowMs - this.#windowSinceMs < RATE_WINDOW_MS) return undefined
    if (this.#windowBytes < this.#limits.minRateBytesPerMinute) return 'slow'
    this.#windowSinceMs = nowMs
    this.#windowBytes = 0
    return undefined
  }
}
