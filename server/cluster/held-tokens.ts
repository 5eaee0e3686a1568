import type { Held } from '../model/cluster.js'

/** The fencing tokens of the uploads whose locks this node holds, and whose memory it has checked. */
export class HeldTokens {
  readonly #held = new Map<string, Held>()

  /** The token that this node may write an upload under; undefined where it may not, as its lease was lost. */
  of(id: string): number | undefined {
    const held = this.#held.get(id)
    return held?.isValid ? held.token : undefined
  }

  /** From now on this node may write the upload. */
  add(id: string, held: Held): void {
    this.#held.set(id, held)
  }

  /** It may not any more, unless another holder of this node has the lock. */
  remove(id: string, held: Held): void {
    if (this.#held.get(id) === held) this.#held.delete(id)
  }
}
