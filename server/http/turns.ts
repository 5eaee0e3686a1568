/** How many requests that wait for their turn are begun before everything else that is ready has its own. */
const MOST_AT_ONCE = 8
/** How many heads, of all connections together, are parsed in one turn of the event loop. */
const HEADS_A_TURN = 16

/**
 * Requests take turns here, in order of their coming and a few at a time: between two rounds the event loop serves
 * all other connections. So a body goes on being read while hundreds of connections send requests.
 */
export class Turns {
  #waiting: Array<() => void> = []
  #isPlanned = false
  #heads = 0

  /** Calls `begin` later, in its turn. */
  take(begin: () => void): void {
    this.#waiting.push(begin)
    this.#plan()
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
      const now = this.#waiting.splice(0, MOST_AT_ONCE)
      if (this.#waiting.length > 0) this.#plan()
      for (const begin of now) begin()
    })
  }
}
