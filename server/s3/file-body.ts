import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { BytesFault } from '../model/engine-error.js'

/** Bytes of a file, from one place to another. */
export interface FileRange {
  readonly path: string
  readonly from: number
  readonly to: number
}

const PIECE_BYTES = 256 * 1024

/**
 * Bytes of files, one behind the other. A piece is good until the next one is asked for: two buffers serve for all of
 * them. Fails with BytesFault where a file has fewer bytes, and with the system's error.
 */
export async function* piecesOf(ranges: readonly FileRange[]): AsyncGenerator<Buffer> {
  const reader = new Reader(ranges)
  const [first, second] = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)]
  let [next, free] = [reader.read(first), second]
  try {
    for (let piece = await next; piece.length > 0; piece = await next) {
      next = reader.read(free)
      // The loop or `finally` awaits it. This only keeps it from counting as unhandled.
      next.catch(() => {})
      yield piece
      free = free === first ? second : first
    }
  } finally {
    await next.catch(() => {})
    await reader.close()
  }
}

/**
 * Bytes of files as the body of a request. The SDK pipes it into the request; see `pipe`. With a new buffer for each piece,
 * V8 collects all of the heap after every 20 MB, and the process needs twice the time.
 */
export class FileBody extends Readable {
  readonly #pieces: AsyncGenerator<Buffer>

  constructor(ranges: readonly FileRange[]) {
    super({ highWaterMark: PIECE_BYTES })
    this.#pieces = piecesOf(ranges)
  }

  /** Writes all bytes to `destination`, and ends it. A buffer is used again once the destination says that it is done with it. */
  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    this.#writeTo(destination).catch((error) => this.destroy(error))
    return destination
  }

  /** For whoever reads it in another way, each piece is a copy. */
  override _read(): void {
    this.#pieces.next().then(
      ({ done, value }) => this.push(done ? null : Buffer.from(value)),
      (error) => this.destroy(error),
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const closed = this.#pieces.return(undefined)
    closed.then(
      () => done(error),
      () => done(error),
    )
  }

  /** Rejects where the files cannot be read. Errors of the destination are not reported here: the request emits them. */
  async #writeTo(destination: NodeJS.WritableStream): Promise<void> {
    for await (const piece of this.#pieces) {
      const isWritten = await new Promise<boolean>((resolve) => {
        destination.write(piece, (error) => resolve(!error))
      })
      if (!isWritten) return
    }
    if (this.destroyed) return
    destination.end()
    // For those who wait for the end of the stream.
    this.push(null)
    this.resume()
  }
}

/** Reads ranges of files into buffers. One call at a time. */
class Reader {
  readonly #ranges: FileRange[]
  #file: FileHandle | undefined
  #at = 0

  constructor(ranges: readonly FileRange[]) {
    this.#ranges = ranges.filter(({ from, to }) => to > from)
  }

  /** The next bytes, in `buffer`; none behind the last one. */
  async read(buffer: Buffer): Promise<Buffer> {
    const [range] = this.#ranges
    if (!range) return buffer.subarray(0, 0)
    if (!this.#file) {
      this.#file = await open(range.path, 'r')
      this.#at = range.from
    }
    const most = Math.min(buffer.length, range.to - this.#at)
    const { bytesRead } = await this.#file.read(buffer, 0, most, this.#at)
    if (bytesRead === 0) throw new BytesFault('DAMAGED', 'bytes in the scratch folder are gone')
    this.#at += bytesRead
    if (this.#at === range.to) {
      this.#ranges.shift()
      await this.close()
    }
    return buffer.subarray(0, bytesRead)
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
