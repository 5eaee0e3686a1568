import type { UploadRecord } from '../model/record.js'
import { type QueuedState, RecordQueue } from './queue.js'
import type { Batch } from './sqlite/message.js'

/** States in one transaction, and their bytes: bounds the thread's memory, and how long a read waits behind a write. */
const BATCH_LIMIT = 512
const BATCH_BYTES = 512 * 1024
/** A burst of states becomes one transaction: a batch leaves so long after its first state. */
const BATCH_EVERY_MS = 25

export interface WriterNeeds {
  /** Bytes of the states that may wait; see bytesOf. */
  readonly queueBytes: number
  /** Takes a batch on its way to the database; false while the thread is down. */
  readonly send: (batch: Batch) => boolean
  /** The queue has reached its limit, and states are being dropped. */
  readonly overflowed: () => void
  /** There is room again, and the database knows that states were dropped. */
  readonly caughtUp: () => void
}

/** Somebody who waits for the queue to shrink. */
interface Waiter {
  readonly isDone: () => boolean
  readonly settle: (isDone: boolean) => void
}

/** Sends the queue's states to the database: in batches, one at a time, in order. */
export class RecordWriter {
  readonly #needs: WriterNeeds
  readonly #queue: RecordQueue
  readonly #waiters = new Set<Waiter>()
  #timer: NodeJS.Timeout | undefined
  /** One batch is on its way at a time. */
  #isWriting = false
  #isStopped = false
  #isOverflowing = false
  /** How much of `queue.dropped` the batch on its way tells the database of, and how much it knows of. */
  #droppedSent = 0
  #droppedMarked = 0
  #written = 0
  #lastBatchMs = 0

  constructor(needs: WriterNeeds) {
    this.#needs = needs
    this.#queue = new RecordQueue(needs.queueBytes)
  }

  /** Counters since the start; times in milliseconds. */
  get stats() {
    const oldest = this.#queue.oldest
    return {
      queued: this.#queue.size,
      queuedBytes: this.#queue.bytes,
      lagMs: oldest ? performance.now() - oldest.sinceMs : 0,
      written: this.#written,
      dropped: this.#queue.dropped,
      lastBatchMs: this.#lastBatchMs,
    }
  }

  /** The newest state of an upload, unless the database has it already. */
  find(id: string): QueuedState | undefined {
    return this.#queue.find(id)
  }

  /** Queues a state; a live one is newer than all before, a restored one was read from a sidecar. */
  add(record: UploadRecord, live: boolean): void {
    const { dropped } = this.#queue
    this.#queue.add(record, live, performance.now())
    if (this.#queue.dropped !== dropped && !this.#isOverflowing) {
      this.#isOverflowing = true
      this.#needs.overflowed()
    }
    this.schedule()
  }

  /** Sees to it that a batch leaves soon, or at once if somebody waits or a full one is there. */
  schedule(): void {
    if (!this.#canSend()) return
    const isFull = this.#queue.waiting >= BATCH_LIMIT || this.#queue.waitingBytes >= BATCH_BYTES
    if (this.#waiters.size > 0 || isFull) this.#send()
    else this.#timer ??= setTimeout(() => this.#send(), BATCH_EVERY_MS)
  }

  /** The batch on its way is in the database, but for `faults` of its states, which cannot be stored. */
  wrote(tookMs: number, faults: number): void {
    this.#written += this.#queue.inFlight - faults
    this.#lastBatchMs = tookMs
    this.#droppedMarked = this.#droppedSent
    this.#isWriting = false
    this.#queue.done()
    this.#tellWaiters()
    this.#tellCaughtUp()
    this.schedule()
  }

  /** The batch on its way was lost, with the thread that had it. */
  lost(): void {
    this.#isWriting = false
    this.#queue.putBack()
  }

  /** Nothing more will be written; whoever waits is told. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#isStopped = true
    this.#tellWaiters()
  }

  /** Waits until the queue is less than half full: the other half is the uploads'. False after a stop. */
  hasRoom(): Promise<boolean> {
    return this.#until(() => this.#queue.bytes < this.#needs.queueBytes / 2)
  }

  /**
   * Waits until what is queued now is in the database. False after a stop or `timeoutMs` (none: no limit), or
   * when states were dropped meanwhile.
   */
  async flush(timeoutMs?: number): Promise<boolean> {
    const { lastTicket, dropped } = this.#queue
    const isWritten = () => (this.#queue.oldest?.ticket ?? Number.POSITIVE_INFINITY) > lastTicket
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
    const states = this.#queue.take(BATCH_LIMIT, BATCH_BYTES)
    this.#droppedSent = dropped
    this.#isWriting = this.#needs.send({
      live: states.filter((state) => state.live).map((state) => state.record),
      restored: states.filter((state) => !state.live).map((state) => state.record),
      incomplete: dropped !== this.#droppedMarked,
    })
    if (!this.#isWriting) this.#queue.putBack()
  }

  #tellCaughtUp(): void {
    const isBehind = this.#queue.bytes > this.#needs.queueBytes / 2
    if (!this.#isOverflowing || isBehind || this.#droppedMarked !== this.#queue.dropped) return
    this.#isOverflowing = false
    this.#needs.caughtUp()
  }

  #tellWaiters(): void {
    for (const waiter of this.#waiters) {
      if (waiter.isDone()) waiter.settle(true)
      else if (this.#isStopped) waiter.settle(false)
    }
  }

  #until(isDone: () => boolean, timeoutMs?: number): Promise<boolean> {
    if (isDone()) return Promise.resolve(true)
    if (this.#isStopped) return Promise.resolve(false)
    return new Promise((resolve) => {
      const settle = (done: boolean) => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        resolve(done)
      }
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => settle(false), timeoutMs)
      const waiter: Waiter = { isDone, settle }
      this.#waiters.add(waiter)
      this.schedule()
    })
  }
}
