import { type FileHandle, open } from 'node:fs/promises'
import { isMissing } from '../errors.js'
import type { RangeReader } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'

const PIECE_BYTES = 64 * 1024

/** A range of a file, piece by piece through one buffer. */
export class FileRange implements RangeReader {
  readonly #file: FileHandle
  readonly #to: number
  readonly #piece: Buffer
  #at: number

  private constructor(file: FileHandle, { from, to }: { from: number; to: number }) {
    this.#file = file
    this.#at = from
    this.#to = to
    this.#piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, to - from))
  }

  /** Opens the file. Rejects with BytesFault where it is gone, and with the system's error. */
  static async open(path: string, range: { from: number; to: number }): Promise<FileRange> {
    const file = await open(path, 'r').catch((error: unknown) => {
      throw isMissing(error) ? new BytesFault('MISSING', 'the file is gone') : error
    })
    return new FileRange(file, range)
  }

  /** See RangeReader. */
  async next(): Promise<Uint8Array | undefined> {
    const most = Math.min(this.#piece.length, this.#to - this.#at)
    if (most === 0) return undefined
    const { bytesRead } = await this.#file.read(this.#piece, 0, most, this.#at)
    this.#at += bytesRead
    return bytesRead === 0 ? undefined : this.#piece.subarray(0, bytesRead)
  }

  /** See RangeReader. */
  close(): Promise<void> {
    return this.#file.close()
  }
}
