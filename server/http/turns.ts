/** How many pipelined requests are begun before everything else that is ready has its turn. */
const MOST_AT_ONCE = 8

/**
 * Requests that were pipelined begin here, in order of their coming and a few at a time: between two rounds the
 * event loop serves all other connections.
 */
export class Turns {
  #waiting: Array<() => void> = []
  #isPlanned = false

  /** Calls `begin` later, in its turn. */
  take(begin: () => void): void {
    this.#waiting.push(begin)
    this.#plan()
  }

  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      const now = this.#waiting.splice(0, MOST_AT_ONCE)
      if (this.#waiting.length > 0) this.#plan()
      for (const begin of now) begin()
    })
  }
}
