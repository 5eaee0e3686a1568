import type { RangeReader } from '../model/engine.js'

const NOTHING = new Uint8Array(0)

interface Range {
  readonly from: number
  readonly to: number
}

/** Reads ranges of what is stored, as the pieces come from S3: no more than one is in memory, beside the connection's own. */
export class StoredRange implements RangeReader {
  readonly #bytesOf: (range: Range) => AsyncGenerator<Buffer>
  readonly #closed: () => void
  #range: Range
  #pieces: AsyncGenerator<Buffer> | undefined
  #rest: Uint8Array = NOTHING

  /** `closed` is called once, by `close`. */
  constructor(range: Range, bytesOf: (range: Range) => AsyncGenerator<Buffer>, closed: () => void) {
    this.#range = range
    this.#bytesOf = bytesOf
    this.#closed = closed
  }

  /** See RangeReader. */
  async next(mostBytes: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      this.#pieces ??= this.#bytesOf(this.#range)
      const { value, done } = await this.#pieces.next()
      if (done) return undefined
      this.#rest = value
    }
    const piece = this.#rest.subarray(0, mostBytes)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  /** See RangeReader. What still came of the range before is left to end by itself. */
  goTo(range: Range): void {
    const before = this.#pieces
    this.#pieces = undefined
    this.#rest = NOTHING
    this.#range = range
    // Ends its connection. It cannot fail in a way that matters any more.
    before?.return(undefined).catch(() => {})
  }

  /** See RangeReader. */
  async close(): Promise<void> {
    this.goTo({ from: 0, to: 0 })
    this.#closed()
  }
}
