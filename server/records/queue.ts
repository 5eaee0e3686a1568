import type { UploadRecord } from '../model/record.js'

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

/** What a record takes beside the texts that a client chooses: objects, places in maps, id, path, times, digest. */
const RECORD_BYTES = 720

/** At most so many bytes a record takes in memory. */
export function bytesOf({ metadata, filename, declaredType, type, reason }: UploadRecord): number {
  // Metadata is ASCII, as it came in a header: one byte a character. The others may have two.
  const texts = [filename, declaredType, type, reason]
  const characters = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
  return RECORD_BYTES + (metadata?.length ?? 0) + 2 * characters
}

/**
 * The newest state of each upload, until the database has it; older states are forgotten at once.
 *
 * At the limit intermediate states (receiving, paused) give way to a final one; otherwise the newcomer is
 * dropped. Each drop is counted, for the sidecars still have the state and a reindex brings it back.
 */
export class RecordQueue {
  readonly #limitBytes: number
  /** In order of arrival; a Map keeps the place of a key that is set again. */
  #waiting: States = new Map()
  /** On their way to the database: kept here until it has them. */
  #inFlight: States = new Map()
  /** The waiting intermediate states, so that one to drop is found without a search. */
  readonly #intermediate = new Set<string>()
  /** Of the records that wait, and of those in flight. */
  #waitingBytes = 0
  #inFlightBytes = 0
  #tickets = 0
  #dropped = 0

  /** @param limitBytes for all records in the queue together, those in flight included; see bytesOf */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get size(): number {
    return this.#waiting.size + this.#inFlight.size
  }

  /** Bytes of all records in the queue, as bytesOf estimates them. */
  get bytes(): number {
    return this.#waitingBytes + this.#inFlightBytes
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get waitingBytes(): number {
    return this.#waitingBytes
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
    // A newer state of an upload that waits already has the same texts, but for its type.
    if (!known && !this.#makeRoom(record)) return
    this.#tickets += 1
    this.#keep({ record, live, ticket: known?.ticket ?? this.#tickets, sinceMs: known?.sinceMs ?? nowMs })
  }

  /** Moves the oldest states out, to be written in one transaction: at most so many, and of so many bytes but one. */
  take(limit: number, limitBytes: number): readonly QueuedState[] {
    for (const [id, state] of this.#waiting) {
      if (this.#inFlight.size >= limit || this.#inFlightBytes >= limitBytes) break
      this.#remove(id)
      this.#inFlight.set(id, state)
      this.#inFlightBytes += bytesOf(state.record)
    }
    return [...this.#inFlight.values()]
  }

  /** The states in flight are in the database. */
  done(): void {
    this.#inFlight = new Map()
    this.#inFlightBytes = 0
  }

  /** The states in flight were lost on their way: they wait again, first in line, unless newer ones came. */
  putBack(): void {
    const newer = this.#waiting
    const lost = this.#inFlight
    this.done()
    this.#waiting = new Map()
    this.#waitingBytes = 0
    for (const [id, state] of lost) {
      const { ticket, sinceMs } = state
      this.#keep({ ...(newer.get(id) ?? state), ticket, sinceMs })
    }
    for (const [id, state] of newer) if (!lost.has(id)) this.#keep(state)
  }

  #keep(state: QueuedState): void {
    const { id } = state.record
    const replaced = this.#waiting.get(id)
    this.#waitingBytes += bytesOf(state.record) - (replaced ? bytesOf(replaced.record) : 0)
    this.#waiting.set(id, state)
    if (isIntermediate(state.record)) this.#intermediate.add(id)
    else this.#intermediate.delete(id)
  }

  #remove(id: string): void {
    const state = this.#waiting.get(id)
    if (!state) return
    this.#waiting.delete(id)
    this.#intermediate.delete(id)
    this.#waitingBytes -= bytesOf(state.record)
  }

  /** Drops states where the queue is full, the newcomer or older ones; true when there is room for the newcomer. */
  #makeRoom(newcomer: UploadRecord): boolean {
    const mostBytes = this.#limitBytes - bytesOf(newcomer)
    if (!isIntermediate(newcomer)) {
      for (const id of this.#intermediate) {
        if (this.bytes <= mostBytes) break
        this.#remove(id)
        this.#dropped += 1
      }
    }
    if (this.bytes <= mostBytes) return true
    this.#dropped += 1
    return false
  }
}

function isIntermediate(record: UploadRecord): boolean {
  return record.state === 'receiving' || record.state === 'paused'
}
