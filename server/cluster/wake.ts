/** Lets many wait for one signal, or until a time is over. */
export class Wake {
  readonly #sleepers = new Set<() => void>()
  #times = 0

  /** How often all were woken. */
  get times(): number {
    return this.#times
  }

  /** Wakes all. */
  all(): void {
    this.#times += 1
    for (const wake of [...this.#sleepers]) wake()
  }

  /**
   * Resolves when all are woken, after `ms` milliseconds, or when `gone` aborts.
   *
   * @param since `times` before the caller looked for what it sleeps for: what has happened meanwhile is not missed
   */
  sleep(ms: number, gone?: AbortSignal, since = this.#times): Promise<void> {
    return new Promise((resolve) => {
      if (gone?.aborted || since !== this.#times) return resolve()
      const wake = (): void => {
        clearTimeout(timer)
        gone?.removeEventListener('abort', wake)
        this.#sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      gone?.addEventListener('abort', wake)
      this.#sleepers.add(wake)
    })
  }
}
