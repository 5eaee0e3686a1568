import { UploadError } from '../errors.js'
import type { Block, BlockSink } from '../model/body.js'
import type { Checksum, UnannouncedChecksum } from '../model/checksum.js'
import type { DigestDue, Engine } from '../model/engine.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import { decideType } from './type.js'
import type { Before, StoredUpload } from './upload.js'

export interface UploadSinkParts {
  readonly tools: Pick<
    StorageTools,
    'sniff' | 'sniffBytes' | 'view' | 'announce' | 'now' | 'monotonic' | 'hooks' | 'received'
  > & {
    readonly engine: Pick<Engine, 'append' | 'isFull' | 'commit' | 'rollBack' | 'checksum'>
  }
  readonly saver: Pick<Saver, 'save' | 'note' | 'saveLater'>
  readonly prover: Pick<Prover, 'start'>
}

const CHECKPOINT_EVERY_BYTES = 64 * 1024 * 1024

/**
 * Takes the batches of one body: the type is decided, then they are written and digested, then marked.
 * Under a checksum nothing of them counts before `verify`. A checksum that nothing announced is
 * seen with the last batch: what counted of the body is then verified too, or taken back.
 */
export class UploadSink implements BlockSink {
  readonly #upload: StoredUpload
  readonly #tools: UploadSinkParts['tools']
  readonly #saver: UploadSinkParts['saver']
  readonly #prover: UploadSinkParts['prover']
  /** The algorithms of the body's checksum; empty where it has none. */
  readonly #checksums: readonly string[]
  readonly #trailing: UnannouncedChecksum | null
  /** What the upload was before this body. */
  readonly #before: Before
  /** The upload's first bytes, until its type is decided. */
  #head: Uint8Array
  #markedAt: number
  /** Bytes of this body that are in the file but do not count yet. */
  #unverified = 0
  /** Bytes that are being stored, and the end of that; the last batch may come while it is not over. */
  #underWay = 0
  #earlier: Promise<void> = Promise.resolve()
  /** A batch has come whose bytes are not being stored yet: another one would take their place in the file. */
  #isLooking = false
  #hasBegun = false
  #isHeld = false
  /** The digest of the whole is known, and the thread has let the rolling one go. */
  #isDigested = false
  /** The body's digests by algorithm, once it is over. */
  #digests: Readonly<Record<string, string>> | null = null

  constructor(
    upload: StoredUpload,
    body: { head: Uint8Array; checksums: readonly string[]; trailing: UnannouncedChecksum | null },
    parts: UploadSinkParts,
  ) {
    this.#upload = upload
    this.#head = body.head
    this.#checksums = body.checksums
    this.#trailing = body.trailing
    const { offset, type, checkpoints, touchedAtMs } = upload
    this.#before = { offset, type, checkpoints, touchedAtMs }
    this.#tools = parts.tools
    this.#saver = parts.saver
    this.#prover = parts.prover
    this.#markedAt = upload.checkpoints.at(-1)?.offset ?? 0
  }

  /** Bytes missing for a decision about the type. */
  get wantsFirstBytes(): number {
    return this.#upload.isTypeDue ? this.#tools.sniffBytes - this.#head.length : 0
  }

  /** What is decided or noted between two batches, or between storing and counting, needs the end of the one before. */
  get takesLastAtOnce(): boolean {
    const isDecided = !this.#upload.isTypeDue && !this.#isLooking
    return isDecided && this.#trailing === null && !this.#isUnverified && !this.#needsNote
  }

  /** A checksum that nothing announced has come: `verify` or `rollBack` follows. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Stores a batch. Rejects with an UploadError: type_refused, or as the disk does. */
  async write(blocks: readonly Block[], last: boolean): Promise<void> {
    if (last && this.#trailing?.hasCome()) await this.#hold()
    this.#isLooking = this.#upload.isTypeDue
    if (this.#isLooking) await this.#look(blocks)
    this.#isLooking = false
    // After a crash the file alone says that a part is whole: its end is noted before its last bytes are written.
    if (this.#needsNote && this.#makesWhole(sum(blocks))) await this.#tools.hooks?.beforeWhole(this.#upload)
    await this.#append(blocks, last)
    if (!this.#upload.digestLive && this.#upload.damagedAfter === null) this.#prover.start(this.#upload)
    if (!last && (await this.#tools.engine.isFull())) this.#upload.body?.stop('disk_full')
  }

  /**
   * Lets the body count where it matches the checksum that was sent; null: one that counts as none. Rejects with
   * checksum_mismatch once a body that does not match is rolled back, and as the engine does.
   */
  async verify(sent: Checksum | null): Promise<void> {
    if (sent === null || (await this.#matches(sent))) return this.#commit()
    await this.rollBack()
    throw new UploadError('checksum_mismatch', { detail: sent.algorithm })
  }

  /** Takes the body back: the upload is what it was before. Rejects as the engine does. */
  async rollBack(): Promise<void> {
    const upload = this.#upload
    // Before the bytes are cut off: whoever reads the prefix again must not ask for what goes.
    this.#unverified = 0
    upload.goBack(this.#before)
    const { live } = await this.#tools.engine.rollBack(upload.id, { offset: this.#before.offset })
    upload.setDigestLive(live)
    if (this.#isHeld) await this.#saveTakenBack()
  }

  async #commit(): Promise<void> {
    const upload = this.#upload
    const isWhole = upload.offset + this.#unverified === upload.length
    const digest = isWhole ? 'final' : 'prefix'
    const { live, sha256 } = await this.#tools.engine.commit(upload.id, { digest })
    upload.setDigestLive(live)
    this.#count(this.#unverified)
    upload.setVerifiedTo(upload.offset)
    if (sha256 !== null) this.#mark(sha256, true)
  }

  /** From here on nothing of the body counts before it is verified, also after a crash. */
  async #hold(): Promise<void> {
    this.#isHeld = true
    this.#upload.setVerifiedTo(this.#before.offset)
    await this.#saver.note(this.#upload)
  }

  async #matches({ algorithm, digest }: Checksum): Promise<boolean> {
    const { id, offset } = this.#upload
    if (this.#isHeld) {
      const range = { from: this.#before.offset, to: offset + this.#unverified }
      return digest === (await this.#tools.engine.checksum(id, { algorithm, ...range }))
    }
    if (this.#digests === null)
      throw new UploadError('internal', { detail: 'the running checksums were lost' })
    return digest === this.#digests[algorithm]
  }

  /** Checkpoints and the record may tell of bytes that were taken back. */
  async #saveTakenBack(): Promise<void> {
    await this.#saver.save(this.#upload)
    this.#tools.announce(this.#upload, 'progress')
  }

  async #look(blocks: readonly Block[]): Promise<void> {
    for (const { index, bytes } of blocks) {
      const wanted = this.wantsFirstBytes
      if (wanted > 0) this.#head = joined(this.#head, this.#tools.view(index, Math.min(bytes, wanted)))
    }
    const offset = this.#upload.offset + this.#unverified + sum(blocks)
    await decideType(this.#upload, this.#head, offset, this.#tools)
  }

  get #needsNote(): boolean {
    return this.#tools.hooks?.needsNoteBeforeWhole(this.#upload) ?? false
  }

  #makesWhole(bytes: number): boolean {
    return this.#upload.offset + this.#unverified + bytes === this.#upload.length
  }

  #append(blocks: readonly Block[], last: boolean): Promise<void> {
    const appended = this.#appendBehind(this.#earlier, blocks, last)
    this.#earlier = appended
    return appended
  }

  async #appendBehind(earlier: Promise<void>, blocks: readonly Block[], last: boolean): Promise<void> {
    const upload = this.#upload
    const bytes = sum(blocks)
    // An end without bytes has nothing to do where the batch before it was digested as the last one.
    if (last && bytes === 0) await earlier
    if (last && bytes === 0 && this.#isDigested) return
    const position = upload.offset + this.#unverified + this.#underWay
    this.#underWay += bytes
    const digest = this.#digestDue(position + bytes, last)
    // Where a trailer may still come the thread keeps what it needs to take the body back.
    const isChecked = this.#isUnverified || (this.#trailing !== null && !last)
    const begins = !this.#hasBegun
    this.#hasBegun = true
    const closes = last && !isChecked && !this.#finishesAt(position + bytes)
    const algorithms = this.#checksums
    const appended = { blocks, position, digest, isChecked, algorithms, begins, ends: last, closes }
    const storing = this.#tools.engine.append(upload.id, appended)
    // A batch counts once the one before it does. If that fails this one fails too, and its blocks are still in use.
    const [before, stored] = await Promise.allSettled([earlier, storing])
    this.#underWay -= bytes
    if (before.status === 'rejected') throw before.reason
    if (stored.status === 'rejected') throw stored.reason
    const done = stored.value
    this.#digests = done.checksums
    upload.setDigestLive(done.live)
    upload.rate.add(bytes, this.#tools.monotonic())
    this.#tools.received(bytes)
    this.#tools.hooks?.received(upload)
    if (this.#isUnverified) this.#unverified += bytes
    else this.#count(bytes)
    if (done.sha256 === null) return
    this.#isDigested = digest === 'final'
    this.#mark(done.sha256, last)
  }

  /** What is appended now does not count yet. */
  get #isUnverified(): boolean {
    return this.#checksums.length > 0 || this.#isHeld
  }

  #count(bytes: number): void {
    this.#upload.addBytes(bytes, this.#tools.now())
  }

  /** With so many bytes the upload is finished after this request; what finishes it closes its file. */
  #finishesAt(offset: number): boolean {
    return this.#upload.kind === 'single' && offset === this.#upload.length
  }

  #digestDue(offset: number, last: boolean): DigestDue {
    if (this.#isUnverified) return 'none'
    // Before the end it is kept under a trailer that may still come, because the body may have to be taken back, and
    // for a part, whose end goes to the thread all the same.
    const isKept = this.#trailing !== null || !this.#finishesAt(offset)
    if (offset === this.#upload.length && (last || !isKept)) return 'final'
    if (last || offset === this.#upload.length) return 'prefix'
    return offset - this.#markedAt >= CHECKPOINT_EVERY_BYTES ? 'prefix' : 'none'
  }

  #mark(sha256: string, last: boolean): void {
    this.#upload.mark(this.#upload.offset, sha256)
    this.#markedAt = this.#upload.offset
    // The end of the request saves for itself.
    if (last || this.#upload.offset === this.#upload.length) return
    this.#saver.saveLater(this.#upload)
    this.#tools.announce(this.#upload, 'progress')
  }
}

function sum(blocks: readonly Block[]): number {
  return blocks.reduce((total, { bytes }) => total + bytes, 0)
}

function joined(head: Uint8Array, more: Uint8Array): Uint8Array {
  const both = new Uint8Array(head.length + more.length)
  both.set(head)
  both.set(more, head.length)
  return both
}
