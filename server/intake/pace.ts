const RATE_WINDOW_MS = 60_000

export interface PaceLimits {
  /** No bytes for so long are too few. */
  readonly idleTimeoutMs: number
  /** Fewer bytes than this in a minute are too few; 0 for no such limit. */
  readonly minRateBytesPerMinute: number
}

/**
 * Detects a sender that has stopped, or is too slow to keep a slot. Times are of a monotonic clock, in milliseconds.
 *
 * Times in which we do not read do not count, and they do not reset the clocks: a sender whose every byte makes us
 * pause for a moment would otherwise never be found slow.
 */
export class Pace {
  readonly #limits: PaceLimits
  #lastByteAtMs: number
  #windowSinceMs: number
  #windowBytes = 0
  #pausedAtMs: number | undefined

  constructor(limits: PaceLimits, nowMs: number) {
    this.#limits = limits
    this.#lastByteAtMs = this.#windowSinceMs = nowMs
  }

  /** Counts bytes that came. */
  add(bytes: number, nowMs: number): void {
    this.#lastByteAtMs = nowMs
    this.#windowBytes += bytes
  }

  /** We do not read from now on; a second call changes nothing. */
  pause(nowMs: number): void {
    this.#pausedAtMs ??= nowMs
  }

  /** We read again: the time since `pause` was not the sender's. */
  resume(nowMs: number): void {
    if (this.#pausedAtMs === undefined) return
    // Bytes may have come after the pause began: what had been read already.
    this.#lastByteAtMs += nowMs - Math.max(this.#pausedAtMs, this.#lastByteAtMs)
    this.#windowSinceMs += nowMs - this.#pausedAtMs
    this.#pausedAtMs = undefined
  }

  /** What is wrong with the sender's pace now, if anything is; nothing is while we do not read. */
  fault(nowMs: number): 'idle' | 'slow' | undefined {
    if (this.#pausedAtMs !== undefined) return undefined
    if (nowMs - this.#lastByteAtMs >= this.#limits.idleTimeoutMs) return 'idle'
    if (nowMs - this.#windowSinceMs < RATE_WINDOW_MS) return undefined
    if (this.#windowBytes < this.#limits.minRateBytesPerMinute) return 'slow'
    this.#windowSinceMs = nowMs
    this.#windowBytes = 0
    return undefined
  }
}
