import { statfs } from 'node:fs/promises'

const FRESH_MS = 1_000

/** How much room the data folder's disk has, asked at most once a second. */
export class Disk {
  readonly #folder: string
  readonly #minFreeBytes: number
  readonly #monotonic: () => number
  #freeBytes = Number.MAX_SAFE_INTEGER
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined

  constructor(options: { folder: string; minFreeBytes: number; monotonic: () => number }) {
    this.#folder = options.folder
    this.#minFreeBytes = options.minFreeBytes
    this.#monotonic = options.monotonic
  }

  /** Free bytes as last seen. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Asks the system unless it was asked within the last second. Rejects with its error. */
  async refresh(): Promise<void> {
    if (this.#monotonic() - this.#askedAt < FRESH_MS) return
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Tells whether less than `--min-free` is free, as of the last second, or would be after `addedBytes` more. */
  async isFull(addedBytes = 0): Promise<boolean> {
    await this.refresh()
    return this.#freeBytes - addedBytes < this.#minFreeBytes
  }

  async #ask(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder)
    this.#freeBytes = bavail * bsize
    this.#askedAt = this.#monotonic()
  }
}
