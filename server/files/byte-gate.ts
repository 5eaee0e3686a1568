/**
 * Lets work through in order while what is under way has less than so many bytes. What waits is a function, and
 * makes its bytes when it is its turn: the bytes of everything under way are at most the limit and one piece more.
 */
export class ByteGate {
  readonly #mostBytes: number
  readonly #waiting = new Set<() => void>()
  #bytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** Bytes under way. */
  get bytes(): number {
    return this.#bytes
  }

  /** Runs `work` on what `make` gives when it is its turn. Settles as `work` does; rejects with what `make` throws. */
  async run<T>(make: () => string, work: (text: string) => Promise<T>): Promise<T> {
    if (this.#bytes >= this.#mostBytes || this.#waiting.size > 0) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    // At least one, so that texts without bytes cannot pass without bound.
    let bytes = 1
    this.#bytes += bytes
    try {
      const text = make()
      this.#bytes += text.length
      bytes += text.length
      this.#wake()
      return await work(text)
    } finally {
      this.#bytes -= bytes
      this.#wake()
    }
  }

  #wake(): void {
    const [first] = this.#waiting
    if (first === undefined || this.#bytes >= this.#mostBytes) return
    this.#waiting.delete(first)
    first()
  }
}
