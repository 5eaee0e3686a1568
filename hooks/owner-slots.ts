import { UploadError } from '../server/errors.js'
import type { ClusterOwnerSlots } from '../server/model/cluster.js'
import { SqlError } from '../server/model/sql.js'
import type { GiveBack, Slots } from './slots.js'

/** Gives a slot back. Resolves once PostgreSQL has it; never rejects. */
type GiveBackShared = () => Promise<void>

interface OwnerSlotsParts {
  /** The slots of this node, which count its owners too. */
  readonly own: Pick<Slots, 'take' | 'tryTake'>
  /** The active uploads of each owner on all nodes. */
  readonly cluster: ClusterOwnerSlots
  /** How long a request may wait for both, in milliseconds. */
  readonly waitMs: number
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** Slots of this node, where the active uploads of an owner are counted on all nodes. A request without an owner asks no database. */
export class OwnerSlots {
  readonly #parts: OwnerSlotsParts

  constructor(parts: OwnerSlotsParts) {
    this.#parts = parts
  }

  /** Takes a slot if one is free; undefined for an owner, whose slots PostgreSQL counts. */
  tryTake(id: string, owner: string | null = null): GiveBack | undefined {
    return owner === null ? this.#parts.own.tryTake(id) : undefined
  }

  /** As `take` of Slots. Rejects also with storage_unavailable, where PostgreSQL cannot be asked. */
  async take(
    id: string,
    gone: AbortSignal,
    owner: string | null = null,
  ): Promise<GiveBack | GiveBackShared | null> {
    const { own, cluster, waitMs, monotonic } = this.#parts
    const deadlineMs = monotonic() + waitMs
    const giveBackOwn = await own.take(id, gone, owner)
    if (!giveBackOwn || owner === null) return giveBackOwn
    try {
      const held = await cluster.take(owner, id, Math.max(0, deadlineMs - monotonic()), gone)
      if (held && !gone.aborted) {
        return () => {
          giveBackOwn()
          return held.release()
        }
      }
      await held?.release()
    } catch (error) {
      giveBackOwn()
      throw error instanceof SqlError ? new UploadError('storage_unavailable', { cause: error }) : error
    }
    giveBackOwn()
    if (gone.aborted) return null
    throw new UploadError('owner_slots_full')
  }
}
