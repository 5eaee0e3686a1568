import { statfs } from 'node:fs/promises'

const FRESH_MS = 1_000
/** `--min-free` keeps as many inodes as a file system of ext4's usual kind has for so many bytes: one for 16 KiB. */
const BYTES_AN_INODE = 16 * 1024
/** But at most this part of all inodes, for file systems that have few, and at least what ten uploads need to end. */
const MOST_INODES_KEPT = 1 / 20
const LEAST_INODES_KEPT = 16

/** How much room the data folder's disk has, asked at most once a second. */
export class Disk {
  readonly #folder: string
  readonly #minFreeBytes: number
  readonly #monotonic: () => number
  #freeBytes = Number.MAX_SAFE_INTEGER
  #freeInodes: number | null = null
  #keptInodes = 0
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined

  /** `monotonic` gives milliseconds of a monotonic clock. */
  constructor(options: { folder: string; minFreeBytes: number; monotonic: () => number }) {
    this.#folder = options.folder
    this.#minFreeBytes = options.minFreeBytes
    this.#monotonic = options.monotonic
  }

  /** Free bytes as last seen. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Free inodes as last seen; null where the file system makes them as it needs them. */
  get freeInodes(): number | null {
    return this.#freeInodes
  }

  /** Asks the system unless it was asked within the last second. Rejects with its error. */
  async refresh(): Promise<void> {
    if (this.#monotonic() - this.#askedAt < FRESH_MS) return
    return this.#askNow()
  }

  /** One question at a time does for all that ask. */
  #askNow(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /**
   * Tells whether less than `--min-free` is free, as of the last second, or would be after `addedBytes` more.
   * Inodes count where files are to be added: a body that runs needs none.
   */
  async isFull(addedBytes = 0, addedFiles = 0): Promise<boolean> {
    await this.refresh()
    if (!this.#lacks(addedBytes, addedFiles)) return false
    if (addedBytes === 0 && addedFiles === 0) return true
    // Nobody is turned away for what was true a second ago.
    await this.#askNow()
    return this.#lacks(addedBytes, addedFiles)
  }

  #lacks(addedBytes: number, addedFiles: number): boolean {
    if (this.#freeBytes - addedBytes < this.#minFreeBytes) return true
    if (addedFiles === 0 || this.#freeInodes === null) return false
    return this.#freeInodes - addedFiles < this.#keptInodes
  }

  async #ask(): Promise<void> {
    const { bavail, bsize, files, ffree } = await statfs(this.#folder)
    this.#freeBytes = bavail * bsize
    this.#freeInodes = files === 0 ? null : ffree
    const kept = Math.min(this.#minFreeBytes / BYTES_AN_INODE, files * MOST_INODES_KEPT)
    this.#keptInodes = Math.max(LEAST_INODES_KEPT, kept)
    this.#askedAt = this.#monotonic()
  }
}
