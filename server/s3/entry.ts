import { UploadError } from '../errors.js'
import { BytesFault } from '../model/engine-error.js'
import type { S3Bucket } from './bucket.js'
import { type Change, endOfParts, type Kept, type Ledger, storedBytesOf } from './ledger.js'
import { copiedPieces } from './part-size.js'

export interface EntryTools {
  readonly bucket: S3Bucket
  readonly ledger: Ledger
  /** The fencing token that this process may write an upload under now: undefined where it does not hold its lock. */
  readonly tokenOf: (id: string) => number | undefined
  /** The key of an upload's object. */
  readonly keyOf: (id: string) => string
}

/** What the ledger keeps of an upload that is being written, and the only way to change it. One call at a time: while
 * parts are under way, only PartsUnderWay writes. */
export class Entry {
  readonly id: string
  /** The key of the upload's object. */
  readonly key: string
  readonly #ledger: Ledger
  readonly #tokenOf: EntryTools['tokenOf']
  #kept: Kept
  /** The outcome of a write is not known: the ledger must be asked before the next one. */
  #isStale = false

  constructor(kept: Kept, { ledger, tokenOf, keyOf }: EntryTools) {
    this.id = kept.id
    this.key = keyOf(kept.id)
    this.#kept = kept
    this.#ledger = ledger
    this.#tokenOf = tokenOf
  }

  /** As the ledger had it last. */
  get kept(): Kept {
    return this.#kept
  }

  /** Bytes that are stored: they survive this process. */
  get stored(): number {
    return storedBytesOf(this.#kept)
  }

  /** Where the next part begins. */
  get position(): number {
    return endOfParts(this.#kept)
  }

  /** The number of the next part: the first ones are those that the base will be copied into. */
  get nextNumber(): number {
    const { base, parts } = this.#kept
    return (parts.at(-1)?.number ?? (base ? copiedPieces(base.bytes).length : 0)) + 1
  }

  /** Throws upload_taken_over where this process may not write the upload. */
  get token(): number {
    return tokenFor(this.id, this.#tokenOf)
  }

  /** Throws upload_taken_over where this process may not write the upload: asked before an object is replaced. */
  checkHeld(): void {
    tokenFor(this.id, this.#tokenOf)
  }

  /** Another writer, which did not come to its end, may still send a part. */
  get isContested(): boolean {
    const { sender, multipart } = this.#kept
    return multipart !== null && sender !== null && sender !== this.#tokenOf(this.id)
  }

  /** The upload's own key has an object of this upload. */
  get hasObject(): boolean {
    return this.#kept.base !== null || this.#kept.tails.some(({ key }) => key === this.key)
  }

  /** The outcome of the last write is not known. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Asks the ledger again where the outcome of the last write is not known. Rejects with BytesFault where it is gone. */
  async refresh(): Promise<void> {
    if (this.#isStale) this.#kept = await this.#found()
    this.#isStale = false
  }

  /**
   * Changes the ledger. A digest that covers bytes which are not stored any more goes with them. Rejects with BytesFault
   * where the upload is gone, with upload_taken_over where another writer has it, and as the ledger does.
   */
  async write(change: Change): Promise<void> {
    const after = changed(this.#kept, change)
    const stored = storedBytesOf(after)
    const digest = after.digest && after.digest.offset <= stored ? after.digest : null
    // Said also where none is known here: the writer before may have saved one meanwhile.
    const isCut = stored < this.stored || digest !== after.digest
    const { token } = this
    this.#isStale = true
    if (!(await this.#ledger.write(this.id, token, isCut ? { ...change, digest } : change))) {
      await this.#found()
      throw takenOver()
    }
    this.#isStale = false
    this.#kept = { ...after, digest }
  }

  /** Rejects where this process may not write the upload any more; see `write`. */
  async confirm(): Promise<void> {
    await this.write({})
  }

  async #found(): Promise<Kept> {
    const kept = await this.#ledger.find(this.id)
    if (!kept) throw new BytesFault('MISSING', 'the upload is gone from the ledger')
    return kept
  }
}

function changed(kept: Kept, change: Change): Kept {
  const { facts = kept.facts, part, lastPart = Number.POSITIVE_INFINITY, ...rest } = change
  const { bytesChanged: _, isFinished: _finished, ...layout } = rest
  const before = kept.parts.filter(({ number }) => number <= lastPart)
  return { ...kept, ...layout, facts, parts: part ? [...before, part] : before }
}

/** The token of an upload. Throws upload_taken_over where this process may not write it. */
export function tokenFor(id: string, tokenOf: EntryTools['tokenOf']): number {
  const token = tokenOf(id)
  if (token === undefined) throw takenOver()
  return token
}

/** Another writer has the upload. */
export function takenOver(): UploadError {
  return new UploadError('upload_taken_over', {
    detail: 'this node does not have the lock of the upload any more',
  })
}
