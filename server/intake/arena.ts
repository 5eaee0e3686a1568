/**
 * The memory for file bytes: one SharedArrayBuffer cut into blocks, shared with the digest worker.
 *
 *   ┌───────┬───────┬───────┬─ ─ ─┬───────┐
 *   │ block │ block │ block │     │ block │   taken by an intake, filled from its socket,
 *   └───────┴───────┴───────┴─ ─ ─┴───────┘   written and digested by the worker, given back
 *
 * Its size is the limit: whoever finds no free block waits in order and does not read its socket.
 */
export class Arena {
  readonly blockBytes: number
  readonly blocks: number
  readonly shared: SharedArrayBuffer
  readonly #bytes: Buffer
  readonly #free: number[]
  readonly #waiting = new Set<() => void>()

  constructor(size: { blocks: number; blockBytes: number }) {
    this.blocks = size.blocks
    this.blockBytes = size.blockBytes
    this.shared = new SharedArrayBuffer(size.blocks * size.blockBytes)
    this.#bytes = Buffer.from(this.shared)
    // Handed out from the end, so that a quiet server touches the first blocks only.
    this.#free = Array.from({ length: size.blocks }, (_, i) => size.blocks - 1 - i)
  }

  /** How many blocks are free now. */
  get free(): number {
    return this.#free.length
  }

  /** The index of a block that is the caller's until it is given back; undefined where none is free. */
  take(): number | undefined {
    return this.#free.pop()
  }

  /** Gives a block back and wakes whoever has waited longest. */
  give(index: number): void {
    if (this.#free.includes(index)) throw new Error(`block ${index} was given back twice`)
    this.#free.push(index)
    const [first] = this.#waiting
    if (first === undefined) return
    this.#waiting.delete(first)
    first()
  }

  /** Calls `wake` once, in order of asking, when a block has been given back. Returns how to take that back. */
  whenFree(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }

  /** Copies `chunk`, which is not empty and fits, into a block from byte `at` on. */
  fill(index: number, at: number, chunk: Uint8Array): void {
    const start = index * this.blockBytes + at
    // fill copies as memcpy does; set and copy go word by word into shared memory and take four times as long.
    this.#bytes.fill(chunk, start, start + chunk.length)
  }

  /** The first `length` bytes of a block, as a view. */
  view(index: number, length: number): Uint8Array {
    return this.#bytes.subarray(index * this.blockBytes, index * this.blockBytes + length)
  }
}
