/** Work in the background, so much of it at once. Once some has failed, nothing that waits is begun any more. */
export class Parallel {
  readonly #most: number
  #waiting: (() => Promise<void>)[] = []
  #running = 0
  #failure: { readonly error: unknown } | undefined
  #idle: (() => void)[] = []

  /** @param most how much runs at once */
  constructor(most: number) {
    this.#most = most
  }

  /** Begins work, now or when it is its turn. */
  start(work: () => Promise<void>): void {
    if (this.#failure) return
    this.#waiting.push(work)
    this.#next()
  }

  /** Throws what the first work that failed has thrown. */
  check(): void {
    if (this.#failure) throw this.#failure.error
  }

  /** Resolves when nothing runs and nothing waits. Rejects as the first work that failed did. */
  async done(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    this.check()
  }

  /** Resolves when nothing runs; what waits is not begun. */
  async stop(): Promise<void> {
    this.#failure ??= { error: new Error('stopped') }
    this.#waiting = []
    await this.done().catch(() => {})
  }

  #next(): void {
    while (this.#running < this.#most) {
      const work = this.#waiting.shift()
      if (!work) break
      this.#running += 1
      work()
        .catch((error: unknown) => {
          this.#failure ??= { error }
          this.#waiting = []
        })
        .finally(() => this.#ended())
    }
  }

  #ended(): void {
    this.#running -= 1
    this.#next()
    if (this.#running > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
