import { BytesFault } from '../model/engine-error.js'
import type { S3Bucket } from './bucket.js'
import { saidS3 } from './bucket-errors.js'
import type { Entry } from './entry.js'
import type { Base, Change, Multipart, Part, Tail } from './ledger.js'
import { copiedPieces, LEAST_PART_BYTES } from './part-size.js'

/** Copies of one upload's base at once. */
const COPIES_AT_ONCE = 4
const TRIES = 3

type Copied = Omit<Part, 'position'>

/** Makes the parts of an upload that is not whole an object, which can be read; see Assembly. */
export class Sealing {
  readonly #entry: Entry
  readonly #bucket: S3Bucket

  constructor(entry: Entry, bucket: S3Bucket) {
    this.#entry = entry
    this.#bucket = bucket
  }

  /**
   * Makes the parts that are stored, behind the base, a new base. The upload goes on with another multipart upload,
   * which nothing that a writer before still sends can reach. Rejects with BytesFault where parts are not those that
   * were stored; the ledger then says what is left.
   */
  async seal(): Promise<void> {
    const { multipart, parts } = this.#entry.kept
    if (!multipart) return
    this.#entry.checkHeld()
    if (parts.length === 0) {
      await this.#entry.write({ multipart: null, sender: null })
      return this.#bucket.abort(this.#entry.key, multipart.id)
    }
    const before = this.#entry.position
    const copied = await this.copyBase(multipart)
    if (copied) await this.#complete(multipart, copied)
    const lost = before - this.#entry.position
    if (lost > 0) throw new BytesFault('DAMAGED', `${lost} bytes in parts are not those that were stored`)
  }

  /** Copies the base into the first parts; undefined where the multipart upload has become an object, see `adopt`. */
  async copyBase(multipart: Multipart): Promise<readonly Copied[] | undefined> {
    const { key, kept } = this.#entry
    const { base } = kept
    if (!base) return []
    const left = copiedPieces(base.bytes).map((range, i) => ({ ...range, number: i + 1 }))
    const copied: Copied[] = []
    const copyNext = async (): Promise<void> => {
      for (let piece = left.shift(); piece; piece = left.shift()) {
        const { number, from, to } = piece
        const source = { key, etag: base.etag, from, to }
        const etag = await this.#bucket.copyPart(key, multipart.id, number, source)
        copied.push({ number, bytes: to - from, etag })
      }
    }
    const done = await Promise.allSettled(Array.from({ length: COPIES_AT_ONCE }, copyNext))
    const failed = done.find((each) => each.status === 'rejected')
    if (!failed) return copied.sort((one, other) => one.number - other.number)
    if (!saidS3(failed.reason, 'no_upload', 'changed', 'missing')) throw failed.reason
    await this.adopt()
    return undefined
  }

  /**
   * The multipart upload is gone. Where it was completed, by a writer that could not write it down, its object is the
   * new base. Otherwise its parts, if it had any, are lost. Rejects with BytesFault then; the ledger says what is left.
   */
  async adopt(): Promise<void> {
    const { key, kept, position } = this.#entry
    const { base, multipart } = kept
    if (!multipart) return
    const head = await this.#bucket.head(key)
    if (head?.mark === multipart.mark && head.bytes >= position) {
      const made = { etag: head.etag, bytes: position, objectBytes: head.bytes }
      return this.#begin(made, kept.tails)
    }
    const isLeft = base !== null && head?.etag === base.etag
    // Nothing stood in it: what is before and behind it is in other objects.
    if (kept.parts.length === 0 && (isLeft || base === null))
      return this.#entry.write({ multipart: null, sender: null })
    await this.#begin(isLeft ? base : null, [])
    throw new BytesFault(
      isLeft ? 'DAMAGED' : 'MISSING',
      'the multipart upload is gone, and its parts with it',
    )
  }

  async #complete(multipart: Multipart, copied: readonly Copied[]): Promise<void> {
    const { key } = this.#entry
    for (let tries = 1; ; tries++) {
      try {
        const listed = await this.#bucket.parts(key, multipart.id)
        const objectBytes = sumOf(listed)
        await this.#keepMatching(copied, listed)
        const bytes = this.#entry.position
        // With all that S3 has, also what is not ours: some stores refuse to leave parts out. It is behind what counts.
        const etag = await this.#bucket.complete(key, multipart, listed, false)
        return await this.#begin({ etag, bytes, objectBytes }, this.#entry.kept.tails)
      } catch (error) {
        if (!(await this.#bucket.isRunning(key, multipart.id))) return this.adopt()
        if (!saidS3(error, 'bad_parts')) throw error
        // A part has changed since the list. After the last try, S3 can make no object of them.
        if (tries < TRIES) continue
      }
      await this.#bucket.abort(key, multipart.id)
      return this.adopt()
    }
  }

  /** Before the parts are made an object, the ledger says which of them count: the first ones that are as they were. */
  async #keepMatching(copied: readonly Copied[], listed: readonly Copied[]): Promise<void> {
    const { parts } = this.#entry.kept
    if (copied.some((part, i) => !isSame(part, listed[i])))
      throw new BytesFault('DAMAGED', 'a copied part is not as it was copied')
    const bad = parts.findIndex((part, i) => !isSame(part, listed[copied.length + i]))
    if (bad < 0) return
    const lastPart = parts[bad - 1]?.number ?? 0
    await this.#entry.write({ lastPart, tails: [], bytesChanged: true })
  }

  /** From here on the upload has this base, and no parts. */
  async #begin(base: Base | null, tails: readonly Tail[]): Promise<void> {
    const made = asBase(base, this.#entry.key)
    const change = { ...made, tails: [...made.tails, ...tails] }
    await this.#entry.write({ ...change, lastPart: 0, multipart: null, sender: null, bytesChanged: true })
  }
}

/** A base that is too small to be copied into a part is the first tail: its bytes go to the bucket again. */
export function asBase(base: Base | null, key: string): Required<Pick<Change, 'base' | 'tails'>> {
  if (base === null || base.bytes === 0) return { base: null, tails: [] }
  if (base.bytes >= LEAST_PART_BYTES) return { base, tails: [] }
  return { base: null, tails: [{ key, etag: base.etag, position: 0, bytes: base.bytes }] }
}

function isSame(part: Copied, listed: Copied | undefined): boolean {
  return listed?.number === part.number && listed.bytes === part.bytes && listed.etag === part.etag
}

function sumOf(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0)
}
