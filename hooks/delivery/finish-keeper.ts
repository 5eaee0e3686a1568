import type { Log } from '../../server/model/log.js'
import type { FinishMarks } from './finish-marks.js'
import type { Spool } from './spool.js'

interface FinishKeeperTools {
  readonly marks: Pick<FinishMarks, 'isRoomy' | 'set' | 'clear' | 'fail'>
  readonly spool: Pick<Spool, 'flush' | 'heldIds'>
  /** The endpoint's name. */
  readonly name: string
  readonly log: Log
  readonly limits: {
    /** How long an event waits before it is flushed, in milliseconds: others are flushed with it, and one that is delivered needs no flush. */
    readonly flushPauseMs: number
    /** So many do not wait. */
    readonly mostUnflushed: number
    /** After a fault of the disk. */
    readonly faultPauseMs: number
  }
}

interface Unflushed {
  readonly uploadId: string
  readonly mark: number
}

/**
 * The marks of one endpoint's finishes. A mark is on the disk before its upload is finished, and stays until the event
 * in its place is flushed, or delivered. Events are flushed together, a moment later: most are delivered by then.
 */
export class FinishKeeper {
  readonly #tools: FinishKeeperTools
  readonly #unflushed: Unflushed[] = []
  /** The flush that runs, and those that wait for it. */
  #flushing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  /** Marks that are being taken away. */
  readonly #ending = new Set<Promise<void>>()

  constructor(tools: FinishKeeperTools) {
    this.#tools = tools
  }

  /** Tells whether a mark that may stand for long takes no place from others. */
  get hasRoom(): boolean {
    return this.#tools.marks.isRoomy
  }

  /** Marks on the disk that a delivery is due once its upload is finished; gives the mark. Rejects with the system's error. */
  async mark(deliveryId: string): Promise<number> {
    const marked = this.#tools.marks.set(deliveryId)
    if (this.#tools.spool.heldIds.length > 0) this.fail(new Error('events cannot be written'))
    return marked
  }

  /** Takes a mark away. Where that cannot be written its upload's files, or the spool, say what is due. Never rejects. */
  async unmark(mark: number): Promise<void> {
    const { marks, log, name } = this.#tools
    await marks.clear(mark).catch((error: unknown) => {
      log.error({ err: error, endpoint: name }, 'the end of a finish could not be noted')
    })
  }

  /** Takes a mark away that may not be set yet, or cannot be set. Never waits. */
  unmarkLater(mark: Promise<number>): void {
    const ending = mark.then(
      (set) => this.unmark(set),
      () => {},
    )
    this.#ending.add(ending)
    void ending.finally(() => this.#ending.delete(ending))
  }

  /** Nobody waits for a mark any more: events cannot be written. */
  fail(cause: unknown): void {
    this.#tools.marks.fail(cause)
  }

  /** The event of a finish is in the spool, not flushed yet. */
  written(uploadId: string, mark: number): void {
    const { mostUnflushed, flushPauseMs } = this.#tools.limits
    this.#unflushed.push({ uploadId, mark })
    if (this.#unflushed.length >= mostUnflushed) void this.flush()
    else this.#flushLater(flushPauseMs)
  }

  /** Resolves once the events of an upload that were written are flushed, or the disk takes nothing. Never rejects. */
  async flushed(uploadId: string): Promise<void> {
    if (this.#unflushed.some((each) => each.uploadId === uploadId)) void this.flush()
    await this.#flushing
  }

  /** Flushes what was written so far, and takes its marks away. Where that fails it is tried again later. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flushing = this.#flushing.then(() => this.#flush(this.#unflushed.splice(0)))
    return this.#flushing
  }

  /** Flushes what was written, and resolves when no mark is being taken away. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all([this.flush(), ...this.#ending])
  }

  /** Begins nothing any more. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #flush(unflushed: readonly Unflushed[]): Promise<void> {
    const { spool, log, name, limits } = this.#tools
    try {
      await spool.flush(new Set(unflushed.map(({ uploadId }) => uploadId)))
      await Promise.all(unflushed.map(({ mark }) => this.unmark(mark)))
    } catch (error) {
      log.error({ err: error, endpoint: name }, 'events could not be flushed yet')
      this.#unflushed.unshift(...unflushed)
      this.fail(error)
      this.#flushLater(limits.faultPauseMs)
    }
  }

  #flushLater(pauseMs: number): void {
    if (!this.#isClosed) this.#timer ??= setTimeout(() => void this.flush(), pauseMs).unref()
  }
}
