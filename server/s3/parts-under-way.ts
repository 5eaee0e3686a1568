import type { Readable } from 'node:stream'
import type { SavedDigest } from '../model/saved-digest.js'
import type { S3Bucket } from './bucket.js'
import type { Entry } from './entry.js'
import type { Multipart, Tail } from './ledger.js'

/** A part to be sent. */
export interface SentPart {
  readonly multipart: Multipart
  readonly bytes: number
  /** A stream of its bytes, for each try. */
  readonly stream: () => Readable
  /** The state of the digest that is stored with it. */
  readonly digest: SavedDigest | undefined
}

interface UnderWay {
  readonly number: number
  readonly end: number
  /** It is in the ledger. */
  readonly isStored: Promise<void>
}

/**
 * Parts of one upload on their way to S3, at most two: while S3 has all bytes of one and has not answered yet, the next
 * one is sent. They come into the ledger in their order, and none of them behind one that failed.
 */
export class PartsUnderWay {
  readonly #entry: Entry
  readonly #bucket: S3Bucket
  readonly #discard: (tails: readonly Tail[]) => void
  #parts: readonly UnderWay[] = []

  /** `discard` gets the tails whose bytes are in a part. */
  constructor(entry: Entry, bucket: S3Bucket, discard: (tails: readonly Tail[]) => void) {
    this.#entry = entry
    this.#bucket = bucket
    this.#discard = discard
  }

  /** Whether there are any. */
  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  /** Where the next part begins, and its number. */
  get next(): { readonly position: number; readonly number: number } {
    const last = this.#parts.at(-1)
    if (last) return { position: last.end, number: last.number + 1 }
    return { position: this.#entry.position, number: this.#entry.nextNumber }
  }

  /**
   * Sends a part. Resolves once the next one may be sent: S3 has all its bytes, and the part before it is in the ledger.
   * Where one of the two fails, it rejects as S3Bucket or Entry does, and none is under way any more.
   */
  async send(part: SentPart): Promise<void> {
    const before = this.#parts.at(-1)?.isStored
    const { position, number } = this.next
    let sent = (): void => {}
    const isSent = new Promise<void>((resolve) => {
      sent = resolve
    })
    const isStored = this.#store({ ...part, position, number }, before, sent)
    this.#parts = [...this.#parts, { number, end: position + part.bytes, isStored }]
    // Where it fails later, whoever settles it is told.
    isStored.catch(() => {})
    try {
      await before
      await Promise.race([isSent, isStored])
    } catch (error) {
      await this.ended()
      throw error
    }
    this.#parts = this.#parts.slice(-1)
  }

  /** Waits until none is under way. Rejects where one of them failed; see `send`. */
  async settle(): Promise<void> {
    const [failed] = await this.#ends()
    if (failed) throw failed.reason
  }

  /** As `settle`, but never rejects: the caller sends what the ledger lacks. */
  async ended(): Promise<void> {
    await this.#ends()
  }

  async #ends(): Promise<readonly PromiseRejectedResult[]> {
    const ends = await Promise.allSettled(this.#parts.map(({ isStored }) => isStored))
    this.#parts = []
    return ends.filter((end) => end.status === 'rejected')
  }

  async #store(
    part: SentPart & { readonly position: number; readonly number: number },
    before: Promise<void> | undefined,
    sent: () => void,
  ): Promise<void> {
    const { multipart, position, number, bytes, stream, digest } = part
    const told = (): Readable => stream().on('end', sent)
    const put = this.#bucket.putPart(this.#entry.key, multipart.id, number, { bytes, stream: told })
    const [answer, earlier] = await Promise.allSettled([put, before])
    if (earlier.status === 'rejected') throw earlier.reason
    if (answer.status === 'rejected') throw answer.reason
    const end = position + bytes
    const { tails } = this.#entry.kept
    const stored = { number, position, bytes, etag: answer.value }
    await this.#entry.write({
      ...{
        part: stored,
        tails: tails.filter((tail) => tail.position + tail.bytes > end),
        bytesChanged: true,
      },
      ...(digest ? { digest } : {}),
    })
    this.#discard(tails.filter((tail) => tail.position + tail.bytes <= end))
  }
}
