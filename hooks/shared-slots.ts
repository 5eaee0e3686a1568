import { UploadError } from '../server/errors.js'
import type { ClusterSlots, Held, SlotHolder } from '../server/model/cluster.js'
import { SqlError } from '../server/model/sql.js'

/** Slots that a request has before one of all nodes. */
interface OwnSlots {
  take(
    id: string,
    gone: AbortSignal,
    owner: string | null,
  ): Promise<(() => void) | (() => Promise<void>) | null>
}

interface SharedParts {
  /** The slots of this node, and of each owner. */
  readonly own: OwnSlots
  /** The slots of all nodes together. */
  readonly cluster: Pick<ClusterSlots, 'take'>
  /** How long a request may wait for both, in milliseconds. */
  readonly waitMs: number
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** A slot of the cluster, which the requests of this node for one upload share. */
interface Share {
  /** The requests that share it. */
  readonly by: Set<SlotHolder>
  /** Undefined where none came free. Rejects where PostgreSQL cannot be asked. */
  readonly taking: Promise<Held | undefined>
}

/** One request that asks for a slot. */
interface Asked {
  readonly id: string
  readonly gone: AbortSignal
  readonly holder: SlotHolder
  readonly deadlineMs: number
}

/** Gives a slot back; a second call does nothing more. Resolves once PostgreSQL has it; never rejects. */
type GiveBack = () => Promise<void>

/**
 * Slots of this node and of all nodes together: an upload has one of each while it is active. A request that takes over
 * an upload of this node shares both.
 */
export class SharedSlots {
  readonly #parts: SharedParts
  readonly #shares = new Map<string, Share>()

  constructor(parts: SharedParts) {
    this.#parts = parts
  }

  /** Nothing can be taken without PostgreSQL. */
  tryTake(): undefined {}

  /**
   * Takes a slot of this node, then one of all nodes. Resolves with null when `gone` aborts first. Rejects with slots_full
   * or owner_slots_full when none came free in time, with storage_unavailable where PostgreSQL cannot be asked, and as
   * `holder.mayInterrupt` does. Each request has a `holder` of its own.
   */
  async take(
    id: string,
    gone: AbortSignal,
    owner: string | null,
    holder: SlotHolder,
  ): Promise<GiveBack | null> {
    const { own, waitMs, monotonic } = this.#parts
    const deadlineMs = monotonic() + waitMs
    const giveBackOwn = await own.take(id, gone, owner)
    if (!giveBackOwn) return null
    let share: Share | undefined
    const asked = { id, gone, holder, deadlineMs }
    try {
      share = await this.#share(asked)
    } catch (error) {
      giveBackOwn()
      throw error instanceof SqlError ? new UploadError('storage_unavailable', { cause: error }) : error
    }
    if (!share) {
      giveBackOwn()
      if (gone.aborted) return null
      throw new UploadError('slots_full')
    }
    const shared = share
    return async () => {
      await Promise.all([giveBackOwn(), this.#leave(shared, asked)])
    }
  }

  /** Undefined where no slot came free in time, or the sender has left. */
  async #share(asked: Asked): Promise<Share | undefined> {
    for (;;) {
      const known = this.#shares.get(asked.id)
      if (!known) return this.#begin(asked)
      // Before the wait, so that nobody gives the slot back meanwhile.
      known.by.add(asked.holder)
      const held = await known.taking.catch(() => undefined)
      if (held?.isValid && !asked.gone.aborted) return known
      await this.#leave(known, asked)
      if (asked.gone.aborted) return undefined
      this.#forget(asked.id, known)
    }
  }

  async #begin({ id, gone, holder, deadlineMs }: Asked): Promise<Share | undefined> {
    const { cluster, monotonic } = this.#parts
    const by = new Set([holder])
    let may: boolean | Promise<boolean> | undefined
    const all: SlotHolder = {
      end: (cause) => {
        for (const each of [...by]) each.end(cause)
      },
      // Asked with each try to get a slot.
      mayInterrupt: () => {
        may ??= holder.mayInterrupt()
        return may
      },
    }
    const leftMs = Math.max(0, deadlineMs - monotonic())
    const share: Share = { by, taking: cluster.take(id, all, leftMs, gone) }
    this.#shares.set(id, share)
    try {
      if (await share.taking) return share
    } catch (error) {
      this.#forget(id, share)
      throw error
    }
    this.#forget(id, share)
    return undefined
  }

  async #leave(share: Share, { id, holder }: Asked): Promise<void> {
    if (!share.by.delete(holder) || share.by.size > 0) return
    this.#forget(id, share)
    const held = await share.taking.catch(() => undefined)
    await held?.release()
  }

  #forget(id: string, share: Share): void {
    if (this.#shares.get(id) === share) this.#shares.delete(id)
  }
}
