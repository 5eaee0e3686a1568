import type { Readable } from 'node:stream'
import type { SavedDigest } from '../model/saved-digest.js'
import type { S3Bucket } from './bucket.js'
import type { Entry } from './entry.js'
import type { Multipart, Tail } from './ledger.js'

/** A part to be sent. */
export interface SentPart {
  readonly multipart: Multipart
  readonly bytes: number
  /** Makes a new stream of its bytes; called once for each try. */
  readonly stream: () => Readable
  /** The state of the digest that is stored with it. */
  readonly digest: SavedDigest | undefined
}

interface UnderWay {
  readonly number: number
  readonly end: number
  /** It is in the ledger, or has failed. Never rejects. */
  readonly done: Promise<void>
}

/**
 * Parts of one upload on their way to S3, at most two: the second is sent once all bytes of the first are written to the
 * socket, before S3 has answered. They come into the ledger in order, and none of them behind one that failed. While any
 * is under way, nobody else writes the entry.
 */
export class PartsUnderWay {
  readonly #entry: Entry
  readonly #bucket: S3Bucket
  readonly #stored: (tails: readonly Tail[]) => void
  #parts: readonly UnderWay[] = []
  /** Why the first of them failed, until that is reported. */
  #failure: { readonly reason: unknown } | undefined
  /** Ends those behind one that failed. */
  #abort = new AbortController()
  /** A part was given up before S3 answered: S3 may still store it, in place of another one with its number. */
  mayComeLate = false

  /** `stored` is called for each part in the ledger, with the tails whose bytes it has. */
  constructor(entry: Entry, bucket: S3Bucket, stored: (tails: readonly Tail[]) => void) {
    this.#entry = entry
    this.#bucket = bucket
    this.#stored = stored
  }

  /** No part is under way, and every failure is reported. */
  get isEmpty(): boolean {
    return this.#parts.length === 0 && !this.#failure
  }

  /** Where the next part begins, and its number. */
  get next(): { readonly position: number; readonly number: number } {
    const last = this.#parts.at(-1)
    if (last) return { position: last.end, number: last.number + 1 }
    return { position: this.#entry.position, number: this.#entry.nextNumber }
  }

  /**
   * Sends a part. Resolves once the next one may be sent: its bytes are written to the socket, and the part before it is in
   * the ledger. Rejects as `settle` does.
   */
  async send(part: SentPart): Promise<void> {
    await this.#throwFailure()
    const before = this.#parts.at(-1)?.done
    const { position, number } = this.next
    let sent = (): void => {}
    const isSent = new Promise<void>((resolve) => {
      sent = resolve
    })
    const done = this.#store({ ...part, position, number }, before, sent)
      .catch((reason: unknown) => {
        this.#failure ??= { reason }
        this.#abort.abort()
      })
      .finally(() => {
        this.#parts = this.#parts.filter((each) => each.number !== number)
      })
    this.#parts = [...this.#parts, { number, end: position + part.bytes, done }]
    await before
    await Promise.race([isSent, done])
    await this.#throwFailure()
  }

  /** Waits until none is under way. Rejects as S3Bucket or Entry does if one failed; each failure is reported once. */
  async settle(): Promise<void> {
    await this.ended()
    await this.#throwFailure()
  }

  /** Waits until none is under way. Never rejects: the next `send` or `settle` reports a failure. */
  async ended(): Promise<void> {
    await Promise.all(this.#parts.map(({ done }) => done))
  }

  /** Drops a failure that was not reported: the caller sends again what the ledger lacks. */
  forget(): void {
    this.#failure = undefined
  }

  async #throwFailure(): Promise<void> {
    if (!this.#failure) return
    await this.ended()
    const { reason } = this.#failure
    this.#failure = undefined
    throw reason
  }

  async #store(
    part: SentPart & { readonly position: number; readonly number: number },
    before: Promise<void> | undefined,
    sent: () => void,
  ): Promise<void> {
    const { multipart, position, number, bytes, stream, digest } = part
    if (before === undefined) this.#abort = new AbortController()
    const { signal } = this.#abort
    const withEnd = (): Readable => stream().on('end', sent)
    const put = this.#bucket.putPart(this.#entry.key, multipart.id, number, {
      bytes,
      stream: withEnd,
      signal,
    })
    const [answer] = await Promise.allSettled([put, before])
    this.mayComeLate ||= answer.status === 'rejected'
    if (signal.aborted) return
    if (answer.status === 'rejected') throw answer.reason
    const end = position + bytes
    const { tails } = this.#entry.kept
    const stored = { number, position, bytes, etag: answer.value }
    await this.#entry.write({
      part: stored,
      tails: tails.filter((tail) => tail.position + tail.bytes > end),
      bytesChanged: true,
      ...(digest ? { digest } : {}),
    })
    this.#stored(tails.filter((tail) => tail.position + tail.bytes <= end))
  }
}
