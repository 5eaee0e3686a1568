import type { HookCall, TellingEvent } from '../../server/model/hook.js'
import type { MemoryBudget } from './memory-budget.js'

/** Uploads with a notice, at most. */
const MOST_UPLOADS = 1024

interface Notice {
  call: HookCall<TellingEvent> | undefined
  bytes: number
  /** An interval has passed, and `call` may go out. */
  isDue: boolean
  readonly timer: NodeJS.Timeout
}

/**
 * The newest `post-receive` of each upload, for one endpoint: in memory alone, because the next one replaces it. At
 * most one goes out in an interval.
 */
export class ProgressNotices {
  readonly #intervalMs: number
  readonly #budget: MemoryBudget
  readonly #due: (uploadId: string) => void
  readonly #notices = new Map<string, Notice>()

  /** `due` is called when the notice of an upload may go out. */
  constructor(intervalMs: number, budget: MemoryBudget, due: (uploadId: string) => void) {
    this.#intervalMs = intervalMs
    this.#budget = budget
    this.#due = due
  }

  /** Replaces the notice of an upload. Where there is no memory for it, it is left out. */
  put(call: HookCall<TellingEvent>): void {
    const { id } = call.upload
    const notice = this.#notices.get(id) ?? this.#add(id)
    if (!notice) return
    this.#clear(notice)
    // Only about right: it is never written.
    const bytes = JSON.stringify(call.upload).length * 2
    if (!this.#budget.take(bytes)) return
    notice.call = call
    notice.bytes = bytes
    if (notice.isDue) this.#due(id)
  }

  /** Tells whether the notice of an upload may go out now. */
  hasDue(uploadId: string): boolean {
    const notice = this.#notices.get(uploadId)
    return notice?.isDue === true && notice.call !== undefined
  }

  /** The notice that may go out now; undefined where there is none. */
  take(uploadId: string): HookCall<TellingEvent> | undefined {
    const notice = this.#notices.get(uploadId)
    if (!notice?.isDue) return undefined
    const { call } = notice
    notice.isDue = false
    this.#clear(notice)
    return call
  }

  /** Leaves out the notice of an upload: what comes next says more. */
  forget(uploadId: string): void {
    const notice = this.#notices.get(uploadId)
    if (!notice) return
    clearInterval(notice.timer)
    this.#clear(notice)
    this.#notices.delete(uploadId)
  }

  /** Leaves out every notice. */
  close(): void {
    for (const uploadId of [...this.#notices.keys()]) this.forget(uploadId)
  }

  #add(uploadId: string): Notice | undefined {
    if (this.#notices.size >= MOST_UPLOADS) return undefined
    const timer = setInterval(() => this.#tick(uploadId), this.#intervalMs).unref()
    const notice: Notice = { call: undefined, bytes: 0, isDue: true, timer }
    this.#notices.set(uploadId, notice)
    return notice
  }

  /** An upload without news for an interval is forgotten. */
  #tick(uploadId: string): void {
    const notice = this.#notices.get(uploadId)
    if (!notice?.call) this.forget(uploadId)
    else {
      notice.isDue = true
      this.#due(uploadId)
    }
  }

  #clear(notice: Notice): void {
    this.#budget.give(notice.bytes)
    notice.bytes = 0
    notice.call = undefined
  }
}
