/** How many requests that wait for their turn are begun before everything else that is ready has its own. */
const MOST_AT_ONCE = 8
/** How many heads, of all connections together, are parsed in one turn of the event loop. */
const HEADS_A_TURN = 16

/**
 * Requests take turns here, in order of their coming and a few at a time: between two rounds the event loop serves
 * all other connections. So a body goes on being read while hundreds of connections send requests.
 */
export class Turns {
  readonly #waiting = new Map<object, () => void>()
  #isPlanned = false
  #heads = 0

  /** Calls `begin` later, in the turn of `who`, who can wait for one turn at a time. */
  take(who: object, begin: () => void): void {
    if (!this.#waiting.has(who)) this.#waiting.set(who, begin)
    this.#plan()
  }

  /** Nothing of `who` is called any more: connections may come and go faster than turns do. */
  leave(who: object): void {
    this.#waiting.delete(who)
  }

  /** Returns true where one more head may be parsed now; false where its connection has to take a turn first. */
  mayParse(): boolean {
    if (this.#heads >= HEADS_A_TURN) return false
    this.#heads += 1
    this.#plan()
    return true
  }

  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      this.#heads = 0
      const now = this.#next()
      if (this.#waiting.size > 0) this.#plan()
      for (const begin of now) begin()
    })
  }

  #next(): Array<() => void> {
    const next: Array<() => void> = []
    for (const [who, begin] of this.#waiting) {
      if (next.length === MOST_AT_ONCE) break
      this.#waiting.delete(who)
      next.push(begin)
    }
    return next
  }
}
