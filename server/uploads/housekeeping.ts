import { setTimeout } from 'node:timers/promises'
import type { Log } from '../model/log.js'
import type { UploadRecord } from '../model/record.js'
import type { RecordStore, RecordsReady } from '../model/record-store.js'

const MOST_BETWEEN_MS = 10 * 60_000
const LEAST_BETWEEN_MS = 250
/** How often it is asked what has expired. */
const EXPIRY_EVERY_MS = 1000
/** Where another process holds the database for longer, the start goes by the disk alone. */
const INDEX_WITHIN_MS = 10_000
/** Rows without files that are kept in each state: a flood must not fill the database instead of the disk. */
const MOST_ENDED = 100_000

/** The server ends before a walk has come to its end. */
class CutShort extends Error {}

export interface HousekeepingTools {
  readonly sweep: {
    readonly hasSeenAll: boolean
    known(newestAt: string | null): Promise<void>
    unfinished(): Promise<void>
    everything(): AsyncIterable<UploadRecord>
    isKept(id: string): Promise<boolean>
    prove(): Promise<void>
    stop(): void
  }
  readonly expiry: { run(): Promise<void>; stop(): void; ended(): Promise<void> }
  readonly records: Pick<RecordStore, 'ready' | 'takeClean' | 'leaveClean' | 'purge' | 'reindex'>
  /** What one of many nodes does at a time; null where there is one. */
  readonly turns: {
    unlessTaken(name: string, work: () => Promise<void>): Promise<void>
    inTurn(name: string, work: () => Promise<void>, isOver: () => boolean): Promise<void>
  } | null
  readonly log: Log
  readonly now: () => number
  readonly expireAfterMs: number
  readonly keepPartialsMs: number
}

/** How long an upload that was looked at is left alone, and how often the index is proven; milliseconds. */
export function betweenMs(terms: { expireAfterMs: number; keepPartialsMs: number }): number {
  const shortestMs = Math.min(terms.expireAfterMs, terms.keepPartialsMs || terms.expireAfterMs)
  return Math.min(MOST_BETWEEN_MS, Math.max(LEAST_BETWEEN_MS, shortestMs / 4))
}

/** What goes on in the background: the first pass of the start, then expiry, proof and purge, each by its timer. */
export class Housekeeping {
  readonly #tools: HousekeepingTools
  readonly #closed = new AbortController()
  readonly #loops: Promise<void>[] = []
  #reindexing: Promise<void> = Promise.resolve()
  /** A pass by the index that came too late to be the first thing at the start. */
  #latePass: Promise<void> | undefined
  /** The first pass went by the index, and did not read what is finished. */
  #isByIndex = false

  constructor(tools: HousekeepingTools) {
    this.#tools = tools
  }

  /** Begins; nothing waits for it. */
  start(): void {
    this.#loops.push(this.#run())
  }

  /** Brings the index up to the sidecars: rows that a crash, a lock or a deletion kept out of it. */
  reindex(): void {
    this.#reindexing = this.#reindexing.then(() => this.#try('the reindex', () => this.#reindex()))
  }

  /** Ends what runs at its next small step. */
  stop(): void {
    this.#closed.abort()
    this.#tools.sweep.stop()
    this.#tools.expiry.stop()
  }

  /** Stops, and resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.stop()
    await Promise.all([...this.#loops, this.#reindexing, this.#latePass, this.#tools.expiry.ended()])
  }

  async #run(): Promise<void> {
    const { sweep, expiry, turns, expireAfterMs, keepPartialsMs } = this.#tools
    await this.#try('the first pass', () => this.#first())
    if (!sweep.hasSeenAll) await this.#try('the walk without the index', () => this.#walk())
    await this.#latePass
    const everyMs = betweenMs({ expireAfterMs, keepPartialsMs })
    this.#repeat('the expiry', Math.min(everyMs, EXPIRY_EVERY_MS), () => expiry.run())
    this.#repeat('the purge', everyMs, () => this.#purge())
    // A walk over everything was a proof too.
    if (!this.#isByIndex) await this.#pause(everyMs)
    const prove = (): Promise<void> => sweep.prove()
    this.#repeat('the proof of the index', everyMs, () => turns?.unlessTaken('proof', prove) ?? prove())
  }

  /** The first pass by the index, as far as it goes. Rejects where the database cannot be asked. */
  async #first(): Promise<void> {
    const index = await this.#opened()
    if (index) await this.#byIndex(index)
  }

  async #byIndex(index: RecordsReady): Promise<void> {
    const { records, sweep, turns, log } = this.#tools
    const isClean = await records.takeClean()
    const isWhole = !index.fresh && index.newestAt !== null
    this.#isByIndex = isWhole
    if (isWhole) await sweep.known(isClean ? null : index.newestAt)
    else await sweep.unfinished()
    if (!isWhole) await this.#reindex()
    // A walk may have seen all before: what counts is that this pass has compared all with the index.
    if (!sweep.hasSeenAll || this.#isClosed) return
    // The end of one node says nothing of what others have yet to write.
    if (!turns) records.leaveClean()
    if (isWhole) log.info({ isClean }, 'the index is up to date')
  }

  /** How the index was found; undefined where another process keeps it, and then this comes later. */
  async #opened(): Promise<RecordsReady | undefined> {
    const { ready } = this.#tools.records
    const late = setTimeout(INDEX_WITHIN_MS, undefined, { signal: this.#closed.signal }).catch(
      () => undefined,
    )
    const opened = ready.catch((error: unknown) => {
      if (!this.#isClosed) this.#tools.log.error({ err: error }, 'the index could not be opened')
      return undefined
    })
    const index = await Promise.race([opened, late])
    // Not awaited by the close: a database that stays locked would hold it up.
    if (!index) opened.then((found) => this.#late(found))
    return index
  }

  /** The index is there after all: it is faster than the walk that began without it. */
  #late(found: RecordsReady | undefined): void {
    if (found) this.#latePass = this.#try('the pass by the index', () => this.#byIndex(found))
  }

  async #walk(): Promise<void> {
    for await (const _ of this.#tools.sweep.everything()) if (this.#isClosed || this.#latePass) return
  }

  async #reindex(): Promise<void> {
    const { turns } = this.#tools
    await (turns?.inTurn(
      'reindex',
      () => this.#reindexNow(),
      () => this.#isClosed,
    ) ?? this.#reindexNow())
  }

  async #reindexNow(): Promise<void> {
    const { sweep, records, log } = this.#tools
    const { restored, removed } = await records.reindex(this.#allRows(), ({ id }) => sweep.isKept(id))
    if (!this.#isClosed) log.info({ restored, removed }, 'the index is up to date')
  }

  /** The rows of all uploads. Throws where the server ends before: an index with some of them is not whole. */
  async *#allRows(): AsyncGenerator<UploadRecord> {
    yield* this.#tools.sweep.everything()
    if (this.#isClosed) throw new CutShort()
  }

  async #purge(): Promise<void> {
    const before = new Date(this.#tools.now() - this.#tools.expireAfterMs)
    const purged = await this.#tools.records.purge(before, MOST_ENDED)
    if (purged > 0) this.#tools.log.info({ purged }, 'old rows were removed')
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted
  }

  /** Does something now, and again so long after it has ended. */
  #repeat(name: string, everyMs: number, work: () => Promise<void>): void {
    const loop = async (): Promise<void> => {
      while (!this.#isClosed) {
        await this.#try(name, work)
        await this.#pause(everyMs)
      }
    }
    this.#loops.push(loop())
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closed
    await setTimeout(ms, undefined, { signal, ref: false }).catch(() => undefined)
  }

  /** A failed task is logged and retried at the next interval. */
  async #try(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return
    try {
      await work()
    } catch (error) {
      if (!(error instanceof CutShort)) this.#tools.log.warn({ err: error }, `${name} failed`)
    }
  }
}
