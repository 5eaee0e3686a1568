import type { Log } from '../model/log.js'
import type { UploadRecord } from '../model/record.js'
import {
  type RecordPlace,
  type RecordStore,
  RecordsError,
  type RecordsReady,
  type RecordsStats,
  type ReindexCause,
  type ReindexResult,
} from '../model/record-store.js'
import type { UploadFilter } from '../model/upload-list.js'
import {
  type Answer,
  type Backend,
  type BackendEvents,
  type Call,
  type Opening,
  ROWS_AT_ONCE,
  type RowFault,
} from './backend.js'
import { countRecords, listRecords } from './listing.js'
import { purge } from './purge.js'
import { rebuild } from './reindex.js'
import { Trouble } from './trouble.js'
import { RecordWriter, type WriterNeeds } from './writer.js'

/** How long a task in the background tries a locked database again before it gives up. */
const TASK_RETRY_MS = 30_000
/** Somebody waits for a list. */
const LIST_RETRY_MS = 2_000
/** How long the end of the backend may take at a close, where its timeout leaves less. */
const STOP_MS = 250

export interface QueuedRecordsOptions extends Pick<WriterNeeds, 'queueBytes' | 'written'> {
  /** Names the database in the log. */
  readonly database: string
  readonly log: Log
  /** Called once the database answers again and records are missing; what `ready` gives is not repeated. */
  readonly onNeedsReindex?: (cause: ReindexCause) => void
}

/** A record store for any database: records go through the queue, questions go to the database. */
export class QueuedRecords implements RecordStore {
  readonly ready: Promise<RecordsReady>
  readonly #options: QueuedRecordsOptions
  readonly #writer: RecordWriter
  readonly #backend: Backend
  readonly #trouble: Trouble
  #settleReady: { resolve(ready: RecordsReady): void; reject(error: Error): void } | undefined
  /** Why nothing more will be written: closed, or the database is a newer Lading's. */
  #end: RecordsError | undefined
  #closing: Promise<void> | undefined
  /** How often rows were lost, so that a reindex sees whether it happened beside it. */
  #losses = 0
  #identity: string | undefined
  /** False while rows may be missing: not open yet, lost, or records were dropped. */
  #isWhole = false
  #wholeSinceMs = 0
  /** `close` may leave the mark that nothing is missing. */
  #leavesClean = false
  readonly #ask = (call: Call): Promise<Answer> => this.#call(call, LIST_RETRY_MS)

  /** Starts the database and returns at once, whatever state it is in. */
  constructor(options: QueuedRecordsOptions, start: (events: BackendEvents) => Backend) {
    this.#options = options
    this.#trouble = new Trouble(options.log, (fields) => this.#fields(fields))
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject }
    })
    // Whoever awaits it sees the rejection; where nobody does, it must not end the process.
    this.ready.catch(() => {})
    this.#writer = new RecordWriter({
      queueBytes: options.queueBytes,
      send: (batch) => this.#backend.write(batch),
      written: options.written,
      overflowed: () => this.#overflowed(),
      caughtUp: () => this.#caughtUp(),
    })
    this.#backend = start({
      started: () => this.#writer.schedule(),
      opened: (opening) => this.#opened(opening),
      written: (faults) => this.#written(faults),
      lost: () => this.#writer.lost(),
      troubled: (problem, cause) => this.#trouble.begin(problem, cause),
      recovered: (afterMs, tries) => this.#trouble.end(afterMs, tries),
      halted: (cause) => this.#halted(cause),
    })
  }

  get stats(): RecordsStats {
    return { ...this.#writer.stats, trouble: this.#trouble.problem }
  }

  get wholeSinceMs(): number {
    return this.#isWhole ? this.#wholeSinceMs : Number.POSITIVE_INFINITY
  }

  put(record: UploadRecord): void {
    if (this.#end?.problem === 'closed') return
    this.#writer.add(record, true)
  }

  async restore(record: UploadRecord): Promise<void> {
    await this.#writer.hasRoom()
    if (this.#end) throw this.#end
    this.#writer.add(record, false)
  }

  async get(id: string): Promise<UploadRecord | undefined> {
    const queued = this.#writer.find(id)
    if (queued?.live) return queued.record
    const { rows } = await this.#call({ name: 'get', id }, 0)
    return rows[0] ?? queued?.record
  }

  async unfinished(afterId: string, limit: number): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'unfinished', afterId, limit })).rows
  }

  async withFiles(afterId: string, limit: number): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'withFiles', afterId, limit })).rows
  }

  list(...[filter, after, limit, newer]: Parameters<RecordStore['list']>): ReturnType<RecordStore['list']> {
    return listRecords({ filter, after, limit }, this.#writer.live(newer), this.#ask)
  }

  count(filter: UploadFilter, newer?: ReadonlyMap<string, UploadRecord>): Promise<number> {
    return countRecords(filter, this.#writer.live(newer), this.#ask)
  }

  async finals(after: RecordPlace, limit: number): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'finals', after, limit })).rows
  }

  async missing(ids: readonly string[]): Promise<readonly string[]> {
    return (await this.#call({ name: 'missing', ids })).found ?? []
  }

  async rows(ids: readonly string[]): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'rows', ids })).rows
  }

  async remove(ids: readonly string[]): Promise<number> {
    return (await this.#call({ name: 'remove', ids })).changes
  }

  purge(before: Date, most = Number.MAX_SAFE_INTEGER): Promise<number> {
    return purge(before, most, (call) => this.#call(call))
  }

  async reindex(
    sidecars: AsyncIterable<UploadRecord>,
    isKept: (record: UploadRecord) => Promise<boolean>,
  ): Promise<ReindexResult> {
    await this.ready
    const { dropped } = this.stats
    const losses = this.#losses
    const isComplete = () => dropped === this.stats.dropped && losses === this.#losses
    const result = await rebuild(sidecars, isKept, {
      restore: (record) => this.restore(record),
      flush: () => this.#writer.flush(),
      withFiles: (afterId) => this.withFiles(afterId, ROWS_AT_ONCE),
      remove: (ids) => this.remove(ids),
    })
    // Rows that were lost meanwhile need another reindex. `onNeedsReindex` asks for it.
    if (isComplete()) {
      await this.#call({ name: 'complete', wholeSinceMs: this.#wholeSinceMs })
      this.#isWhole = isComplete()
      // `complete` has removed the mark of rows that were lost since it was called.
      if (!this.#isWhole) this.#writer.markAgain()
    }
    return result
  }

  async takeClean(): Promise<boolean> {
    return (await this.#call({ name: 'takeClean' })).changes > 0
  }

  leaveClean(): void {
    this.#leavesClean = true
  }

  flush(timeoutMs: number): Promise<boolean> {
    return this.#writer.flush(timeoutMs)
  }

  close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    const isFlushed = await this.flush(timeoutMs)
    if (!isFlushed) this.#options.log.warn(this.#fields(), 'records were not written before the close')
    else if (this.#leavesClean && this.#isWhole) await this.#markClean(deadlineMs)
    this.#stop(new RecordsError('closed', 'The records are closed'))
    await this.#backend.stop(Math.max(STOP_MS, deadlineMs - performance.now()))
  }

  async #markClean(deadlineMs: number): Promise<void> {
    const retryMs = Math.max(0, deadlineMs - performance.now())
    await this.#call({ name: 'markClean' }, retryMs).catch((error: unknown) => {
      const fields = this.#fields({ err: error })
      this.#options.log.warn(fields, 'the next start must check the newest uploads, because this mark failed')
    })
  }

  async #call(call: Call, retryMs = TASK_RETRY_MS): Promise<Answer> {
    if (this.#end) throw this.#end
    return this.#backend.call(call, retryMs)
  }

  #opened({ isNew, incomplete: fresh, newestAt, wholeSinceMs, identity }: Opening): void {
    // Another database in its place, such as an older copy, lacks rows that the one before it had.
    const isLost = isNew || (this.#identity !== undefined && this.#identity !== identity)
    this.#identity = identity
    if (isNew) this.#options.log.info(this.#fields(), 'the database of records is new; a reindex fills it')
    const isFirst = this.#settleReady !== undefined
    if (isFirst) {
      this.#isWhole = true
      this.#wholeSinceMs = wholeSinceMs
    }
    if (isFirst ? fresh : isLost) this.#lostRows()
    if (!isFirst && isLost) this.#needsReindex('replaced')
    this.#settleReady?.resolve({ fresh, newestAt })
    this.#settleReady = undefined
  }

  #written(faults: readonly RowFault[]): void {
    for (const fault of faults) {
      this.#options.log.error(this.#fields(fault), 'a record cannot be stored and is left out')
    }
    // The index does not know of the records that were left out.
    if (faults.length > 0) this.#wholeSinceMs = Date.now()
    this.#writer.wrote()
  }

  #halted(cause: string): void {
    this.#trouble.halt(cause)
    this.#stop(new RecordsError('newer', cause))
  }

  #lostRows(): void {
    this.#losses += 1
    this.#isWhole = false
    this.#wholeSinceMs = Date.now()
  }

  #overflowed(): void {
    this.#lostRows()
    this.#options.log.warn(this.#fields(), 'the queue of records is full; records are dropped')
  }

  #caughtUp(): void {
    // Again, because records that came after the first drop may be dropped as well.
    this.#lostRows()
    this.#needsReindex('dropped')
  }

  #needsReindex(cause: ReindexCause): void {
    const fields = this.#fields({ dropped: this.stats.dropped })
    this.#options.log.warn(fields, `Rows are missing from the database (${cause}); a reindex is due`)
    this.#options.onNeedsReindex?.(cause)
  }

  #stop(end: RecordsError): void {
    this.#end = end
    this.#settleReady?.reject(end)
    this.#settleReady = undefined
    this.#writer.stop()
  }

  #fields(fields: object = {}): object {
    return { database: this.#options.database, queued: this.stats.queued, ...fields }
  }
}
