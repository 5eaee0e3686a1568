import { type FileHandle, open } from 'node:fs/promises'
import { isMissing } from '../errors.js'
import type { RangeReader } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'

/** A range of a file, piece by piece through two buffers: one is read into while the other is sent. */
export class FileRange implements RangeReader {
  readonly #file: FileHandle
  #at: number
  #to: number
  #buffer = Buffer.alloc(0)
  #other = Buffer.alloc(0)

  private constructor(file: FileHandle, { from, to }: { from: number; to: number }) {
    this.#file = file
    this.#at = from
    this.#to = to
  }

  /** Opens the file. Rejects with BytesFault where it is gone, and with the system's error. */
  static async open(path: string, range: { from: number; to: number }): Promise<FileRange> {
    const file = await open(path, 'r').catch((error: unknown) => {
      throw isMissing(error) ? new BytesFault('MISSING', 'the file is gone') : error
    })
    return new FileRange(file, range)
  }

  /** See RangeReader. */
  async next(mostBytes: number): Promise<Uint8Array | undefined> {
    const most = Math.min(mostBytes, this.#to - this.#at)
    if (most === 0) return undefined
    const piece = this.#other.length < most ? Buffer.allocUnsafeSlow(most) : this.#other
    this.#other = this.#buffer
    this.#buffer = piece
    const { bytesRead } = await this.#file.read(piece, 0, most, this.#at)
    this.#at += bytesRead
    return bytesRead === 0 ? undefined : piece.subarray(0, bytesRead)
  }

  /** See RangeReader. */
  goTo({ from, to }: { from: number; to: number }): void {
    this.#at = from
    this.#to = to
  }

  /** See RangeReader. */
  close(): Promise<void> {
    return this.#file.close()
  }
}
