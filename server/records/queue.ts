import { isUnfinished, type UploadRecord } from '../model/record.js'

/** A record that is not in the database yet. */
export interface QueuedRecord {
  readonly record: UploadRecord
  /** True for a record that an upload gave, false for one that a reindex read from a sidecar. */
  readonly live: boolean
  /** Its place in the order of arrival; a newer record of the same upload keeps it. */
  readonly ticket: number
  /** When its upload came into the queue, in milliseconds of the caller's clock. */
  readonly sinceMs: number
}

type Entries = Map<string, QueuedRecord>

/** What a record takes beside the texts of any length: objects, places in maps, ids, path, times, digest. */
const RECORD_BYTES = 736

/** An upper bound of the bytes that a record takes in memory. */
export function bytesOf({ metadata, filename, declaredType, type, reason, owner }: UploadRecord): number {
  // Metadata is ASCII, as it came in a header: one byte a character. The others may have two.
  const texts = [filename, declaredType, type, reason, owner]
  const characters = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
  return RECORD_BYTES + (metadata?.length ?? 0) + 2 * characters
}

/**
 * The newest record of each upload, until the database has it; older ones are forgotten at once.
 *
 * At the limit, records of unfinished uploads are dropped for the record of an ended one; otherwise the newcomer is
 * dropped. Each drop is counted: the sidecars still have what was dropped, and a reindex restores it.
 */
export class RecordQueue {
  readonly #limitBytes: number
  /** In order of arrival; a Map keeps the place of a key that is set again. */
  #waiting: Entries = new Map()
  /** On their way to the database: kept here until it has them. */
  #inFlight: Entries = new Map()
  /** The waiting records of unfinished uploads, so that one to drop is found without a search. */
  readonly #droppable = new Set<string>()
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

  /** Records dropped since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** The ticket of the newest arrival. */
  get lastTicket(): number {
    return this.#tickets
  }

  /** The upload that has been in the queue for longest. */
  get oldest(): QueuedRecord | undefined {
    for (const state of this.#inFlight.values()) return state
    for (const state of this.#waiting.values()) return state
    return undefined
  }

  /** The newest record of an upload, unless the database has it already. */
  find(id: string): QueuedRecord | undefined {
    return this.#waiting.get(id) ?? this.#inFlight.get(id)
  }

  /** The newest records that uploads gave, by id. */
  live(): Map<string, UploadRecord> {
    const all = new Map<string, UploadRecord>()
    for (const entries of [this.#inFlight, this.#waiting])
      for (const [id, { record, live }] of entries) if (live) all.set(id, record)
    return all
  }

  /**
   * Adds a record. A live one replaces what waits of its upload; a restored one gives way to a live one, which the
   * upload gave after the sidecar was written.
   */
  add(record: UploadRecord, live: boolean, nowMs: number): void {
    if (!live && this.find(record.id)?.live) return
    const known = this.#waiting.get(record.id)
    // A newer record of an upload that waits already has the same texts, except for its type.
    if (!known && !this.#makeRoom(record)) return
    this.#tickets += 1
    this.#keep({ record, live, ticket: known?.ticket ?? this.#tickets, sinceMs: known?.sinceMs ?? nowMs })
  }

  /**
   * Moves the oldest records out, to be written in one transaction: at most `limit`, and no more once they have
   * `limitBytes`.
   */
  take(limit: number, limitBytes: number): readonly QueuedRecord[] {
    for (const [id, state] of this.#waiting) {
      if (this.#inFlight.size >= limit || this.#inFlightBytes >= limitBytes) break
      this.#remove(id)
      this.#inFlight.set(id, state)
      this.#inFlightBytes += bytesOf(state.record)
    }
    return [...this.#inFlight.values()]
  }

  /** The records in flight are in the database. */
  done(): void {
    this.#inFlight = new Map()
    this.#inFlightBytes = 0
  }

  /** The records in flight were lost on their way: they wait again, first in line, unless newer ones came. */
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

  #keep(state: QueuedRecord): void {
    const { id } = state.record
    const replaced = this.#waiting.get(id)
    this.#waitingBytes += bytesOf(state.record) - (replaced ? bytesOf(replaced.record) : 0)
    this.#waiting.set(id, state)
    if (isUnfinished(state.record.state)) this.#droppable.add(id)
    else this.#droppable.delete(id)
  }

  #remove(id: string): void {
    const state = this.#waiting.get(id)
    if (!state) return
    this.#waiting.delete(id)
    this.#droppable.delete(id)
    this.#waitingBytes -= bytesOf(state.record)
  }

  /** Drops records where the queue is full, older ones or the newcomer; true when there is room for the newcomer. */
  #makeRoom(newcomer: UploadRecord): boolean {
    const mostBytes = this.#limitBytes - bytesOf(newcomer)
    if (!isUnfinished(newcomer.state)) {
      for (const id of this.#droppable) {
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
