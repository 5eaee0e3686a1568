import { randomUUID } from 'node:crypto'
import { UploadError } from '../errors.js'
import type { JoinedPiece } from '../model/engine.js'
import { BytesFault, PartDamaged } from '../model/engine-error.js'
import { abortAll } from './abort-all.js'
import type { Head, S3Bucket } from './bucket.js'
import { saidS3 } from './bucket-errors.js'
import { tokenFor } from './entry.js'
import { withFetched } from './fetched.js'
import { Gathered } from './gathered.js'
import { JoinPlan, type JoinStep, type Source } from './join-plan.js'
import { endOfParts, type Kept, type Ledger, storedBytesOf } from './ledger.js'
import { inPlaceOf } from './own-object.js'
import { Parallel } from './parallel.js'
import type { SpoolWriter } from './spool-writer.js'
import { StoredRange } from './stored-range.js'

/** Copies, and gathered bytes that are sent, of one final upload at once. */
const AT_ONCE = 4

export interface JoiningTools {
  readonly bucket: S3Bucket
  readonly ledger: Pick<Ledger, 'find'>
  /** The fencing token of an upload; undefined where this process does not hold its lock. */
  readonly tokenOf: (id: string) => number | undefined
  /** The scratch folder. */
  readonly scratch: string
  readonly writer: Pick<SpoolWriter, 'prove' | 'forget'>
  /** The key of an upload's object. */
  readonly keyOf: (id: string) => string
  /** A part whose bytes can be read up to there. */
  readonly readable: (part: string, to: number) => Promise<Kept>
  /** Bytes of it. */
  readonly bytesOf: (kept: Kept, range: { from: number; to: number }) => AsyncGenerator<Buffer>
}

interface Reading {
  readonly part: string
  readonly pieces: StoredRange
  at: number
}

type Due = JoinStep & { left: number }

/**
 * One join of a final upload: S3 copies the bytes of its parts inside the bucket while they are read once, for the digest.
 * What is too small to be copied is gathered on the way, and sent. Nothing of it is in the ledger before the end: after a
 * crash the join begins again.
 */
export class Joining {
  readonly #id: string
  readonly #key: string
  readonly #tools: JoiningTools
  readonly #mark = randomUUID()
  readonly #plan = new JoinPlan()
  readonly #work = new Parallel(AT_ONCE)
  readonly #made: { readonly number: number; readonly etag: string }[] = []
  readonly #files = new Set<Gathered>()
  #multipart: Promise<string> | undefined
  #due: Due[] = []
  #gathered: Gathered | undefined
  #reading: Reading | undefined
  #bytes = 0

  private constructor(id: string, tools: JoiningTools) {
    this.#id = id
    this.#key = tools.keyOf(id)
    this.#tools = tools
  }

  /** Begins a join. Multipart uploads that a join before has left are aborted: nothing that it still sends can count. */
  static async begin(id: string, tools: JoiningTools): Promise<Joining> {
    const joining = new Joining(id, tools)
    await abortAll(tools.bucket, joining.#key)
    return joining
  }

  /** Bytes that were taken over. */
  get bytes(): number {
    return this.#bytes
  }

  /** See Engine's `join`. */
  async add({ position, part, from, bytes, checkpoints = [] }: JoinedPiece): Promise<number> {
    this.#work.check()
    if (position !== this.#bytes) throw new Error(`a join goes on at ${this.#bytes}, not at ${position}`)
    const reading = await this.#read(part, from)
    const fetched = { from, pieces: this.#taken(reading, bytes) }
    let tookMs = 0
    await withFetched(this.#tools.scratch, fetched, async (path, end) => {
      if (end !== from + bytes)
        throw new BytesFault('DAMAGED', `a part has ${end} bytes, not ${from + bytes}`)
      const startedAt = performance.now()
      const piece = { path, budgetBytes: bytes }
      await Promise.all([
        this.#digest({ ...piece, to: position + bytes, shift: position - from }),
        checkpoints.length === 0 || this.#prove(part, { ...piece, to: end, checkpoints }),
      ])
      tookMs = performance.now() - startedAt
    })
    this.#bytes += bytes
    return tookMs
  }

  /** Makes the object of all bytes, and resolves with its ETag. */
  async finish(): Promise<string> {
    const { bucket } = this.#tools
    await this.#work.done()
    const last = this.#gathered
    if (!this.#multipart) {
      const sent = (last ?? (await this.#gather())).sent
      return this.#stored((found) => bucket.put(this.#key, sent, { mark: this.#mark, ...inPlaceOf(found) }))
    }
    if (last) this.#send(last, this.#plan.next)
    await this.#work.done()
    const upload = { id: await this.#multipart, mark: this.#mark }
    const parts = [...this.#made].sort((one, other) => one.number - other.number)
    const etag = await this.#stored((found) => bucket.complete(this.#key, upload, parts, !found))
    this.#multipart = undefined
    return etag
  }

  /** Ends it: what is not finished leaves nothing behind. Never rejects. */
  async end(): Promise<void> {
    await this.#work.stop()
    await this.#stopReading().catch(() => {})
    await Promise.allSettled([...this.#files].map((file) => file.remove()))
    const multipart = await this.#multipart?.catch(() => undefined)
    // Where S3 does not answer it is left to the next join, or to the search for leftovers.
    if (multipart !== undefined) await this.#tools.bucket.abort(this.#key, multipart).catch(() => {})
  }

  async #digest(of: { path: string; to: number; budgetBytes: number; shift: number }): Promise<void> {
    const { offset } = await this.#tools.writer.prove({ id: this.#id, checkpoints: [], ...of })
    if (offset !== of.to) throw new Error('the rolling digest of a final upload was lost')
  }

  async #prove(
    part: string,
    piece: Omit<Parameters<SpoolWriter['prove']>[0], 'id' | 'shift'>,
  ): Promise<void> {
    const { offset, damagedAfter } = await this.#tools.writer.prove({ id: this.#proofOf(part), ...piece })
    if (damagedAfter !== null) throw new PartDamaged(part)
    if (offset !== piece.to) throw new Error('the rolling digest of a part was lost')
  }

  /** A name of its own: two final uploads may be joined of one part at once. */
  #proofOf(part: string): string {
    return `${this.#id} ${part}`
  }

  async #read(part: string, from: number): Promise<Reading> {
    const before = this.#reading
    if (before?.part === part && before.at === from) return before
    await this.#stopReading()
    if (from !== 0) throw new Error('a join reads each part from its first byte on')
    const kept = await this.#tools.readable(part, Number.MAX_SAFE_INTEGER)
    for (const step of this.#plan.steps(sourcesOf(kept, this.#tools.keyOf(part)))) this.#begin(step)
    const all = { from: 0, to: storedBytesOf(kept) }
    const pieces = new StoredRange(all, (range) => this.#tools.bytesOf(kept, range), nothing)
    this.#reading = { part, pieces, at: 0 }
    return this.#reading
  }

  async #stopReading(): Promise<void> {
    const reading = this.#reading
    this.#reading = undefined
    if (!reading) return
    await reading.pieces.close()
    await this.#tools.writer.forget(this.#proofOf(reading.part))
  }

  #begin(step: JoinStep): void {
    this.#due.push({ ...step, left: step.kind === 'copy' ? step.source.bytes : step.bytes })
    if (step.kind === 'copy') this.#copy(step.number, step.source)
  }

  #copy(number: number, { key, etag, from, bytes }: Source): void {
    this.#work.start(async () => {
      const source = { key, etag, from, to: from + bytes }
      const made = await this.#tools.bucket.copyPart(this.#key, await this.#uploadId(), number, source)
      this.#made.push({ number, etag: made })
    })
  }

  #send(file: Gathered, number: number): void {
    this.#work.start(async () => {
      const etag = await this.#tools.bucket.putPart(this.#key, await this.#uploadId(), number, file.sent)
      this.#made.push({ number, etag })
      this.#files.delete(file)
      await file.remove()
    })
  }

  #uploadId(): Promise<string> {
    this.#multipart ??= this.#tools.bucket.begin(this.#key, this.#mark)
    return this.#multipart
  }

  /** The next bytes of a part, as S3 sends them; those that are too small to be copied are kept on the way. */
  async *#taken(reading: Reading, bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; ) {
      const piece = await reading.pieces.next(left)
      if (!piece) return
      left -= piece.length
      reading.at += piece.length
      await this.#keep(piece)
      yield Buffer.from(piece.buffer, piece.byteOffset, piece.length)
    }
  }

  async #keep(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const [due] = this.#due
      if (!due) throw new BytesFault('DAMAGED', 'a part has more bytes than its objects')
      const bytes = Math.min(due.left, piece.length - at)
      if (due.kind === 'gather') await (await this.#gather()).add(piece.subarray(at, at + bytes))
      due.left -= bytes
      at += bytes
      if (due.left > 0) continue
      this.#due.shift()
      if (due.kind === 'copy' || due.number === null || !this.#gathered) continue
      // No more than a few files wait in the scratch folder.
      if (this.#files.size > AT_ONCE) await this.#work.done()
      this.#send(this.#gathered, due.number)
      this.#gathered = undefined
    }
  }

  async #gather(): Promise<Gathered> {
    this.#gathered ??= await Gathered.begin(this.#tools.scratch)
    this.#files.add(this.#gathered)
    return this.#gathered
  }

  /** Removes the object that this join has made, as the upload is gone: nobody else knows of it. */
  async discard(): Promise<void> {
    const { bucket } = this.#tools
    if ((await bucket.head(this.#key))?.mark === this.#mark) await bucket.remove([this.#key])
  }

  /** Stores the object where there is none. One that a join could not write down is replaced, by who has the lock. */
  async #stored(store: (found?: Head) => Promise<string>): Promise<string> {
    const { bucket, ledger, tokenOf } = this.#tools
    try {
      return await store()
    } catch (error) {
      if (!saidS3(error, 'changed', 'no_upload')) throw error
      const found = await bucket.head(this.#key)
      // The answer was lost.
      if (found?.mark === this.#mark) return found.etag
      if (!saidS3(error, 'changed')) throw error
      const kept = await ledger.find(this.#id)
      if (!kept) throw new BytesFault('MISSING', 'the final upload is gone')
      if (kept.base)
        throw new UploadError('upload_taken_over', { detail: 'another node has joined it', cause: error })
      tokenFor(this.#id, tokenOf)
      return store(found)
    }
  }
}

function nothing(): void {}

/** The objects that have the bytes of a part, in order. */
function sourcesOf(kept: Kept, key: string): Source[] {
  const { base, tails } = kept
  const sources: Source[] = base ? [{ key, etag: base.etag, from: 0, bytes: base.bytes }] : []
  let at = endOfParts({ base, parts: [] })
  for (const { key: tail, etag, position, bytes } of tails) {
    const to = position + bytes
    if (to <= at) continue
    sources.push({ key: tail, etag, from: at - position, bytes: to - at })
    at = to
  }
  return sources
}
