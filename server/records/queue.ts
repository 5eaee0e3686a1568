import type { UploadRecord } from './record.js'

/** A state that is not in the database yet. */
export interface QueuedState {
  readonly record: UploadRecord
  /** True for what an upload told us, false for what a reindex read from a sidecar. */
  readonly live: boolean
  /** Its place in the order of arrival, which a newer state of the same upload keeps. */
  readonly ticket: number
  /** When its upload came into the queue, in milliseconds of the caller's clock. */
  readonly sinceMs: number
}

type States = Map<string, QueuedState>

/**
 * The newest state of each upload, until the database has it; older states are forgotten at once.
 *
 * At the limit an intermediate state (receiving, paused) gives way to a final one; otherwise the newcomer is
 * dropped. Each drop is counted, for the sidecars still have the state and a reindex brings it back.
 */
export class RecordQueue {
  readonly #limit: number
  /** In order of arrival; a Map keeps the place of a key that is set again. */
  #waiting: States = new Map()
  /** On their way to the database: kept here until it has them. */
  #inFlight: States = new Map()
  /** The waiting intermediate states, so that one to drop is found without a search. */
  readonly #intermediate = new Set<string>()
  #tickets = 0
  #dropped = 0

  /** @param limit distinct uploads that may be in the queue, those in flight included */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#waiting.size + this.#inFlight.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** States dropped since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** The ticket of the newest arrival. */
  get lastTicket(): number {
    return this.#tickets
  }

  /** The upload that has been in the queue for longest. */
  get oldest(): QueuedState | undefined {
    for (const state of this.#inFlight.values()) return state
    for (const state of this.#waiting.values()) return state
    return undefined
  }

  /** The newest state of an upload, unless the database has it already. */
  find(id: string): QueuedState | undefined {
    return this.#waiting.get(id) ?? this.#inFlight.get(id)
  }

  /**
   * Adds a state. A live one replaces what waits of its upload; a restored one gives way to a live one, which
   * was told by the upload after the sidecar was written.
   */
  add(record: UploadRecord, live: boolean, nowMs: number): void {
    if (!live && this.find(record.id)?.live) return
    const known = this.#waiting.get(record.id)
    if (!known && this.size >= this.#limit && !this.#giveWay(record)) return
    this.#tickets += 1
    this.#keep({ record, live, ticket: known?.ticket ?? this.#tickets, sinceMs: known?.sinceMs ?? nowMs })
  }

  /** Moves the oldest states out, to be written in one transaction. */
  take(limit: number): readonly QueuedState[] {
    for (const [id, state] of this.#waiting) {
      if (this.#inFlight.size >= limit) break
      this.#waiting.delete(id)
      this.#intermediate.delete(id)
      this.#inFlight.set(id, state)
    }
    return [...this.#inFlight.values()]
  }

  /** The states in flight are in the database. */
  done(): void {
    this.#inFlight = new Map()
  }

  /** The states in flight were lost on their way: they wait again, first in line, unless newer ones came. */
  putBack(): void {
    const newer = this.#waiting
    const lost = this.#inFlight
    this.#inFlight = new Map()
    this.#waiting = new Map()
    for (const [id, state] of lost) {
      const { ticket, sinceMs } = state
      this.#keep({ ...(newer.get(id) ?? state), ticket, sinceMs })
    }
    for (const [id, state] of newer) if (!lost.has(id)) this.#keep(state)
  }

  #keep(state: QueuedState): void {
    const { id } = state.record
    this.#waiting.set(id, state)
    if (isIntermediate(state.record)) this.#intermediate.add(id)
    else this.#intermediate.delete(id)
  }

  /** Drops one state, the newcomer or an older one; true when there is room for the newcomer now. */
  #giveWay(newcomer: UploadRecord): boolean {
    this.#dropped += 1
    if (isIntermediate(newcomer)) return false
    for (const id of this.#intermediate) {
      this.#intermediate.delete(id)
      return this.#waiting.delete(id)
    }
    return false
  }
}

function isIntermediate(record: UploadRecord): boolean {
  return record.state === 'receiving' || record.state === 'paused'
}
