/** How long after a joining the same request again is taken for a client whose answer was lost. */
export const ASKED_AGAIN_MS = 10 * 60_000
/** Joined final uploads that are remembered for that, about 200 bytes each; beyond it the oldest go. */
const MOST_REMEMBERED = 10_000

/**
 * The final uploads that were joined within the last ten minutes, by the key of the request that made them. For one that
 * was joined before this process began, the ten minutes count from the start of the process.
 */
export class JoinedFinals {
  readonly #most: number
  readonly #clockMs: () => number
  readonly #beganAtMs: number
  readonly #byKey = new Map<string, { readonly id: string; readonly joinedAtMs: number }>()

  /** `clockMs` gives milliseconds that never go back. */
  constructor(clockMs: () => number = () => performance.now(), most = MOST_REMEMBERED) {
    this.#most = most
    this.#clockMs = clockMs
    this.#beganAtMs = clockMs()
  }

  /** Remembers one that was joined so many milliseconds ago. */
  remember(key: string, id: string, ageMs = 0): void {
    const joinedAtMs = this.#clockMs() - ageMs
    if ((this.#byKey.get(key)?.joinedAtMs ?? Number.NEGATIVE_INFINITY) > joinedAtMs) return
    this.#byKey.delete(key)
    this.#byKey.set(key, { id, joinedAtMs })
    if (this.#byKey.size > this.#most) this.#forgetOldest()
  }

  /** The one that the same request has made within the last ten minutes. */
  madeBy(key: string): string | undefined {
    const joined = this.#byKey.get(key)
    if (!joined) return undefined
    const sinceMs = Math.max(joined.joinedAtMs, this.#beganAtMs)
    if (this.#clockMs() - sinceMs < ASKED_AGAIN_MS) return joined.id
    this.#byKey.delete(key)
    return undefined
  }

  /** A tenth at once: after a start they come in no order, and sorting has its price. */
  #forgetOldest(): void {
    const byAge = [...this.#byKey].sort(([, a], [, b]) => a.joinedAtMs - b.joinedAtMs)
    for (const [key] of byAge.slice(0, Math.ceil(this.#most / 10))) this.#byKey.delete(key)
  }
}
