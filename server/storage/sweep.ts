import { stat } from 'node:fs/promises'
import { isUploadId, pathsOf } from './paths.js'
import { readUpload, unlessMissing } from './reader.js'
import { sidecarFromRow } from './restore.js'
import { nextStep, type Terms } from './settle.js'
import { formatSidecar } from './sidecar.js'
import type { StorageLog, Thread } from './tools.js'
import type { StoredUpload, UploadRow } from './upload.js'
import { walk } from './walk.js'

/** Leftovers younger than this may belong to a request that runs. */
const LEFTOVER_AFTER_MS = 60_000

export interface SweepTools {
  readonly dataDir: string
  readonly bootId: string
  readonly thread: Pick<Thread, 'remove' | 'replace'>
  readonly log: StorageLog
  readonly now: () => number
  readonly terms: Terms
  /** Before this nothing can belong to a request of this process; milliseconds since 1970. */
  readonly startedAtMs: number
  readonly inMemory: (id: string) => boolean
  /** Runs `work` under an upload's lock; resolves without it where the upload is held. */
  readonly underLock: (id: string, work: () => Promise<void>) => Promise<void>
  /** Does to an upload what is due; the caller holds its lock. */
  readonly tend: (id: string) => Promise<string>
  /** Told of every finished upload, and of the end of every walk. */
  readonly met: (finished: StoredUpload) => Promise<void>
  readonly metAll: () => Promise<void>
  /** True when every upload that got bytes at that time or later has a record; milliseconds since 1970. */
  readonly indexIsWhole: (sinceMs: number) => boolean
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRow | undefined>
}

/**
 * Walks the day folders, one entry after the other: finishes what is whole, expires what got no bytes for too
 * long, and removes what crashes left behind. Never a finished upload, never one that is held.
 */
export class Sweep {
  readonly #tools: SweepTools
  #stopped = false

  constructor(tools: SweepTools) {
    this.#tools = tools
  }

  /** Ends a running sweep at its next entry. */
  stop(): void {
    this.#stopped = true
  }

  /** One walk over everything. What goes wrong with one entry is logged, and the walk goes on. */
  async run(): Promise<void> {
    for await (const name of walk(this.#tools.dataDir)) {
      if (this.#stopped) return
      try {
        await this.#visit(name)
      } catch (error) {
        this.#tools.log.error({ err: error, name }, 'the sweep could not tend an entry')
      }
    }
    await this.#tools.metAll()
  }

  async #visit(name: string): Promise<void> {
    const id = name.replace(/\.json(?:\.tmp)?$/, '')
    if (!isUploadId(id)) return
    const { underLock, inMemory } = this.#tools
    if (name !== id) {
      if (inMemory(id) || (name === `${id}.json` && (await this.#hasBytes(id)))) return
      await underLock(id, () => this.#beside(id, name))
      return
    }
    const found = await readUpload(this.#tools.dataDir, id, this.#tools.bootId)
    if (found.kind === 'upload' && found.upload.sha256 !== null) return this.#tools.met(found.upload)
    // One that is in memory writes its sidecar again.
    if (found.kind === 'torn' && !this.#tools.inMemory(id)) await underLock(id, () => this.#torn(id))
    else if (found.kind === 'upload' && this.#isDue(found.upload)) await underLock(id, () => this.#tend(id))
  }

  async #hasBytes(id: string): Promise<boolean> {
    return (await unlessMissing(stat(pathsOf(this.#tools.dataDir, id).file))) !== undefined
  }

  /** What only waits for bytes is left alone: it is not taken into memory by a sweep. */
  #isDue(upload: StoredUpload): boolean {
    return nextStep(upload, this.#tools.now(), this.#tools.terms) !== 'wait'
  }

  async #tend(id: string): Promise<void> {
    const done = await this.#tools.tend(id)
    this.#tools.log.info({ id, done }, 'the sweep tended an upload')
  }

  /** A sidecar without bytes, or a temporary file that no rename took away. */
  async #beside(id: string, name: string): Promise<void> {
    const { dataDir, bootId, thread, log } = this.#tools
    const { sidecar } = pathsOf(dataDir, id)
    const found = await readUpload(dataDir, id, bootId)
    if (name.endsWith('.json') && found.kind !== 'missing') return
    log.warn({ name }, 'a leftover of a crash is removed')
    await thread.remove([name.endsWith('.tmp') ? `${sidecar}.tmp` : sidecar])
  }

  async #torn(id: string): Promise<void> {
    const { dataDir, bootId, thread, log, now, startedAtMs } = this.#tools
    const found = await readUpload(dataDir, id, bootId)
    if (found.kind !== 'torn') return
    if (found.touchedAtMs > startedAtMs && now() - found.touchedAtMs < LEFTOVER_AFTER_MS) return
    const { file, sidecar } = pathsOf(dataDir, id)
    const restored = sidecarFromRow(await this.#tools.row(id), found.fileBytes)
    log.warn({ id, restored: restored !== undefined }, 'bytes without a sidecar, left by a crash')
    if (!restored && found.fileBytes > 0 && !this.#tools.indexIsWhole(found.touchedAtMs)) {
      log.warn({ id }, 'the index may have lost the record of these bytes: they are kept')
      return
    }
    if (restored)
      await thread.replace({
        path: sidecar,
        text: () => formatSidecar(restored),
        durable: true,
        bytesPath: null,
      })
    else await thread.remove([file, sidecar])
  }
}
