import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'

/** What is kept of the input, so that it can be sent again after a broken connection. */
export const CHUNK_BYTES = 8 * 1024 * 1024
/** An input that brings bytes slowly is sent on after so long. */
const GATHER_MS = 2_000

/**
 * Input whose end is not known, such as a pipe. tus-js-client gets it in chunks, of which the last one is kept, and
 * each byte is digested as it is read.
 */
export class HashedStream {
  /** Not known; tus-js-client does not ask for it where the length is deferred. */
  readonly size = Number.NaN
  readonly #input: Readable
  readonly #pieces: AsyncIterator<unknown>
  readonly #hash = createHash('sha256')
  readonly #onFault: (error: unknown) => void
  /** A read that is under way. */
  #reading: Promise<IteratorResult<unknown>> | undefined
  /** The bytes from `#from` on that may be sent again. */
  #kept: Buffer = Buffer.alloc(0)
  #from = 0
  #isOver = false

  /** `onFault` gets what fails while the input is read: tus-js-client would try again. */
  constructor(input: Readable, onFault: (error: unknown) => void) {
    this.#input = input
    this.#pieces = input[Symbol.asyncIterator]()
    this.#onFault = onFault
  }

  /** For tus-js-client: the bytes from `start` on, about as many as before `end`, as a stream with a size. */
  async slice(start: number, end: number): Promise<{ value: Readable; done: boolean }> {
    try {
      const passed = start - this.#from
      if (passed < 0 || passed > this.#kept.length) throw new Error('the server has lost bytes of the input')
      this.#kept = this.#kept.subarray(passed)
      this.#from = start
      if (this.#kept.length === 0) this.#kept = await this.#gather(end - start)
    } catch (error) {
      this.#onFault(error)
      throw error
    }
    const value = Readable.from([this.#kept], { objectMode: false })
    return { value: Object.assign(value, { size: this.#kept.length }), done: this.#isOver }
  }

  /** For tus-js-client; the input stays open. */
  close(): void {}

  /** The SHA-256 of all that was read, Base64. */
  async digest(): Promise<string> {
    return this.#hash.copy().digest('base64')
  }

  /** Reads no more of the input. */
  async end(): Promise<void> {
    this.#input.destroy()
  }

  async #gather(mostBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    const late = new AbortController()
    let isLate: Promise<'late'> | undefined
    try {
      for (let bytes = 0; bytes < mostBytes; ) {
        this.#reading ??= this.#pieces.next()
        const next = await (isLate ? Promise.race([this.#reading, isLate]) : this.#reading)
        if (next === 'late') break
        this.#reading = undefined
        this.#isOver = next.done === true
        if (this.#isOver) break
        const piece = Buffer.from(next.value as Uint8Array)
        this.#hash.update(piece)
        pieces.push(piece)
        bytes += piece.length
        isLate ??= setTimeout(GATHER_MS, 'late' as const, { signal: late.signal })
      }
      return Buffer.concat(pieces)
    } finally {
      isLate?.catch(() => {})
      late.abort()
    }
  }
}
