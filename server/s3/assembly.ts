import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { UploadError } from '../errors.js'
import { BytesFault } from '../model/engine-error.js'
import type { SavedDigest } from '../model/saved-digest.js'
import type { S3Bucket } from './bucket.js'
import { saidS3 } from './bucket-errors.js'
import { Entry, type EntryTools } from './entry.js'
import type { Kept, Multipart, Tail } from './ledger.js'
import { OwnObject } from './own-object.js'
import { partBytes } from './part-size.js'
import { PartsUnderWay } from './parts-under-way.js'
import { asBase, Sealing } from './sealing.js'

/** More tails than this become one. */
const MOST_TAILS = 32
/** S3 may say so often in a row that a multipart upload is gone. */
const MOST_ADOPTIONS = 3

export interface AssemblyTools extends EntryTools {
  readonly bucket: S3Bucket
  /** What the keys of all tails begin with. */
  readonly tails: string
  readonly leastPartBytes: number
  /** Removes objects that are not needed any more, in the background. */
  readonly discard: (keys: readonly string[]) => void
}

/** Bytes of the upload, from one place to another; it is called again with each try. */
export type Source = (from: number, to: number) => Readable

/**
 * Puts an upload together in the bucket: a base, parts of a multipart upload behind it, tails behind them, and in the
 * end one object. Everything is in the ledger before it counts, and nothing is removed from the bucket before it is out
 * of the ledger. One call at a time; a part may still be under way when the next one begins.
 *
 * Rejects with BytesFault where the bucket does not have what the ledger says, and as Entry, the bucket and the ledger do.
 */
export class Assembly {
  readonly #entry: Entry
  readonly #tools: AssemblyTools
  readonly #sealing: Sealing
  readonly #own: OwnObject
  readonly underWay: PartsUnderWay
  /** Multipart uploads that were gone since a part was stored. */
  #adoptions = 0
  /** Keys of tails whose `put` failed: S3 may have them anyway. */
  readonly #unanswered: string[] = []

  constructor(kept: Kept, tools: AssemblyTools) {
    this.#entry = new Entry(kept, tools)
    this.#tools = tools
    this.#sealing = new Sealing(this.#entry, tools.bucket)
    this.#own = new OwnObject(this.#entry, tools.bucket)
    this.underWay = new PartsUnderWay(this.#entry, tools.bucket, (tails) => {
      this.#adoptions = 0
      this.#discard(tails)
    })
  }

  /** As the ledger had it last. */
  get kept(): Kept {
    return this.#entry.kept
  }

  /** Bytes that are stored: they survive this process. */
  get stored(): number {
    return this.#entry.stored
  }

  /** See Entry. */
  get isStale(): boolean {
    return this.#entry.isStale
  }

  /** Where the parts end that are in the ledger. */
  get position(): number {
    return this.#entry.position
  }

  /** The bytes of the next part of an upload of this length. */
  nextPartBytes(length: number | null): number {
    const { number, position } = this.underWay.next
    return partBytes({ number, position, length, leastBytes: this.#tools.leastPartBytes })
  }

  /** Waits until no part is under way, and asks the ledger again where the outcome of the last write is not known; see Entry. */
  async refresh(): Promise<void> {
    await this.underWay.ended()
    await this.#entry.refresh()
  }

  /**
   * Sends the next part. Resolves once the one behind it may be sent; see PartsUnderWay. It resolves without having sent it
   * where the multipart upload was gone, and no stored byte with it.
   */
  async addPart(source: Source, bytes: number, digest?: SavedDigest): Promise<void> {
    try {
      if (this.underWay.isEmpty || this.#entry.isContested) await this.#ready()
      const multipart = await this.#multipart()
      const { position } = this.underWay.next
      const stream = (): Readable => source(position, position + bytes)
      await this.underWay.send({ multipart, bytes, stream, digest })
    } catch (error) {
      await this.#adoptWhereGone(error)
    }
  }

  /** Waits until no part is under way. Rejects where one of them could not be stored. */
  async settle(): Promise<void> {
    await this.underWay.settle().catch((error: unknown) => this.#adoptWhereGone(error))
  }

  /** Stores what is behind the parts, up to `to`, as a tail. No part of ours is under way afterwards. */
  async addTail(source: Source, to: number, digest?: SavedDigest): Promise<void> {
    await this.refresh()
    const { bucket, tails: prefix } = this.#tools
    const { tails } = this.kept
    const before = tails.length < MOST_TAILS ? tails : []
    const position = tails.length < MOST_TAILS ? this.stored : this.position
    const key = `${prefix}${this.#entry.id}/${randomUUID()}`
    const bytes = to - position
    const sent = { bytes, stream: () => source(position, to) }
    const etag = await bucket.put(key, sent, { isNew: true }).catch((error: unknown) => {
      if (this.#unanswered.length < MOST_TAILS) this.#unanswered.push(key)
      throw error
    })
    const sender = this.#entry.isContested || this.underWay.mayComeLate ? {} : { sender: null }
    await this.#entry.write({
      tails: [...before, { key, etag, position, bytes }],
      bytesChanged: true,
      ...sender,
      ...(digest ? { digest } : {}),
    })
    this.#discard(before === tails ? [] : tails)
  }

  /** Notes that no part of ours is under way any more, and the digest of what is stored. */
  async rest(digest?: SavedDigest): Promise<void> {
    await this.refresh()
    const isOver = this.kept.sender === this.#entry.token && !this.underWay.mayComeLate
    const sender = isOver ? { sender: null } : {}
    const isNew = digest !== undefined && digest.state !== this.kept.digest?.state
    const change = { ...sender, ...(isNew ? { digest } : {}) }
    if (Object.keys(change).length > 0) await this.#entry.write(change)
  }

  /** Makes all `bytes` of the upload one object, and writes its facts with that. What is not stored comes from `source`. */
  async finish(source: Source, bytes: number, facts: () => string): Promise<void> {
    await this.#ready()
    const { tails } = this.kept
    const etag = await this.#makeObject(source, bytes)
    const base = { etag, bytes, objectBytes: bytes }
    const none = { lastPart: 0, multipart: null, tails: [], sender: null, digest: null }
    try {
      await this.#entry.write({ facts: facts(), base, ...none, bytesChanged: true, isFinished: true })
    } catch (error) {
      if (error instanceof BytesFault && error.code === 'MISSING') await this.#own.remove()
      throw error
    }
    this.#discard(tails)
  }

  /** See Sealing. */
  async seal(): Promise<void> {
    await this.refresh()
    await this.#sealing.seal()
  }

  /** Cuts the upload to so many of its stored bytes. */
  async cut(to: number): Promise<void> {
    await this.refresh()
    if (to >= this.stored) return
    // Parts cannot be cut, or read, before they are an object.
    if (to > 0 && to < this.position && this.kept.parts.length > 0) await this.#sealing.seal()
    const { base, multipart, tails } = this.kept
    if (to > 0 && to >= this.position) {
      const [kept, gone] = divided(tails, (tail) => tail.position < to)
      await this.#entry.write({
        tails: kept.map((tail) => ({ ...tail, bytes: Math.min(tail.bytes, to - tail.position) })),
        bytesChanged: true,
      })
      return this.#discard(gone)
    }
    const { key } = this.#entry
    const left = asBase(base && { ...base, bytes: to }, key)
    await this.#entry.write({ ...left, lastPart: 0, multipart: null, sender: null, bytesChanged: true })
    if (multipart) await this.#tools.bucket.abort(key, multipart.id)
    this.#discard(tails)
    // An object under the upload's own key stays, to be replaced: its removal might come late, and remove a finished one.
  }

  /** Rejects with the error, except where it says that the multipart upload is gone, and nothing is lost by that. */
  async #adoptWhereGone(error: unknown): Promise<void> {
    if (!saidS3(error, 'no_upload')) throw error
    await this.#sealing.adopt()
    this.#countAdoption()
  }

  /** Throws where S3 says again and again that a multipart upload is gone. */
  #countAdoption(): void {
    if (++this.#adoptions <= MOST_ADOPTIONS) return
    this.#adoptions = 0
    throw new UploadError('storage_unavailable', {
      detail: 'multipart uploads are gone as soon as they are begun',
    })
  }

  async #ready(): Promise<void> {
    await this.refresh()
    if (this.#entry.isContested || this.underWay.mayComeLate) await this.#sealing.seal()
    this.underWay.mayComeLate = false
  }

  /** The multipart upload, begun where there is none, with a note that a part may be under way. */
  async #multipart(): Promise<Multipart> {
    const { key, token, kept } = this.#entry
    const { multipart, sender } = kept
    if (multipart && sender === token) return multipart
    if (multipart) {
      await this.#entry.write({ sender: token })
      return multipart
    }
    const mark = randomUUID()
    const begun = { id: await this.#tools.bucket.begin(key, mark), mark }
    await this.#entry.write({ multipart: begun, sender: token })
    return begun
  }

  /** Makes the object of all bytes, and resolves with its ETag. */
  async #makeObject(source: Source, bytes: number): Promise<string> {
    const { base, multipart } = this.kept
    if (!base && !multipart) return this.#own.put({ bytes, stream: () => source(0, bytes) })
    const isMade = !multipart && base?.bytes === bytes && base.objectBytes === bytes
    if (!isMade) return this.#complete(source, bytes)
    const head = await this.#tools.bucket.head(this.#entry.key)
    if (head?.etag === base.etag) return base.etag
    throw new BytesFault(head ? 'REPLACED' : 'MISSING', 'the object is not the one that was stored')
  }

  async #complete(source: Source, bytes: number): Promise<string> {
    const multipart = await this.#multipart()
    while (bytes > this.position) {
      await this.addPart(source, bytes - this.position)
      await this.settle()
    }
    if (this.position !== bytes)
      throw new BytesFault('DAMAGED', `${this.position} bytes are stored, not ${bytes}`)
    // It may have become an object in `addPart`, or before.
    if (this.kept.multipart?.id !== multipart.id) return this.#makeAgain(source, bytes)
    const copied = await this.#sealing.copyBase(multipart)
    if (!copied) return this.#makeAgain(source, bytes)
    try {
      return await this.#own.complete(multipart, [...copied, ...this.kept.parts])
    } catch (error) {
      // An answer that was lost: it may be an object by now.
      if (!(await this.#tools.bucket.isRunning(this.#entry.key, multipart.id))) await this.#sealing.adopt()
      else if (saidS3(error, 'bad_parts')) await this.#sealing.seal()
      else throw error
    }
    // Where a part that is not ours stood behind them, the object has more bytes, and is made again of those that count.
    return this.#makeAgain(source, bytes)
  }

  #makeAgain(source: Source, bytes: number): Promise<string> {
    this.#countAdoption()
    return this.#makeObject(source, bytes)
  }

  /** The key of the upload's own object is used again, and is never removed behind its back. */
  #discard(tails: readonly Tail[]): void {
    const own = this.#entry.key
    const keys = [...tails.map(({ key }) => key), ...this.#unanswered.splice(0)].filter((key) => key !== own)
    if (keys.length > 0) this.#tools.discard(keys)
  }
}

function divided<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))]
}
