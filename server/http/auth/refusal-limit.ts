/** So many refusals an address may cause at once, and one more each second. */
const BURST = 20
const REFILL_MS = 1_000
/** Addresses that are remembered; 100 bytes each. Beyond that the one that was refused first is forgotten. */
const MOST_ADDRESSES = 4_096

/** Limits how often a network address is refused, so that nobody can try many keys. */
export class RefusalLimit {
  readonly #monotonic: () => number
  /** When each address will have had all its refusals back, in milliseconds of the clock. */
  readonly #backAtMs = new Map<string, number>()

  /** `monotonic` gives milliseconds of a monotonic clock. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Addresses that are remembered now. */
  get size(): number {
    return this.#backAtMs.size
  }

  /** Tells whether an address has been refused too often to be listened to now. */
  isOver(address: string): boolean {
    const backAtMs = this.#backAtMs.get(address) ?? 0
    return backAtMs - this.#monotonic() > (BURST - 1) * REFILL_MS
  }

  /** An address was refused once more. One that is not listened to learns nothing: that does not count, or it would be locked out for hours. */
  note(address: string): void {
    if (this.isOver(address)) return
    const nowMs = this.#monotonic()
    const backAtMs = Math.max(nowMs, this.#backAtMs.get(address) ?? 0) + REFILL_MS
    this.#backAtMs.delete(address)
    this.#backAtMs.set(address, backAtMs)
    if (this.#backAtMs.size <= MOST_ADDRESSES) return
    for (const [first] of this.#backAtMs) {
      this.#backAtMs.delete(first)
      return
    }
  }
}
