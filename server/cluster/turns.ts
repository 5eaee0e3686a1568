import type { ClusterLocks, Turn } from '../model/cluster.js'

/** How long one question for a turn may take, so that the end of the server is noticed. */
const ASK_MS = 2_000

/** Work that goes over all uploads, and that one node at a time does. */
export class Turns {
  readonly #locks: ClusterLocks

  constructor(locks: ClusterLocks) {
    this.#locks = locks
  }

  /**
   * Does `work` unless another node does work of this name now. Where the lease is lost meanwhile, another node may begin:
   * the turn says so. Rejects as `work` does, and where PostgreSQL cannot be asked.
   */
  async unlessTaken(name: string, work: (turn: Turn) => Promise<void>): Promise<void> {
    const held = await this.#locks.tryAcquire(lockOf(name), () => {})
    if (held) await work(held).finally(() => held.release())
  }

  /** Does `work` once no other node does work of this name, or never, if `isOver`. Rejects as `unlessTaken`. */
  async inTurn(name: string, work: () => Promise<void>, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const held = await this.#locks.acquire(lockOf(name), () => {}, ASK_MS)
      if (!held) continue
      return work().finally(() => held.release())
    }
  }
}

/** No upload has this id. */
function lockOf(name: string): string {
  return `work: ${name}`
}
