/** Work on one thing at a time for each key, in the order in which it was asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  /** Does `work` when what was asked for before is over, and settles as it does. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work)
    const over = turn.then(
      () => {},
      () => {},
    )
    this.#last.set(key, over)
    try {
      return await turn
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key)
    }
  }

  /** Resolves when everything that was asked for so far is over. */
  async idle(): Promise<void> {
    await Promise.all(this.#last.values())
  }
}
