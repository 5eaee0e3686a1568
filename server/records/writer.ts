import type { UploadRecord } from '../model/record.js'
import type { RecordsStats } from '../model/record-store.js'
import type { RecordBatch } from './backend.js'
import { type QueuedRecord, RecordQueue } from './queue.js'

/** Records in one transaction, and their bytes: bounds the backend's memory, and how long a read waits behind a write. */
const BATCH_LIMIT = 64
const BATCH_BYTES = 512 * 1024
/** A burst of records becomes one transaction: a batch is sent this long after its first record came. */
const BATCH_EVERY_MS = 25

export interface WriterNeeds {
  /** Bytes of the records that may wait; see bytesOf. */
  readonly queueBytes: number
  /** Sends a batch to the database; false while the backend is down. */
  readonly send: (batch: RecordBatch) => boolean
  /** Called with the milliseconds from sending a batch until the database had it. */
  readonly written?: ((ms: number) => void) | undefined
  /** The queue is full, and records are being dropped. */
  readonly overflowed: () => void
  /** There is room again, and the database has the mark that records were dropped. */
  readonly caughtUp: () => void
}

/** A promise that waits for the queue to shrink. */
interface Waiter {
  readonly isDone: () => boolean
  readonly resolve: (isDone: boolean) => void
}

/** Sends the queue's records to the database: in batches, one at a time, in order. */
export class RecordWriter {
  readonly #needs: WriterNeeds
  readonly #queue: RecordQueue
  readonly #waiters = new Set<Waiter>()
  #timer: NodeJS.Timeout | undefined
  /** A batch is under way; there is one at a time. */
  #isWriting = false
  #isStopped = false
  #sentAtMs = 0
  #isOverflowing = false
  /** How much of `queue.dropped` the mark in the batch under way stands for, and the mark in the database. */
  #droppedSent = 0
  #droppedMarked = 0

  constructor(needs: WriterNeeds) {
    this.#needs = needs
    this.#queue = new RecordQueue(needs.queueBytes)
  }

  get stats(): Omit<RecordsStats, 'trouble'> {
    const oldest = this.#queue.oldest
    return {
      queued: this.#queue.size,
      queuedBytes: this.#queue.bytes,
      lagMs: oldest ? performance.now() - oldest.sinceMs : 0,
      dropped: this.#queue.dropped,
    }
  }

  /** The newest record of an upload, unless the database has it already. */
  find(id: string): QueuedRecord | undefined {
    return this.#queue.find(id)
  }

  /** The newest records of uploads that the database may not have yet, by id, and `newer` ones; not those of sidecars. */
  live(newer: ReadonlyMap<string, UploadRecord> = new Map()): ReadonlyMap<string, UploadRecord> {
    const all = this.#queue.live()
    for (const [id, record] of newer) all.set(id, record)
    return all
  }

  /** Queues a record; a live one is newer than all before, a restored one was read from a sidecar. */
  add(record: UploadRecord, live: boolean): void {
    const { dropped } = this.#queue
    this.#queue.add(record, live, performance.now())
    if (this.#queue.dropped !== dropped && !this.#isOverflowing) {
      this.#isOverflowing = true
      this.#needs.overflowed()
    }
    this.schedule()
  }

  /** Sends a batch soon; at once where a full one waits, or somebody waits for one. */
  schedule(): void {
    if (!this.#canSend()) return
    const isFull = this.#queue.waiting >= BATCH_LIMIT || this.#queue.waitingBytes >= BATCH_BYTES
    if (this.#waiters.size > 0 || isFull) this.#send()
    else this.#timer ??= setTimeout(() => this.#send(), BATCH_EVERY_MS)
  }

  /** The batch under way is in the database. */
  wrote(): void {
    this.#needs.written?.(performance.now() - this.#sentAtMs)
    this.#droppedMarked = this.#droppedSent
    this.#isWriting = false
    this.#queue.done()
    this.#wakeWaiters()
    this.#checkCaughtUp()
    this.schedule()
  }

  /** The batch under way was lost, with the backend that had it. */
  lost(): void {
    this.#isWriting = false
    this.#queue.putBack()
  }

  /** The database has lost the mark that records were dropped: the next batch brings it again. */
  markAgain(): void {
    this.#droppedSent = -1
    this.#droppedMarked = -1
    this.schedule()
  }

  /** Nothing more will be written; what waits resolves with false. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#isStopped = true
    this.#wakeWaiters()
  }

  /** Waits until the queue is less than half full: the other half is kept for the uploads. False after a stop. */
  hasRoom(): Promise<boolean> {
    return this.#until(() => this.#queue.bytes < this.#needs.queueBytes / 2)
  }

  /**
   * Waits until what is queued now is in the database, and the mark of what was dropped. False after a stop or `timeoutMs` (none: no limit), or
   * when records were dropped meanwhile.
   */
  async flush(timeoutMs?: number): Promise<boolean> {
    const { lastTicket, dropped } = this.#queue
    const isWritten = () => {
      const isQueued = (this.#queue.oldest?.ticket ?? Number.POSITIVE_INFINITY) <= lastTicket
      return !isQueued && this.#droppedMarked >= dropped
    }
    return (await this.#until(isWritten, timeoutMs)) && dropped === this.#queue.dropped
  }

  #canSend(): boolean {
    const hasWork = this.#queue.waiting > 0 || this.#queue.dropped !== this.#droppedMarked
    return hasWork && !this.#isWriting && !this.#isStopped
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#canSend()) return
    const { dropped } = this.#queue
    const taken = this.#queue.take(BATCH_LIMIT, BATCH_BYTES)
    this.#droppedSent = dropped
    this.#sentAtMs = performance.now()
    this.#isWriting = this.#needs.send({
      live: taken.filter(({ live }) => live).map(({ record }) => record),
      restored: taken.filter(({ live }) => !live).map(({ record }) => record),
      incomplete: dropped !== this.#droppedMarked,
    })
    if (!this.#isWriting) this.#queue.putBack()
  }

  #checkCaughtUp(): void {
    const isBehind = this.#queue.bytes > this.#needs.queueBytes / 2
    if (!this.#isOverflowing || isBehind || this.#droppedMarked !== this.#queue.dropped) return
    this.#isOverflowing = false
    this.#needs.caughtUp()
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (waiter.isDone()) waiter.resolve(true)
      else if (this.#isStopped) waiter.resolve(false)
    }
  }

  #until(isDone: () => boolean, timeoutMs?: number): Promise<boolean> {
    if (isDone()) return Promise.resolve(true)
    if (this.#isStopped) return Promise.resolve(false)
    return new Promise((fulfil) => {
      const resolve = (done: boolean) => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        fulfil(done)
      }
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => resolve(false), timeoutMs)
      const waiter: Waiter = { isDone, resolve }
      this.#waiters.add(waiter)
      this.schedule()
    })
  }
}
