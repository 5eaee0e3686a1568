import type { Checkpoint } from '../model/checkpoint.js'
import type {
  Appended,
  AppendedBlocks,
  CheckpointOptions,
  Digested,
  Engine,
  Entry,
  JoinedPiece,
  RangeReader,
} from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'
import type { UploadFacts } from '../model/upload-facts.js'
import { withFetched } from './fetched.js'
import { Joins } from './joins.js'
import type { SpoolWriter } from './spool-writer.js'
import { StoredUploads, type StoredUploadsTools } from './stored-uploads.js'

/** Room that running uploads need in the scratch folder: a few parts each, whatever is announced. */
const SCRATCH_PARTS = 7

export interface S3EngineTools extends StoredUploadsTools {
  readonly writer: SpoolWriter
  /** The disk of the scratch folder. */
  readonly disk: {
    readonly freeBytes: number
    readonly freeInodes: number | null
    isFull(addedBytes: number, addedFiles: number): Promise<boolean>
  }
}

/** The storage engine that keeps uploads as objects of a bucket; threads write and digest their bytes on the way. */
export class S3Engine extends StoredUploads implements Engine {
  readonly #tools: S3EngineTools
  readonly #writer: SpoolWriter
  readonly #joins: Joins

  constructor(tools: S3EngineTools) {
    super(tools)
    this.#tools = tools
    this.#writer = tools.writer
    this.#joins = new Joins({
      ...tools,
      readable: (part, to) => this.readable(part, to),
      bytesOf: (kept, range) => this.bytesOf(kept, range),
    })
  }

  /** What the disk of the scratch folder has left, as last seen. */
  get space(): { readonly freeBytes: number; readonly freeInodes: number | null } {
    return { freeBytes: this.#tools.disk.freeBytes, freeInodes: this.#tools.disk.freeInodes }
  }

  /** Bytes that wait to be written and digested. */
  get backlogBytes(): number {
    return this.#writer.backlogBytes
  }

  /** See Engine. */
  async open(id: string, offset: number, isOver: () => boolean): Promise<void> {
    await this.drafts.with(id, async (draft) => {
      await this.#writer.closeFile(id)
      await draft.begin(offset)
      await this.#writer.open({ id, path: await draft.path(), bytes: offset }, isOver)
    })
  }

  /** See Engine. */
  append(id: string, appended: AppendedBlocks): Promise<Appended> {
    return this.drafts.with(id, async (draft) => {
      const { blocks, position, closes, begins, digest } = appended
      if (begins && !draft.isOpen) await draft.begin(position)
      const bytes = blocks.reduce((sum, block) => sum + block.bytes, 0)
      // One that only asks for the digest needs no file.
      const done =
        bytes === 0 && !closes
          ? await this.#write(id, appended, '')
          : await draft.append(position, bytes, (path) => this.#write(id, appended, path))
      if (digest === 'prefix' && !closes) await draft.noteDigest()
      if (closes) {
        await this.#writer.closeFile(id)
        await draft.persist()
      }
      return done
    })
  }

  async #write(id: string, appended: AppendedBlocks, path: string): Promise<Appended> {
    const { position, digest, isChecked, algorithms, begins, ends, closes } = appended
    const blocks = appended.blocks.flatMap(({ index, bytes }) => [index, bytes])
    const task = { id, path, position, blocks, digest, isChecked, begins, rests: closes }
    const written = this.#writer.append(task)
    if (algorithms.length === 0) return { ...(await written), checksums: null }
    const computed = this.#writer.check({ id, blocks, algorithms, begins, ends })
    // Both must be done with the blocks before they are given back, also where one of them fails.
    const [, checked] = await Promise.allSettled([written, computed])
    return { ...(await written), checksums: checked.status === 'fulfilled' ? checked.value : null }
  }

  /** See Engine. */
  commit(id: string, { digest }: Parameters<Engine['commit']>[1]): Promise<Digested> {
    return this.drafts.with(id, async (draft) => {
      const committed = await this.#writer.commit({ id, path: await draft.path(), digest })
      await draft.persist()
      return committed
    })
  }

  /** See Engine. */
  rollBack(id: string, { offset }: { offset: number }): Promise<Digested> {
    return this.drafts.with(id, async (draft) => {
      const path = await draft.cut(offset)
      const rolledBack = await this.#writer.rollBack({ id, path, offset })
      await draft.persist()
      return rolledBack
    })
  }

  /** See Engine. */
  checksum(id: string, { from, to, algorithm }: Parameters<Engine['checksum']>[1]): Promise<string> {
    const { scratch } = this.#tools
    return this.drafts.with(id, (draft) =>
      draft.read({ from, to }, (pieces) =>
        withFetched(scratch, { from, pieces }, (path, end) => {
          if (end !== to) throw new BytesFault('DAMAGED', `${end} bytes are stored, not ${to}`)
          return this.#writer.digestStored({ id, path, from, to, algorithm })
        }),
      ),
    )
  }

  /** See Engine. Bytes that cannot be stored any more do not count: `measure` says so. */
  async close(id: string): Promise<void> {
    const draft = this.drafts.peek(id)
    if (!draft?.isOpen) return
    await this.#writer.closeFile(id)
    draft.isOpen = false
    await this.persist(id)
  }

  /** See Engine. */
  async checkpoint(
    id: string,
    facts: () => UploadFacts,
    { finishedBytes, after }: CheckpointOptions,
  ): Promise<void> {
    await after
    if (finishedBytes === undefined) return this.change(id, { facts: this.textOf(facts()) })
    if (this.#joins.has(id)) return this.#finishJoined(id, finishedBytes, facts)
    await this.drafts.with(id, async (draft) => {
      await this.#writer.closeFile(id)
      await draft.finish(finishedBytes, () => this.textOf(facts()))
    })
    await this.drafts.drop(id)
  }

  async #finishJoined(id: string, bytes: number, facts: () => UploadFacts): Promise<void> {
    const joined = await this.#joins.finish(id, bytes)
    try {
      await this.change(id, { ...joined, facts: this.textOf(facts()) })
    } catch (error) {
      if (error instanceof BytesFault && error.code === 'MISSING') await this.#joins.discard(id)
      throw error
    }
    await this.#joins.end(id)
    await this.drafts.drop(id)
  }

  /** See Engine. */
  restore(id: string, facts: UploadFacts): Promise<void> {
    return this.change(id, { facts: this.textOf(facts, 'unproven') })
  }

  /** See Engine. Bytes of a body that runs are stored at its end. */
  async flush(id: string): Promise<void> {
    const draft = this.drafts.peek(id)
    if (draft && !draft.isOpen && !draft.isStored && this.mayWrite(id))
      await this.drafts.with(id, () => draft.persist())
  }

  /** See Engine. */
  async truncate(id: string, bytes: number): Promise<void> {
    await this.drafts.with(id, async (draft) => {
      const path = await draft.cut(bytes)
      await this.#writer.truncate({ id, path, length: bytes })
    })
  }

  /** See Engine. */
  prove(
    id: string,
    range: { to: number; checkpoints: readonly Checkpoint[]; budgetBytes: number },
  ): Promise<{ offset: number; damagedAfter: number | null }> {
    return this.drafts.with(id, (draft) => draft.prove(range))
  }

  /** See Engine. */
  digest(id: string, offset: number): Promise<string | null> {
    return this.#writer.digest({ id, offset })
  }

  /** See Engine. */
  async forget(id: string): Promise<void> {
    const draft = this.drafts.peek(id)
    if (draft) draft.isOpen = false
    await this.#joins.end(id)
    await this.#writer.forget(id)
  }

  /** See StoredUploads. What is joined here is not in the ledger before its end, and nothing of it is given up for others. */
  override async isOutdated(id: string, isInMemory: boolean): Promise<boolean> {
    return !this.#joins.has(id) && super.isOutdated(id, isInMemory)
  }

  /** See Engine. */
  join(id: string, piece: JoinedPiece): Promise<number> {
    return this.#joins.add(id, piece)
  }

  /** See Engine. */
  async remove(ids: readonly string[]): Promise<void> {
    await Promise.all(ids.flatMap((id) => [this.#writer.closeFile(id), this.#joins.end(id)]))
    await this.removeAll(ids)
  }

  /** See Engine. */
  async isLeftover({ id, kind }: Entry): Promise<boolean> {
    return kind === 'facts' && (await this.#tools.ledger.halfRemoved([id])).has(id)
  }

  /** See Engine. */
  removeLeftover({ id }: Entry): Promise<void> {
    return this.removeAll([id])
  }

  /** See Engine. */
  async isFull(bytes = 0, uploads = 0): Promise<boolean> {
    const most = SCRATCH_PARTS * this.#tools.leastPartBytes
    return this.#tools.disk.isFull(Math.min(bytes, most), uploads)
  }

  /** See Engine. */
  async end(): Promise<void> {
    await this.#joins.endAll()
    await this.drafts.end().finally(() => this.#writer.close())
    await this.removalsEnd()
    this.#tools.bucket.end()
  }

  /** See Engine. */
  read(id: string, range: { from: number; to: number }): Promise<RangeReader> {
    return this.reader(id, range)
  }
}
