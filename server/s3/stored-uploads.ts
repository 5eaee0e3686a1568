import type { Engine, Loaded } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'
import type { Log } from '../model/log.js'
import type { NewFinal } from '../model/shared-finals.js'
import { formatSidecar, isForeign, parseSidecar, sidecarOf } from '../model/sidecar.js'
import { storedFacts } from '../model/stored-facts.js'
import type { UploadFacts } from '../model/upload-facts.js'
import { isUploadId } from '../model/upload-id.js'
import { Drafts } from './drafts.js'
import { takenOver, tokenFor } from './entry.js'
import { type Change, endOfParts, type Kept, type Removed, storedBytesOf } from './ledger.js'
import { type NewDraftTools, newDraft } from './new-draft.js'
import { storedBytes } from './object-bytes.js'
import { presentBytes } from './presence.js'
import { removeObjects } from './removed-objects.js'
import type { SqlFinals } from './sql-finals.js'
import { StoredRange } from './stored-range.js'

/** Uploads that are asked for at once. */
const PAGE = 1024
const TRIES = 3
/** In place of the boot in a sidecar: bytes that are stored count after every crash, or none of them do. */
const BOOTS = { stored: 's3', unproven: 'unknown' } as const

interface Range {
  readonly from: number
  readonly to: number
}

export interface StoredUploadsTools extends NewDraftTools {
  /** The bucket's name. */
  readonly bucketName: string
  readonly finals: SqlFinals
  /** Does `work` under an upload's lock, where that is free. */
  readonly underLock: (id: string, work: () => Promise<void>) => Promise<void>
  readonly log: Pick<Log, 'warn'>
  readonly now: () => number
  readonly monotonic: () => number
}

/** The uploads in a bucket and its ledger, to look at and to remove; and the drafts of those that are being written. */
export class StoredUploads
  implements Pick<Engine, 'finals' | 'create' | 'load' | 'has' | 'measure' | 'list' | 'addressOf'>
{
  protected readonly drafts: Drafts
  readonly #tools: StoredUploadsTools
  readonly #readers = new Map<string, number>()
  /** Uploads that are gone, but are still being read here. */
  readonly #whenRead = new Map<string, Removed>()
  readonly #removing = new Set<Promise<void>>()

  constructor(tools: StoredUploadsTools) {
    this.#tools = tools
    const { log, monotonic } = tools
    const underLock: StoredUploadsTools['underLock'] = (id, work) => tools.underLock(id, work)
    this.drafts = new Drafts({
      load: async (id) => newDraft(await this.#kept(id), tools),
      underLock,
      log,
      monotonic,
    })
  }

  /** See Engine. */
  async load(id: string): Promise<Loaded> {
    if (!isUploadId(id)) return { kind: 'missing' }
    await this.persist(id)
    const found = await this.#found(id)
    if (!found || found.present === undefined) return { kind: 'missing' }
    const { kept, present } = found
    if (isForeign(kept.facts)) return { kind: 'foreign' }
    const sidecar = parseSidecar(kept.facts, id)
    if (!sidecar) return { kind: 'torn', storedBytes: present, touchedAtMs: kept.storedAtMs }
    const { version: _version, updatedAt: _updatedAt, bootId, ...facts } = sidecar
    const stored = { storedBytes: present, storedAtMs: kept.storedAtMs, sameBoot: bootId === BOOTS.stored }
    return { kind: 'upload', facts: storedFacts(facts, { ...stored, isCurrent: true }), storedBytes: present }
  }

  /** See Engine. */
  async has(id: string): Promise<boolean> {
    return isUploadId(id) && (await this.#found(id))?.present !== undefined
  }

  /** See Engine. What came and could not be stored yet is stored first, so that it may count. */
  async measure(id: string): Promise<{ storedBytes: number | undefined; hasFacts: boolean }> {
    await this.persist(id)
    const found = await this.#found(id)
    return { storedBytes: found?.present, hasFacts: found !== undefined }
  }

  /** See Engine. */
  async *list(
    fromDay = '',
  ): AsyncGenerator<readonly { readonly id: string; readonly kind: 'bytes' | 'facts' }[]> {
    for (let after: string | null = null; ; ) {
      const page = await this.#tools.ledger.page(fromDay, after, PAGE)
      yield page.map(({ id, isRemoved }) => ({ id, kind: isRemoved ? 'facts' : 'bytes' }))
      after = page.at(-1)?.id ?? null
      if (page.length < PAGE) return
    }
  }

  /** See Engine: the object's URL. */
  addressOf(id: string): string {
    return `s3://${this.#tools.bucketName}/${this.#tools.keyOf(id)}`
  }

  /** See Engine. */
  get finals(): SqlFinals {
    return this.#tools.finals
  }

  /** See Engine. */
  async create(
    id: string,
    facts: () => UploadFacts,
    { final }: { final?: NewFinal | undefined } = {},
  ): Promise<void> {
    const { ledger, tokenOf } = this.#tools
    const made = facts()
    const { parts } = made
    const needing = final && parts ? { ...final, parts } : undefined
    if (await ledger.create(id, this.textOf(made), tokenFor(id, tokenOf), needing)) return
    tokenFor(id, tokenOf)
    throw new Error('EEXIST: the upload exists')
  }

  /** Changes the ledger of an upload. Rejects with BytesFault where it is gone, and with upload_taken_over. */
  protected async change(id: string, change: Change): Promise<void> {
    const { ledger, tokenOf } = this.#tools
    if (await ledger.write(id, tokenFor(id, tokenOf), change)) return
    if (!(await ledger.find(id))) throw new BytesFault('MISSING', 'the upload is gone from the ledger')
    throw takenOver()
  }

  /** A sidecar's text, as the ledger keeps it. */
  protected textOf(facts: UploadFacts, boot: keyof typeof BOOTS = 'stored'): string {
    const draft = this.drafts.peek(facts.id)
    draft?.setFacts(facts)
    const updatedAt = new Date(this.#tools.now()).toISOString()
    return formatSidecar(sidecarOf(facts, { updatedAt, bootId: BOOTS[boot] }))
  }

  /** A reader of such bytes; objects are not removed before it is closed. */
  protected async reader(id: string, range: Range): Promise<StoredRange> {
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1)
    try {
      const kept = await this.readable(id, range.to)
      return new StoredRange(
        range,
        (each) => this.bytesOf(kept, each),
        () => this.#readerClosed(id),
      )
    } catch (error) {
      this.#readerClosed(id)
      throw error
    }
  }

  /** Removes uploads: they are gone at once, then their objects, then their rows. */
  protected async removeAll(ids: readonly string[]): Promise<void> {
    await Promise.all(ids.map((id) => this.drafts.drop(id)))
    const { ledger, tokenOf } = this.#tools
    const tokens = ids.map((id) => tokenFor(id, tokenOf))
    const removed = await ledger.beginRemoval(ids, tokens)
    for (const each of removed) if (this.#readers.has(each.id)) this.#whenRead.set(each.id, each)
    await removeObjects(
      this.#tools,
      removed.filter(({ id }) => !this.#readers.has(id)),
    )
    // One whose lock was lost before has stayed.
    for (const id of ids) tokenFor(id, tokenOf)
  }

  /** Waits for removals that came after their readers. */
  protected async removalsEnd(): Promise<void> {
    await Promise.all(this.#removing)
  }

  #readerClosed(id: string): void {
    const left = (this.#readers.get(id) ?? 1) - 1
    if (left > 0) return void this.#readers.set(id, left)
    this.#readers.delete(id)
    const removed = this.#whenRead.get(id)
    if (!removed || !this.#whenRead.delete(id)) return
    const removing = removeObjects(this.#tools, [removed]).catch((error: unknown) => {
      this.#tools.log.warn({ err: error, id }, 'objects of a removed upload are left to the sweep')
    })
    this.#removing.add(removing)
    void removing.finally(() => this.#removing.delete(removing))
  }

  /** This process may write the upload now. */
  protected mayWrite(id: string): boolean {
    return this.#tools.tokenOf(id) !== undefined
  }

  /**
   * Tells whether another node has written an upload since this one had it; asked once its lock is taken, before it is
   * read. Where nothing of it is in memory that does not matter, and nobody is asked. Rejects where the ledger cannot be.
   */
  async isOutdated(id: string, isInMemory: boolean): Promise<boolean> {
    return (isInMemory || this.drafts.has(id)) && !(await this.#tools.ledger.isAsLeft(id))
  }

  /**
   * Makes this node read the upload again the next time, where memory (`offset`, if it is there) may not be what is
   * stored, or `isLost`: another node may have had its lock already. A client may know from it what is stored.
   */
  settle(id: string, offset: number | undefined, isLost: boolean): void {
    const draft = this.drafts.peek(id)
    const isOther = draft?.isStored === true && offset !== undefined && draft.to !== offset
    if (isLost || isOther || draft?.isUnsure) this.#tools.ledger.disown(id)
  }

  /** Forgets what this process has of an upload that another node has written. */
  dropDraft(id: string): Promise<void> {
    return this.drafts.drop(id)
  }

  /** Stores what came and is not stored, where no body runs any more. What never can be stored is forgotten. */
  protected async persist(id: string): Promise<void> {
    const draft = this.drafts.peek(id)
    if (!draft || draft.isStored || draft.isOpen || !this.mayWrite(id)) return
    try {
      await this.drafts.with(id, (each) => each.persist())
    } catch (error) {
      if (!(error instanceof BytesFault)) throw error
      await this.drafts.drop(id)
    }
  }

  /** What is kept of an upload, and how much of that the bucket has; asked again where it changes meanwhile. */
  async #found(id: string): Promise<{ kept: Kept; present: number | undefined } | undefined> {
    const { ledger, bucket, keyOf } = this.#tools
    let kept = await ledger.find(id)
    for (let tries = 1; kept; tries++) {
      const present = await presentBytes(kept, keyOf(id), bucket)
      if (present === storedBytesOf(kept) || tries === TRIES) return { kept, present }
      const again = await ledger.find(id)
      if (JSON.stringify(again) === JSON.stringify(kept)) return { kept, present }
      kept = again
    }
    return undefined
  }

  /** An upload that no body writes now, once its bytes up to `to` can be read. Rejects with BytesFault where it is gone. */
  protected async readable(id: string, to: number): Promise<Kept> {
    await this.persist(id)
    const kept = await this.#kept(id)
    const base = kept.base?.bytes ?? 0
    if (kept.parts.length === 0 || Math.min(to, endOfParts(kept)) <= base) return kept
    await this.drafts.with(id, (draft) => draft.seal())
    return this.#kept(id)
  }

  /** Such bytes of it. */
  protected bytesOf(kept: Kept, range: Range): AsyncGenerator<Buffer> {
    const to = Math.min(range.to, storedBytesOf(kept))
    const { keyOf, bucket } = this.#tools
    return storedBytes(kept, keyOf(kept.id), bucket, { from: range.from, to })
  }

  async #kept(id: string): Promise<Kept> {
    const kept = isUploadId(id) ? await this.#tools.ledger.find(id) : undefined
    if (!kept) throw new BytesFault('MISSING', 'the upload is gone')
    return kept
  }
}
