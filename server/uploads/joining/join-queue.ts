/** So many final uploads are joined at once; a short one need not wait for a long one. */
const JOINED_AT_ONCE = 4
/** Joinings whose end somebody may await; the others are known by their ids alone. */
const MOST_AWAITED = 64

interface Awaited {
  resolve(): void
  reject(error: unknown): void
}

/**
 * The final uploads that are to be joined, in order. Only ids wait: a thousand final uploads with their lists
 * of parts would fill the memory.
 */
export class JoinQueue {
  readonly #join: (id: string) => Promise<void>
  readonly #waiting = new Map<string, Awaited | null>()
  readonly #running = new Set<string>()
  #awaited = 0

  /** `join` joins one final upload. */
  constructor(join: (id: string) => Promise<void>) {
    this.#join = join
  }

  /** Tells whether a final upload waits for its turn, or is being joined. */
  has(id: string): boolean {
    return this.#waiting.has(id) || this.#running.has(id)
  }

  /** Tells whether a final upload waits for its turn. */
  isWaiting(id: string): boolean {
    return this.#waiting.has(id)
  }

  /** Enters a final upload. The promise settles as its joining does; null where too many are awaited already. */
  add(id: string): Promise<void> | null {
    const isAwaited = this.#awaited < MOST_AWAITED
    const joining = isAwaited
      ? new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
      : null
    if (isAwaited) this.#awaited += 1
    else this.#waiting.set(id, null)
    // Whoever made the final upload may not be there any more; `join` has logged what went wrong.
    joining?.catch(() => {})
    this.#next()
    return joining
  }

  /** Empties the queue, because the server ends; what runs goes on. */
  clear(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const awaited of waiting) this.#release(awaited)
  }

  #next(): void {
    for (const [id, awaited] of this.#waiting) {
      if (this.#running.size >= JOINED_AT_ONCE) return
      this.#waiting.delete(id)
      this.#running.add(id)
      const over = (): void => void this.#running.delete(id)
      this.#join(id)
        .finally(over)
        .then(
          () => this.#release(awaited),
          (error: unknown) => this.#release(awaited, error),
        )
        .finally(() => this.#next())
    }
  }

  #release(awaited: Awaited | null, error?: unknown): void {
    if (!awaited) return
    this.#awaited -= 1
    if (error === undefined) awaited.resolve()
    else awaited.reject(error)
  }
}
