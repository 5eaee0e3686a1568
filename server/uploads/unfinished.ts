import { UploadError } from '../errors.js'
import { isUnfinished, type UploadRecord } from '../model/record.js'

/** The day in an id, plus one, and its 128 bits as four words. */
const WORDS = 5
const LEAST_PLACES = 1024
/** In the first word of an id without a dash. */
const NO_DASH = 2 ** 30
const OF_DIGITS = /^\d{8}-?[0-9a-f]{32}$/
/** A table fuller than this is made twice as large. */
const MOST_FILLED = 0.8

/**
 * The unfinished uploads, each with the time at which something may be due with it: a table of 28 bytes a place,
 * so that all of them fit into memory. Ids that a hook has named are kept as texts, of some 200 bytes each. Its size is their number. The times are lower bounds: whoever is given an
 * upload reads what is stored of it and sets the next time.
 */
export class Unfinished {
  readonly #limit: number
  /** The ids, by open addressing; a first word of 0 is a free place. */
  #ids = new Uint32Array(LEAST_PLACES * WORDS)
  /** Milliseconds since 1970. */
  #dueAt = new Float64Array(LEAST_PLACES)
  #size = 0
  /** Those whose ids a hook has named, by id. */
  readonly #named = new Map<string, number>()
  /** Where the next search for what is due begins. */
  #cursor = 0
  /** Nothing is due before. */
  #nextDueMs = Number.POSITIVE_INFINITY
  /** How many there are on all nodes, as they were last counted; null where this server is alone. */
  #ofAll: number | null = null

  /** @param limit uploads that may be unfinished at once */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** How many there are: on all nodes, as far as is known here, where this is one of several. */
  get size(): number {
    return this.#ofAll ?? this.#size + this.#named.size
  }

  get limit(): number {
    return this.#limit
  }

  /** Adds a new upload. Throws unfinished_full at the limit. */
  admit(id: string, dueAtMs: number): void {
    if (this.size >= this.#limit) throw new UploadError('unfinished_full', { detail: `${this.#limit}` })
    if (this.#ofAll !== null) this.#ofAll += 1
    this.set(id, dueAtMs)
  }

  /** So many there are on all nodes. Until the next count, what begins and ends here is added and subtracted. */
  noteAll(count: number): void {
    this.#ofAll = count
  }

  /** Keeps up with a record; one that is not known is due at that time. */
  note({ id, state }: Pick<UploadRecord, 'id' | 'state'>, dueAtMs: number): void {
    if (!isUnfinished(state)) this.delete(id)
    else if (!this.has(id)) this.set(id, dueAtMs)
  }

  /** Notes when an unfinished upload is due, and adds one that is not known: it exists, whatever the limit. */
  set(id: string, dueAtMs: number): void {
    this.#nextDueMs = Math.min(this.#nextDueMs, dueAtMs)
    if (!OF_DIGITS.test(id)) {
      this.#named.set(id, dueAtMs)
      return
    }
    if ((this.#size + 1) / this.#dueAt.length > MOST_FILLED) this.#grow()
    const key = keyOf(id)
    const place = this.#find(key)
    if (this.#isFree(place)) this.#size += 1
    this.#ids.set(key, place * WORDS)
    this.#dueAt[place] = dueAtMs
  }

  /** An upload is finished or gone. */
  delete(id: string): void {
    if (!this.has(id)) return
    if (this.#ofAll !== null) this.#ofAll = Math.max(0, this.#ofAll - 1)
    if (this.#named.delete(id)) return
    let free = this.#find(keyOf(id))
    this.#size -= 1
    // What was pushed behind the free place moves up, so that a search may end at a free place.
    for (let place = this.#next(free); !this.#isFree(place); place = this.#next(place)) {
      const home = this.#home(this.#ids, place * WORDS)
      const isBetween = free < place ? home > free && home <= place : home > free || home <= place
      if (isBetween) continue
      this.#ids.copyWithin(free * WORDS, place * WORDS, (place + 1) * WORDS)
      this.#dueAt[free] = this.#dueAt[place] ?? 0
      free = place
    }
    this.#ids[free * WORDS] = 0
  }

  has(id: string): boolean {
    return OF_DIGITS.test(id) ? !this.#isFree(this.#find(keyOf(id))) : this.#named.has(id)
  }

  /** At most `limit` uploads that are due; the caller sets or deletes each, or is given it again. */
  due(nowMs: number, limit: number): string[] {
    if (nowMs < this.#nextDueMs) return []
    const ids: string[] = []
    const places = this.#dueAt.length
    let earliestMs = Number.POSITIVE_INFINITY
    for (const [id, dueAtMs] of this.#named) {
      if (dueAtMs <= nowMs && ids.length < limit) ids.push(id)
      else earliestMs = Math.min(earliestMs, dueAtMs)
    }
    let searched = 0
    for (; searched < places && ids.length < limit; searched++) {
      const place = (this.#cursor + searched) % places
      if (this.#isFree(place)) continue
      const dueAtMs = this.#dueAt[place] ?? 0
      if (dueAtMs <= nowMs) ids.push(this.#idAt(place))
      else earliestMs = Math.min(earliestMs, dueAtMs)
    }
    this.#cursor = (this.#cursor + searched) % places
    if (ids.length === 0) this.#nextDueMs = earliestMs
    return ids
  }

  #grow(): void {
    const [ids, dueAt] = [this.#ids, this.#dueAt]
    this.#ids = new Uint32Array(ids.length * 2)
    this.#dueAt = new Float64Array(dueAt.length * 2)
    for (const [place, dueAtMs] of dueAt.entries()) {
      if (ids[place * WORDS] === 0) continue
      const key = ids.subarray(place * WORDS, (place + 1) * WORDS)
      const moved = this.#find(key)
      this.#ids.set(key, moved * WORDS)
      this.#dueAt[moved] = dueAtMs
    }
    this.#cursor = 0
  }

  /** The place of a key, or the free place where it belongs. */
  #find(key: Uint32Array): number {
    let place = this.#home(key, 0)
    while (!this.#isFree(place) && !this.#isAt(place, key)) place = this.#next(place)
    return place
  }

  /** The bits of an id are random: some of them are as good as a hash. */
  #home(words: Uint32Array, at: number): number {
    return (words[at + 1] ?? 0) % this.#dueAt.length
  }

  #next(place: number): number {
    return (place + 1) % this.#dueAt.length
  }

  #isFree(place: number): boolean {
    return this.#ids[place * WORDS] === 0
  }

  #isAt(place: number, key: Uint32Array): boolean {
    return key.every((word, index) => this.#ids[place * WORDS + index] === word)
  }

  #idAt(place: number): string {
    const [first = 0, ...words] = this.#ids.subarray(place * WORDS, (place + 1) * WORDS)
    const bits = words.map((word) => word.toString(16).padStart(8, '0')).join('')
    const dash = first >= NO_DASH ? '' : '-'
    return `${String((first % NO_DASH) - 1).padStart(8, '0')}${dash}${bits}`
  }
}

/** An id, `YYYYMMDD`, perhaps a dash, and 32 digits of hex, as words. The first one is never 0, which is a free place. */
function keyOf(id: string): Uint32Array {
  const dash = id[8] === '-' ? 1 : 0
  const word = (index: number): number => {
    const from = 8 + dash + index * 8
    return Number.parseInt(id.slice(from, from + 8), 16)
  }
  const first = Number(id.slice(0, 8)) + 1 + (dash === 1 ? 0 : NO_DASH)
  return Uint32Array.of(first, word(0), word(1), word(2), word(3))
}
