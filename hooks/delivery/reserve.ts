import { randomBytes } from 'node:crypto'
import { rm, stat, statfs, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCodeOf } from '../../server/errors.js'

const RESERVE_BYTES = 1024 * 1024
/** It is made only where so many times as much is free. */
const FREE_TIMES = 4
const FILL_AGAIN_MS = 60_000

/**
 * Room on the disk that is kept for events: a file that goes when the disk is full. So an event is written then too, and
 * waits in memory only where all of that room is taken.
 */
export class Reserve {
  readonly #path: string
  #isThere = false
  /** How often the file was removed. */
  #given = 0
  /** It is being removed; those that come meanwhile wait for that too. */
  #giving: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  private constructor(path: string) {
    this.#path = path
  }

  /** Makes the file, unless it is there or has no room. Never rejects. */
  static async open(path: string): Promise<Reserve> {
    const reserve = new Reserve(path)
    const left = await stat(path).catch(() => null)
    // The disk may have become full since the process before made it.
    reserve.#isThere = left !== null && left.size >= RESERVE_BYTES
    if (!reserve.#isThere) await reserve.#fill()
    return reserve
  }

  /** Does `work`; where the disk is full the file goes, and `work` is done again. Rejects as `work` does. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const givenBefore = this.#given
    try {
      return await work()
    } catch (error) {
      if (!isFull(error)) throw error
      // Another event may have had the file removed since.
      if (!this.#isThere && this.#given === givenBefore) throw error
      if (this.#isThere) this.#giving ??= this.#give()
      await this.#giving
      return work()
    }
  }

  /** Makes no file any more. */
  close(): void {
    clearTimeout(this.#timer)
  }

  async #give(): Promise<void> {
    await unlink(this.#path).catch(() => {})
    this.#isThere = false
    this.#given += 1
    this.#giving = undefined
    this.#fillLater()
  }

  #fillLater(): void {
    this.#timer = setTimeout(() => void this.#fill(), FILL_AGAIN_MS).unref()
  }

  async #fill(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(dirname(this.#path))
      if (bavail * bsize < FREE_TIMES * RESERVE_BYTES) return this.#fillLater()
      // Not zeros: some file systems give those no room.
      await writeFile(this.#path, randomBytes(RESERVE_BYTES), { mode: 0o600 })
      this.#isThere = true
    } catch {
      await rm(this.#path, { force: true }).catch(() => {})
      this.#fillLater()
    }
  }
}

function isFull(error: unknown): boolean {
  const code = systemCodeOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
