import { createHash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'

const PIECE_BYTES = 256 * 1024

/** The file is not as it was when the upload began. */
export class FileChangedError extends Error {
  constructor() {
    super('the file was changed while it was uploaded')
  }
}

/**
 * A file that tus-js-client reads, piece by piece, and whose SHA-256 is computed meanwhile. Each byte is digested
 * once: what is sent again is not, and what the server has from before is read for the digest alone.
 */
export class HashedFile {
  readonly size: number
  /** What tells this content from another: size and time of the last change. */
  readonly fingerprint: string
  readonly #path: string
  readonly #inode: bigint
  readonly #file: FileHandle
  readonly #hash = createHash('sha256')
  readonly #onFault: (error: unknown) => void
  #hashedTo = 0
  #body: Readable | undefined

  private constructor(path: string, file: FileHandle, found: BigIntStats, onFault: (error: unknown) => void) {
    this.#path = path
    this.#inode = found.ino
    this.#file = file
    this.#onFault = onFault
    this.size = Number(found.size)
    this.fingerprint = fingerprintOf(found)
  }

  /** `onFault` gets what fails while a body is read: tus-js-client does not hear of it. Rejects with the system's error. */
  static async open(path: string, onFault: (error: unknown) => void): Promise<HashedFile> {
    const file = await open(path, 'r')
    try {
      return new HashedFile(path, file, await file.stat({ bigint: true }), onFault)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** For tus-js-client: the bytes from `start` on, before `end`, as a stream with a size. */
  async slice(start: number, end: number): Promise<{ value: Readable; done: boolean }> {
    this.#body?.destroy()
    try {
      // Before the request is sent: a server ends a request whose body does not come.
      await this.#hashTo(start)
    } catch (error) {
      this.#onFault(error)
      throw error
    }
    const to = Math.min(end, this.size)
    const body = Readable.from(this.#pieces(start, to), { objectMode: false, highWaterMark: PIECE_BYTES })
    body.on('error', this.#onFault)
    this.#body = body
    return { value: Object.assign(body, { size: to - start }), done: to >= this.size }
  }

  /** For tus-js-client; the file stays open for the digest. */
  close(): void {
    this.#body?.destroy()
  }

  /**
   * The SHA-256 of the whole file, Base64; reads what was not read for a body. Rejects where the file is not as it was at
   * the beginning, and at the signal.
   */
  async digest(signal: AbortSignal): Promise<string> {
    await this.#hashTo(this.size, signal)
    const now = await stat(this.#path, { bigint: true })
    if (fingerprintOf(now) !== this.fingerprint || now.ino !== this.#inode) throw new FileChangedError()
    return this.#hash.copy().digest('base64')
  }

  /** Closes the file. */
  async end(): Promise<void> {
    this.#body?.destroy()
    await this.#file.close()
  }

  async #hashTo(offset: number, signal?: AbortSignal): Promise<void> {
    if (this.#hashedTo >= offset) return
    // Reading digests them.
    for await (const _ of this.#pieces(this.#hashedTo, offset)) signal?.throwIfAborted()
  }

  async *#pieces(from: number, to: number): AsyncGenerator<Buffer> {
    for (let at = from; at < to; ) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, to - at))
      const { bytesRead } = await this.#file.read(piece, 0, piece.length, at)
      if (bytesRead === 0) throw new FileChangedError()
      const bytes = piece.subarray(0, bytesRead)
      this.#digest(bytes, at)
      at += bytesRead
      yield bytes
    }
  }

  #digest(bytes: Buffer, at: number): void {
    const end = at + bytes.length
    if (at > this.#hashedTo || end <= this.#hashedTo) return
    this.#hash.update(bytes.subarray(this.#hashedTo - at))
    this.#hashedTo = end
  }
}

function fingerprintOf({ size, mtimeNs }: BigIntStats): string {
  return `${size} ${mtimeNs}`
}
