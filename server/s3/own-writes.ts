/** How many uploads are remembered; all others count as written by another node. */
const MOST = 2_048

/** The fencing token under which each upload was written last, as this node knows it. */
export class OwnWrites {
  /** In the order in which they were noted. */
  readonly #tokens = new Map<string, number>()

  /** The upload was written by this node, or read by it under the upload's lock. An answer may come after a later one. */
  note(id: string, token: number): void {
    const newest = Math.max(token, this.#tokens.get(id) ?? 0)
    this.#tokens.delete(id)
    this.#tokens.set(id, newest)
    const [oldest] = this.#tokens.keys()
    if (this.#tokens.size > MOST && oldest !== undefined) this.#tokens.delete(oldest)
  }

  /** What this node has in memory of the upload may not be what is stored. */
  forget(id: string): void {
    this.#tokens.delete(id)
  }

  /** Tells whether the token is that of the last note, and notes it; undefined where the upload is gone. */
  take(id: string, token: number | undefined): boolean {
    const isSame = token !== undefined && this.#tokens.get(id) === token
    this.#tokens.delete(id)
    if (token !== undefined) this.note(id, token)
    return isSame
  }
}
