import type { UploadRecord } from '../model/record.js'
import { RecordsError } from './error.js'
import { purge } from './purge.js'
import type {
  Records,
  RecordsOptions,
  RecordsReady,
  RecordsStats,
  ReindexCause,
  ReindexResult,
} from './records.js'
import { rebuild } from './reindex.js'
import type { Answer, Call, Opening, Place, RowFault } from './sqlite/message.js'
import { Thread, type ThreadNews } from './sqlite/thread.js'
import { RecordWriter } from './writer.js'

/** Rows that a sweep looks at, or a purge deletes, at once: no batch waits long behind them. */
const PAGE_LIMIT = 256
/** How long a task in the background tries a locked database again before it gives up. */
const TASK_RETRY_MS = 30_000
/** How long the end of the thread may take at a close, where its timeout leaves less. */
const STOP_MS = 250

/** The records behind a queue: states go through the writer to the thread, questions to the thread. */
export class QueuedRecords implements Records {
  readonly ready: Promise<RecordsReady>
  readonly #options: RecordsOptions
  readonly #writer: RecordWriter
  readonly #thread: Thread
  #settleReady: { resolve(ready: RecordsReady): void; reject(error: Error): void } | undefined
  /** Why nothing more will be written: closed, or the database is a newer Lading's. */
  #end: RecordsError | undefined
  #closing: Promise<void> | undefined
  /** How often the file was begun anew, replaced or found incomplete, to see whether it was during a reindex. */
  #losses = 0
  #file: string | undefined
  /** False while rows may be missing: not open yet, lost, or states were dropped. */
  #isWhole = false
  #wholeSinceMs = 0
  /** The close may say that nothing is missing. */
  #leavesClean = false

  constructor(options: RecordsOptions) {
    this.#options = options
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject }
    })
    // Whoever waits for it hears of a rejection; that nobody does must not end the process.
    this.ready.catch(() => {})
    this.#writer = new RecordWriter({
      queueBytes: options.queueBytes,
      send: (batch) => this.#thread.write(batch),
      overflowed: () => this.#overflowed(),
      caughtUp: () => this.#caughtUp(),
    })
    const script = options.threadScript ?? new URL('./sqlite/thread-main.js', import.meta.url)
    this.#thread = new Thread(
      script,
      { databasePath: options.databasePath, openedAt: new Date().toISOString() },
      {
        started: () => this.#writer.schedule(),
        died: (cause) => this.#died(cause),
        told: (news) => this.#told(news),
      },
    )
  }

  get stats(): RecordsStats {
    return this.#writer.stats
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
    return (await this.#call({ name: 'unfinished', afterId, limit }, TASK_RETRY_MS)).rows
  }

  async withFiles(afterId: string, limit: number): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'withFiles', afterId, limit }, TASK_RETRY_MS)).rows
  }

  async missing(ids: readonly string[]): Promise<readonly string[]> {
    return (await this.#call({ name: 'missing', ids }, TASK_RETRY_MS)).found ?? []
  }

  async rows(ids: readonly string[]): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'rows', ids }, TASK_RETRY_MS)).rows
  }

  async finals(after: Place, limit: number): Promise<readonly UploadRecord[]> {
    return (await this.#call({ name: 'finals', after, limit }, TASK_RETRY_MS)).rows
  }

  async remove(ids: readonly string[]): Promise<number> {
    return (await this.#call({ name: 'remove', ids }, TASK_RETRY_MS)).changes
  }

  async takeClean(): Promise<boolean> {
    return (await this.#call({ name: 'takeClean' }, TASK_RETRY_MS)).changes > 0
  }

  leaveClean(): void {
    this.#leavesClean = true
  }

  purge(before: Date, most = Number.MAX_SAFE_INTEGER): Promise<number> {
    return purge(before, most, (call) => this.#call(call, TASK_RETRY_MS))
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
      withFiles: (afterId) => this.withFiles(afterId, PAGE_LIMIT),
      remove: (ids) => this.remove(ids),
    })
    // What was lost meanwhile needs another reindex, which is asked for by its own event.
    if (isComplete()) {
      await this.#call({ name: 'complete', wholeSinceMs: this.#wholeSinceMs }, TASK_RETRY_MS)
      this.#isWhole = isComplete()
    }
    return result
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
    if (!isFlushed) this.#options.log.warn(this.#fields(), 'Records were not written before the close')
    else if (this.#leavesClean && this.#isWhole) await this.#markClean(deadlineMs)
    this.#stop(new RecordsError('closed', 'The records are closed'))
    await this.#thread.stop(Math.max(STOP_MS, deadlineMs - performance.now()))
  }

  async #markClean(deadlineMs: number): Promise<void> {
    const retryMs = Math.max(0, deadlineMs - performance.now())
    await this.#call({ name: 'markClean' }, retryMs).catch((error: unknown) => {
      const fields = this.#fields({ err: error })
      this.#options.log.warn(fields, 'The next start cannot tell that nothing is missing')
    })
  }

  async #call(call: Call, retryMs: number): Promise<Answer> {
    if (this.#end) throw this.#end
    return this.#thread.call(call, retryMs)
  }

  #told(news: ThreadNews): void {
    if (news.kind === 'opened') this.#opened(news)
    else if (news.kind === 'written') this.#wrote(news.tookMs, news.faults)
    else if (news.kind === 'trouble') this.#troubled(news.problem === 'locked', news.cause)
    else if (news.kind === 'recovered') this.#recovered(news.afterMs, news.tries)
    else this.#halted(news.cause)
  }

  #opened({ anew, incomplete: fresh, newestAt, wholeSinceMs, file, setAside }: Opening): void {
    const { log } = this.#options
    // Another file in its place, such as an older copy, is without rows that the one before it had.
    const isReplaced = this.#file !== undefined && this.#file !== file
    this.#file = file
    const isFirst = this.#settleReady !== undefined
    if (isFirst) {
      this.#isWhole = true
      this.#wholeSinceMs = wholeSinceMs
    }
    if (isFirst ? fresh : anew || isReplaced) this.#lostRows()
    if (setAside) log.error(this.#fields(setAside), 'A damaged database was set aside')
    if (anew) log.info(this.#fields(), 'The database of records begins anew; a reindex fills it')
    if (this.#settleReady) this.#settleReady.resolve({ fresh, newestAt })
    else if (anew || isReplaced) this.#needsReindex('anew')
    this.#settleReady = undefined
  }

  #wrote(tookMs: number, faults: readonly RowFault[]): void {
    for (const fault of faults) {
      this.#options.log.error(this.#fields(fault), 'A record cannot be stored and is left out')
    }
    // Of those that were left out the index knows nothing.
    if (faults.length > 0) this.#wholeSinceMs = Date.now()
    this.#writer.wrote(tookMs, faults.length)
  }

  #troubled(isLocked: boolean, cause: string): void {
    const { log } = this.#options
    const fields = this.#fields({ cause })
    if (isLocked) log.warn(fields, 'Another process has locked the database; records wait, uploads go on')
    else log.error(fields, 'The database cannot be written and is tried again; uploads go on')
  }

  #recovered(afterMs: number, tries: number): void {
    const fields = this.#fields({ afterMs: Math.round(afterMs), tries })
    this.#options.log.info(fields, 'The database of records answers again')
  }

  #halted(cause: string): void {
    this.#options.log.error(this.#fields(), cause)
    this.#stop(new RecordsError('newer', cause))
  }

  #died(cause: unknown): void {
    this.#options.log.error(this.#fields({ err: cause }), 'The SQLite thread died and is started again')
    this.#writer.lost()
  }

  #lostRows(): void {
    this.#losses += 1
    this.#isWhole = false
    this.#wholeSinceMs = Date.now()
  }

  #caughtUp(): void {
    // Once more: what came since the first state was dropped may be dropped as well.
    this.#lostRows()
    this.#needsReindex('dropped')
  }

  #overflowed(): void {
    this.#lostRows()
    this.#options.log.warn(
      this.#fields(),
      'The queue of records is full; states are dropped until it shrinks',
    )
  }

  #needsReindex(cause: ReindexCause): void {
    const fields = this.#fields({ dropped: this.stats.dropped })
    this.#options.log.warn(
      fields,
      `Rows are missing from the database of records (${cause}); a reindex is due`,
    )
    this.#options.onNeedsReindex?.(cause)
  }

  #stop(end: RecordsError): void {
    this.#end = end
    this.#settleReady?.reject(end)
    this.#settleReady = undefined
    this.#writer.stop()
  }

  #fields(fields: object = {}): object {
    return { database: this.#options.databasePath, queued: this.stats.queued, ...fields }
  }
}
