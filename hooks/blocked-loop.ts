/** A block may seem longer by this time. */
const CHECKED_EVERY_MS = 5
const BLOCKED_FROM_MS = 50

/** Notices when the event loop stands still for more than 50 ms while hooks run. */
export class BlockedLoop {
  readonly #blocked: (blockedMs: number, names: readonly string[]) => void
  readonly #running = new Map<symbol, string>()
  /** Hooks that ran since the last check. */
  readonly #ran = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #checkedAt = 0

  /** `blocked` gets the milliseconds, and the names of the hooks that ran meanwhile: one of them blocked it. */
  constructor(blocked: (blockedMs: number, names: readonly string[]) => void) {
    this.#blocked = blocked
  }

  /** Watches from now until the returned function is called. */
  begin(name: string): () => void {
    const run = Symbol(name)
    if (this.#running.size === 0) this.#checkedAt = performance.now()
    this.#running.set(run, name)
    this.#ran.add(name)
    this.#timer ??= setInterval(() => this.#check(), CHECKED_EVERY_MS).unref()
    return () => {
      this.#check()
      this.#running.delete(run)
      if (this.#running.size === 0) this.close()
    }
  }

  /** Ends the watch. */
  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#ran.clear()
  }

  #check(): void {
    const now = performance.now()
    const blockedMs = Math.round(now - this.#checkedAt)
    this.#checkedAt = now
    if (blockedMs > BLOCKED_FROM_MS) this.#blocked(blockedMs, [...this.#ran])
    this.#ran.clear()
    for (const name of this.#running.values()) this.#ran.add(name)
  }
}
