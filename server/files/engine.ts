import { availableParallelism } from 'node:os'
import type { Checkpoint } from '../model/checkpoint.js'
import type {
  Appended,
  AppendedBlocks,
  CheckpointOptions,
  Digested,
  Engine,
  Entry,
  RangeReader,
} from '../model/engine.js'
import { formatSidecar, sidecarOf } from '../model/sidecar.js'
import type { UploadFacts } from '../model/upload-facts.js'
import type { ArenaMemory } from './arena-view.js'
import { currentBoot } from './boot.js'
import { Disk } from './disk.js'
import { FileRange } from './file-range.js'
import { pathsOf } from './paths.js'
import { RestingFiles } from './resting-files.js'
import { StoredFiles } from './stored-files.js'
import { threadCount } from './threads.js'
import { withDescriptor } from './with-descriptor.js'
import { Writer } from './writer.js'

/** Its bytes and its sidecar. */
const FILES_OF_AN_UPLOAD = 2
/** A boot that is never the current one: bytes behind the last checkpoint do not count. */
const NO_BOOT = 'unknown'

export interface FilesOptions {
  /** The folder must exist. */
  readonly dataDir: string
  readonly arena: ArenaMemory
  /** Threads that write and digest; auto: one less than there are cores, at least 1 and at most 4. */
  readonly digestThreads: number | 'auto'
  readonly log: { error(fields: object, text: string): void }
  readonly minFreeBytes: number
  /** Called with the milliseconds of each flush. */
  readonly flushed?: (ms: number) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** The storage engine that keeps uploads as files on this machine; threads write and digest their bytes. */
export class FilesEngine extends StoredFiles implements Engine {
  readonly finals = null
  readonly #now: () => number
  readonly #disk: Disk
  readonly #writer: Writer
  /** Uploads whose file a body has open in a thread. */
  readonly #open = new Set<string>()
  readonly #resting: RestingFiles

  private constructor(options: FilesOptions, disk: Disk) {
    super(options.dataDir, currentBoot(options.now()))
    this.#now = options.now
    this.#disk = disk
    const { arena, digestThreads, log, flushed, monotonic } = options
    const ended = (err: Error): void => log.error({ err }, 'a thread ended; the next task starts another')
    this.#writer = new Writer(threadCount(digestThreads, availableParallelism()), { arena, ended }, flushed)
    // A thread that has ended holds no file any more.
    const close = (id: string): Promise<void> => this.#writer.closeFile(id).catch(() => {})
    this.#resting = new RestingFiles({ close, monotonic })
  }

  /** Starts the engine on a data folder. Rejects with the system's error where its disk cannot be asked. */
  static async start(options: FilesOptions): Promise<FilesEngine> {
    const { dataDir: folder, minFreeBytes, monotonic } = options
    const disk = new Disk({ folder, minFreeBytes, monotonic })
    await disk.refresh()
    return new FilesEngine(options, disk)
  }

  /** What the disk has left, as last seen. */
  get space(): { readonly freeBytes: number; readonly freeInodes: number | null } {
    return { freeBytes: this.#disk.freeBytes, freeInodes: this.#disk.freeInodes }
  }

  /** Bytes that wait to be written and digested; each upload with an open file counts as a block. */
  get backlogBytes(): number {
    return this.#writer.backlogBytes
  }

  /** See Engine. */
  create(id: string, facts: () => UploadFacts, { durable }: { durable: boolean }): Promise<void> {
    const { file, sidecar } = this.#pathsOf(id)
    const sidecarText = this.#textOf(facts)
    return this.#writer.create({ id, path: file, sidecarPath: sidecar, sidecarText, durable })
  }

  /** See Engine. */
  async open(id: string, offset: number, isOver: () => boolean): Promise<void> {
    // Also where it fails: the worker may have opened the file.
    this.#open.add(id)
    if (this.#resting.take(id, offset)) return
    await this.#writer.open({ id, path: this.#pathsOf(id).file, bytes: offset }, isOver)
  }

  /** See Engine. */
  async append(id: string, appended: AppendedBlocks): Promise<Appended> {
    const { position, digest, isChecked, algorithms, begins, ends, closes } = appended
    const blocks = appended.blocks.flatMap(({ index, bytes }) => [index, bytes])
    const path = this.#pathsOf(id).file
    const task = { id, path, position, blocks, digest, isChecked, begins, rests: closes }
    if (begins) this.#open.add(id)
    const written = this.#writer.append(task)
    let checksums: Record<string, string> | null = null
    if (algorithms.length > 0) {
      const computed = this.#writer.check({ id, blocks, algorithms, begins, ends })
      // Both must be done with the blocks before they are given back, also where one of them fails.
      const [, checked] = await Promise.allSettled([written, computed])
      if (checked.status === 'fulfilled') checksums = checked.value
    }
    const digested = await written
    if (closes) this.#rest(id, position + sumOf(appended))
    return { live: digested.live, sha256: digested.sha256, checksums }
  }

  #rest(id: string, position: number): void {
    this.#open.delete(id)
    this.#resting.add(id, position)
  }

  /** See Engine. */
  async commit(id: string, { digest }: Parameters<Engine['commit']>[1]): Promise<Digested> {
    const committed = await this.#writer.commit({ id, path: this.#pathsOf(id).file, digest })
    this.#open.delete(id)
    return committed
  }

  /** See Engine. */
  async rollBack(id: string, { offset }: { offset: number }): Promise<Digested> {
    const rolledBack = await this.#writer.rollBack({ id, path: this.#pathsOf(id).file, offset })
    this.#open.delete(id)
    return rolledBack
  }

  /** See Engine. */
  checksum(id: string, of: { from: number; to: number; algorithm: string }): Promise<string> {
    return this.#writer.digestStored({ id, path: this.#pathsOf(id).file, ...of })
  }

  /** See Engine. */
  async close(id: string): Promise<void> {
    if (this.#open.delete(id)) await this.#writer.closeFile(id)
  }

  /** See Engine. */
  async checkpoint(id: string, facts: () => UploadFacts, options: CheckpointOptions): Promise<void> {
    const { durable, bytes, finishedBytes, after } = options
    const { file, sidecar } = this.#pathsOf(id)
    const finished = finishedBytes === undefined ? {} : { finishedBytes }
    const bytesPath = bytes ? file : null
    if (after) {
      const flushed = durable && bytes ? this.#flush(id, finishedBytes) : Promise.resolve()
      // Both are over before the caller goes on, also where one fails.
      await Promise.allSettled([after, flushed])
      await Promise.all([after, flushed])
    }
    await this.#writer.replace({
      ...{ id, path: sidecar, text: this.#textOf(facts), durable, bytesPath },
      ...{ areFlushed: after !== undefined, ...finished },
    })
    if (finishedBytes !== undefined) this.#open.delete(id)
  }

  /** See Engine. */
  restore(id: string, facts: UploadFacts): Promise<void> {
    const text = this.#textOf(() => facts, NO_BOOT)
    return this.#writer.replace({ id, path: this.#pathsOf(id).sidecar, text, durable: true, bytesPath: null })
  }

  /** See Engine. */
  flush(id: string): Promise<void> {
    return this.#flush(id)
  }

  /** See Engine. */
  async truncate(id: string, bytes: number): Promise<void> {
    await this.#resting.close(id)
    return this.#writer.truncate({ id, path: this.#pathsOf(id).file, length: bytes })
  }

  /** See Engine. */
  prove(
    id: string,
    range: { to: number; checkpoints: readonly Checkpoint[]; budgetBytes: number },
  ): Promise<{ offset: number; damagedAfter: number | null }> {
    return this.#writer.prove({ id, path: this.#pathsOf(id).file, ...range })
  }

  /** See Engine. */
  digest(id: string, offset: number): Promise<string | null> {
    return this.#writer.digest({ id, offset })
  }

  /** See Engine. */
  async forget(id: string): Promise<void> {
    this.#open.delete(id)
    this.#resting.delete(id)
    await this.#writer.forget(id)
  }

  /** See Engine. */
  join(
    id: string,
    { part, ...piece }: { position: number; part: string; from: number; bytes: number },
  ): Promise<number> {
    const [path, partPath] = [this.#pathsOf(id).file, this.#pathsOf(part).file]
    return this.#writer.join({ id, path, partPath, ...piece })
  }

  /** See Engine. */
  read(id: string, range: { from: number; to: number }, isOver = () => true): Promise<RangeReader> {
    return withDescriptor(() => FileRange.open(this.#pathsOf(id).file, range), isOver)
  }

  /** See Engine. */
  async remove(ids: readonly string[], { durable }: { durable: boolean }): Promise<void> {
    await Promise.all(ids.map((id) => this.#resting.close(id)))
    // The bytes first: a crash in between leaves a sidecar alone, which the sweep removes. Bytes alone might be
    // restored from their record.
    const paths = ids.map((id) => [id, Object.values(this.#pathsOf(id))] as const)
    return this.#writer.remove(new Map(paths), durable)
  }

  /** See Engine. */
  async isLeftover({ id, kind }: Entry): Promise<boolean> {
    if (kind === 'facts') return !(await this.has(id))
    return kind === 'temporary'
  }

  /** See Engine. */
  removeLeftover({ id, kind }: Entry): Promise<void> {
    const { sidecar } = this.#pathsOf(id)
    return this.#writer.remove(new Map([[id, [kind === 'temporary' ? `${sidecar}.tmp` : sidecar]]]))
  }

  /** See Engine. */
  isFull(bytes = 0, uploads = 0): Promise<boolean> {
    return this.#disk.isFull(bytes, uploads * FILES_OF_AN_UPLOAD)
  }

  /** See Engine. */
  end(): Promise<void> {
    return this.#writer.close()
  }

  #flush(id: string, bytes?: number): Promise<void> {
    return this.#writer.flush({ id, path: this.#pathsOf(id).file, ...(bytes === undefined ? {} : { bytes }) })
  }

  #pathsOf(id: string) {
    return pathsOf(this.dataDir, id)
  }

  #textOf(facts: () => UploadFacts, bootId = this.bootId): () => string {
    return () => formatSidecar(sidecarOf(facts(), { updatedAt: new Date(this.#now()).toISOString(), bootId }))
  }
}

function sumOf({ blocks }: AppendedBlocks): number {
  return blocks.reduce((total, { bytes }) => total + bytes, 0)
}
