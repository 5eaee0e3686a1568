import { UploadError } from '../server/errors.js'

/** Owners that are remembered for a day; 200 bytes each. Beyond that the one that came first is forgotten. */
const MOST_OWNERS = 20_000
const DAY_MS = 86_400_000

/**
 * The bytes that each owner has sent today (UTC). They are counted in memory: a restart begins at zero, because no record
 * says how many bytes of an upload came on which day.
 */
export class DayBytes {
  readonly #limitBytes: number
  readonly #now: () => number
  readonly #sent = new Map<string, number>()
  #day = 0

  /** `now` gives milliseconds since 1970. Without a limit nothing is counted. */
  constructor(limitBytes: number | 'off', now: () => number) {
    this.#limitBytes = limitBytes === 'off' ? Infinity : limitBytes
    this.#now = now
  }

  /**
   * Reserves the bytes that a request announces; the function it returns is called at its end with those that were
   * stored. Throws owner_bytes_used where they are more than are left, of the body or of
   * the whole upload.
   */
  reserve(owner: string, bodyBytes: number, uploadBytes: number): (storedBytes: number) => void {
    if (this.#limitBytes === Infinity) return () => {}
    this.#beginDay()
    const sent = this.#sent.get(owner) ?? 0
    if (sent >= this.#limitBytes || sent + Math.max(bodyBytes, uploadBytes) > this.#limitBytes)
      throw new UploadError('owner_bytes_used')
    const day = this.#day
    this.#add(owner, bodyBytes)
    return (storedBytes) => {
      this.#beginDay()
      this.#add(owner, this.#day === day ? storedBytes - bodyBytes : storedBytes)
    }
  }

  #add(owner: string, bytes: number): void {
    const sent = Math.max(0, (this.#sent.get(owner) ?? 0) + bytes)
    this.#sent.delete(owner)
    if (sent > 0) this.#sent.set(owner, sent)
    for (const [first] of this.#sent) {
      if (this.#sent.size <= MOST_OWNERS) return
      this.#sent.delete(first)
    }
  }

  #beginDay(): void {
    const day = Math.floor(this.#now() / DAY_MS)
    if (day !== this.#day) this.#sent.clear()
    this.#day = day
  }
}
