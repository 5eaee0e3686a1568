import type { Engine, Entry } from '../model/engine.js'
import type { Log } from '../model/log.js'
import { dueAtMs, nextStep, type Terms } from '../model/next-step.js'
import type { UploadRecord } from '../model/record.js'
import { factsFromRecord } from '../model/restored-facts.js'
import { loadUpload, type OnStorage } from './load-upload.js'
import type { Unfinished } from './unfinished.js'
import type { StoredUpload } from './upload.js'

/** Leftovers younger than this may belong to a request that runs. */
const LEFTOVER_AFTER_MS = 60_000

interface VisitTools {
  readonly engine: Pick<Engine, 'load' | 'addressOf' | 'isLeftover' | 'removeLeftover' | 'restore' | 'remove'>
  readonly log: Log
  readonly now: () => number
  readonly terms: Terms
  /** Before this nothing can belong to a request of this process; milliseconds since 1970. */
  readonly startedAtMs: number
  readonly unfinished: Pick<Unfinished, 'set' | 'delete' | 'has'>
  readonly inMemory: (id: string) => StoredUpload | undefined
  /** Runs `work` under an upload's lock; resolves without it where the upload is held. */
  readonly ifFree: (id: string, work: () => Promise<void>) => Promise<void>
  /** Runs `work` once nobody holds the upload. Rejects with upload_locked where that takes too long. */
  readonly whenFree: (id: string, work: () => Promise<void>) => Promise<void>
  /** Does to an upload what is due; the caller holds its lock. */
  readonly handleDue: (id: string) => Promise<string>
  /** True when every upload that got bytes at that time or later has a record; milliseconds since 1970. */
  readonly indexIsWhole: (sinceMs: number) => boolean
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRecord | undefined>
}

/** What a visit found: the upload as it is, or that there is none. */
export type Visited = StoredUpload | 'missing' | undefined

/**
 * The visit of one name in a day folder: it notes what is unfinished, finishes or joins what is whole, and removes
 * what crashes left behind. Never a finished upload, never one that is held. What expires is left to the expiry.
 */
export class Visit {
  readonly #tools: VisitTools

  constructor(tools: VisitTools) {
    this.#tools = tools
  }

  /** Visits an entry; gives the upload where the entry is its bytes, undefined for anything else. */
  async entry(entry: Entry): Promise<Visited> {
    if (entry.kind === 'bytes') return this.upload(entry.id)
    const { engine, inMemory, ifFree } = this.#tools
    if (inMemory(entry.id) || !(await engine.isLeftover(entry))) return undefined
    await ifFree(entry.id, () => this.#removeLeftover(entry))
    return undefined
  }

  /** Visits an upload. One that is in memory is as it is there: a request that only read it writes no record. */
  async upload(id: string): Promise<Visited> {
    const { inMemory, unfinished } = this.#tools
    const wasUnfinished = unfinished.has(id)
    const found = inMemory(id) ? undefined : await this.#read(id)
    // It may have come into memory, or have been finished or removed, while the disk was read.
    const live = inMemory(id)
    if (!live && wasUnfinished && !unfinished.has(id)) return this.upload(id)
    const upload = live ?? (found?.kind === 'upload' ? found.upload : undefined)
    if (upload && !upload.gone && upload.sha256 === null) return this.#unfinished(upload)
    unfinished.delete(id)
    if (upload && !upload.gone) return upload
    return found?.kind === 'missing' ? 'missing' : undefined
  }

  /** The record of what was found, where it is not on its way to the index by itself. */
  rowOf(visited: Visited): UploadRecord | undefined {
    return visited === 'missing' || visited === undefined || visited.gone
      ? undefined
      : visited.toRecordAtRest()
  }

  async #unfinished(upload: StoredUpload): Promise<Visited> {
    const { id, kind } = upload
    const { now, terms, unfinished, ifFree, inMemory } = this.#tools
    unfinished.set(id, dueAtMs(upload, now(), terms))
    const next = nextStep(upload, now(), terms)
    // Whether a part may go is known once every final upload is.
    if (next === 'wait' || (next === 'expire' && kind !== 'final')) return upload
    await ifFree(id, () => this.#handleDue(id))
    // A final upload that waits for its parts is not kept in memory.
    const found = inMemory(id) ? undefined : await this.#read(id)
    return inMemory(id) ?? (found?.kind === 'upload' ? found.upload : undefined)
  }

  /** What lies on the disk of an upload, once bytes whose sidecar is torn have it back or are removed. */
  async #read(id: string): Promise<OnStorage> {
    const { engine, inMemory, whenFree } = this.#tools
    const found = await loadUpload(engine, id)
    // One that is in memory writes its sidecar again.
    if (found.kind !== 'torn' || inMemory(id)) return found
    // Not put off to the next visit: until then its client, who asks over and over, gets 423.
    await whenFree(id, () => this.#torn(id))
    return loadUpload(engine, id)
  }

  async #handleDue(id: string): Promise<void> {
    const done = await this.#tools.handleDue(id)
    this.#tools.log.info({ id, done }, 'did what was due with an upload')
  }

  /** Facts without bytes, or what a write of facts left. Asked again: a request may have come before the lock. */
  async #removeLeftover(entry: Entry): Promise<void> {
    const { engine, log } = this.#tools
    if (!(await engine.isLeftover(entry))) return
    log.warn({ ...entry }, 'a leftover of a crash is removed')
    await engine.removeLeftover(entry)
  }

  async #torn(id: string): Promise<void> {
    const { engine, log, now, startedAtMs } = this.#tools
    const found = await engine.load(id)
    if (found.kind !== 'torn') return
    if (found.touchedAtMs > startedAtMs && now() - found.touchedAtMs < LEFTOVER_AFTER_MS) return
    const restored = factsFromRecord(await this.#tools.row(id), found.storedBytes)
    log.warn({ id, restored: restored !== undefined }, 'bytes without a sidecar, left by a crash')
    if (!restored && found.storedBytes > 0 && !this.#tools.indexIsWhole(found.touchedAtMs)) {
      log.warn({ id }, 'the index may have lost the record of these bytes: they are kept')
      return
    }
    if (restored) await engine.restore(id, restored)
    else await engine.remove([id], { durable: false })
  }
}
