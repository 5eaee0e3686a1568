import { UploadError } from '../server/errors.js'

interface SlotOptions {
  /** How many uploads may be active at once. */
  readonly limit: number
  /** How many uploads of one owner may be active at once. */
  readonly limitPerOwner: number
  /** How long a request may wait for a slot, in milliseconds; 0 refuses at once. */
  readonly waitMs: number
  /** How many requests may wait; each keeps up to 64 KiB in its socket. The next is refused at once. */
  readonly mostWaiting: number
}

interface Waiter {
  readonly id: string
  /** Null for nobody in particular. */
  readonly owner: string | null
  readonly give: () => void
}

/** Gives a slot back; a second call does nothing. */
export type GiveBack = () => void

/**
 * The slots of active uploads. A slot belongs to an upload, not to a connection: a request that takes over
 * an upload whose older request is still ending shares its slot, so that it can resume while all slots are taken.
 */
export class Slots {
  readonly limit: number
  readonly #limitPerOwner: number
  readonly #waitMs: number
  readonly #mostWaiting: number
  /** Requests that share each upload's slot, and whose it is. */
  readonly #taken = new Map<string, { readonly sharing: number; readonly owner: string | null }>()
  /** Slots that each owner has now. */
  readonly #owned = new Map<string, number>()
  readonly #waiting: Waiter[] = []

  constructor(options: SlotOptions) {
    this.limit = options.limit
    this.#limitPerOwner = options.limitPerOwner
    this.#waitMs = options.waitMs
    this.#mostWaiting = options.mostWaiting
  }

  /** Slots that are taken now. */
  get taken(): number {
    return this.#taken.size
  }

  /** Requests that wait for a slot now. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Takes a slot for an upload, or waits for one in order. Resolves with null when `gone` aborts first, because the
   * sender has left. Rejects with slots_full or owner_slots_full when no slot came free in time, or too many requests
   * wait already.
   */
  async take(id: string, gone: AbortSignal, owner: string | null = null): Promise<GiveBack | null> {
    const free = this.tryTake(id, owner)
    if (free) return free
    if (gone.aborted) return null
    if (this.#waitMs === 0 || !this.#mayWait(owner)) throw this.#full(owner)
    return (await this.#wait(id, gone, owner)) ? this.#giveBackOnce(id) : null
  }

  /** Takes a slot for an upload if one is free, and nobody who could have it waits. */
  tryTake(id: string, owner: string | null = null): GiveBack | undefined {
    if (!this.#hasRoomFor(id, owner)) return undefined
    this.#add(id, owner)
    return this.#giveBackOnce(id)
  }

  /** An owner may have as many requests waiting as slots: else one alone could take all places. */
  #mayWait(owner: string | null): boolean {
    if (this.#waiting.length >= this.#mostWaiting) return false
    const own = this.#waiting.filter((waiter) => waiter.owner === owner).length
    return owner === null || own < this.#limitPerOwner
  }

  #full(owner: string | null): UploadError {
    return new UploadError(this.#isOwnerFull(owner) ? 'owner_slots_full' : 'slots_full')
  }

  #isOwnerFull(owner: string | null): boolean {
    return owner !== null && (this.#owned.get(owner) ?? 0) >= this.#limitPerOwner
  }

  #giveBackOnce(id: string): GiveBack {
    let given = false
    return () => {
      if (given) return
      given = true
      this.#remove(id)
    }
  }

  #hasRoomFor(id: string, owner: string | null): boolean {
    // A slot that is free is one that nobody who waits may have: it would have been given to them.
    return this.#taken.has(id) || (this.#taken.size < this.limit && !this.#isOwnerFull(owner))
  }

  #add(id: string, owner: string | null): void {
    const known = this.#taken.get(id)
    this.#taken.set(id, { sharing: (known?.sharing ?? 0) + 1, owner: known ? known.owner : owner })
    if (!known && owner !== null) this.#owned.set(owner, (this.#owned.get(owner) ?? 0) + 1)
  }

  #remove(id: string): void {
    const known = this.#taken.get(id)
    if (!known) return
    const { sharing, owner } = known
    if (sharing > 1) this.#taken.set(id, { sharing: sharing - 1, owner })
    else this.#free(id, owner)
    while (this.#taken.size < this.limit) {
      const next = this.#waiting.find((waiter) => !this.#isOwnerFull(waiter.owner))
      if (!next) return
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      this.#add(next.id, next.owner)
      next.give()
    }
  }

  #free(id: string, owner: string | null): void {
    this.#taken.delete(id)
    if (owner === null) return
    const left = (this.#owned.get(owner) ?? 1) - 1
    if (left > 0) this.#owned.set(owner, left)
    else this.#owned.delete(owner)
  }

  /** Resolves with true when the slot is given, and with false when the sender has left. Rejects as `take` does. */
  #wait(id: string, gone: AbortSignal, owner: string | null): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer)
        gone.removeEventListener('abort', leave)
      }
      const quit = (): void => {
        stop()
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
      }
      const leave = (): void => {
        quit()
        resolve(false)
      }
      const waiter: Waiter = {
        id,
        owner,
        give: () => {
          stop()
          resolve(true)
        },
      }
      const timer = setTimeout(() => {
        quit()
        reject(this.#full(owner))
      }, this.#waitMs)
      gone.addEventListener('abort', leave)
      this.#waiting.push(waiter)
    })
  }
}
