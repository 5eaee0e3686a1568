/**
 * Flushes of folders. One that has not begun does for all that ask for it: eight small uploads that end together
 * share one. One that runs does for nobody else, because it may have begun before what is to be flushed.
 */
export class FolderFlushes {
  readonly #flush: (folder: string) => Promise<void>
  readonly #running = new Map<string, Promise<void>>()
  /** Flushes that begin when the one that runs is over. */
  readonly #due = new Map<string, Promise<void>>()

  /** `flush` flushes one folder. */
  constructor(flush: (folder: string) => Promise<void>) {
    this.#flush = flush
  }

  /** Resolves when what was done in a folder before this call is flushed. Rejects with the system's error. */
  flush(folder: string): Promise<void> {
    const due = this.#due.get(folder)
    if (due) return due
    const running = this.#running.get(folder)
    if (!running) return this.#begin(folder)
    const begin = (): Promise<void> => this.#begin(folder)
    const next = running.then(begin, begin)
    this.#due.set(folder, next)
    return next
  }

  #begin(folder: string): Promise<void> {
    this.#due.delete(folder)
    const flushed = this.#flush(folder).finally(() => this.#running.delete(folder))
    this.#running.set(folder, flushed)
    return flushed
  }
}
