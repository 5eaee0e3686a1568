/** Lets many wait for one signal, or until a time is over. */
export class Wake {
  readonly #sleepers = new Set<() => void>()

  /** Wakes all. */
  all(): void {
    for (const wake of [...this.#sleepers]) wake()
  }

  /** Resolves when all are woken, after `ms` milliseconds, or when `gone` aborts. */
  sleep(ms: number, gone?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (gone?.aborted) return resolve()
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
