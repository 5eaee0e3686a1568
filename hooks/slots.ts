import { UploadError } from '../server/errors.js'

interface SlotOptions {
  /** How many uploads may be active at once. */
  readonly limit: number
  /** How long a request may wait for a slot, in milliseconds; 0 refuses at once. */
  readonly waitMs: number
  /** How many requests may wait; each keeps up to 64 KiB in its socket. The next is refused at once. */
  readonly mostWaiting: number
}

interface Waiter {
  readonly id: string
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
  readonly #waitMs: number
  readonly #mostWaiting: number
  /** Requests that share each upload's slot. */
  readonly #taken = new Map<string, number>()
  readonly #waiting: Waiter[] = []

  constructor(options: SlotOptions) {
    this.limit = options.limit
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
   * sender has left. Rejects with slots_full when no slot came free in time, or too many requests wait already.
   */
  async take(id: string, gone: AbortSignal): Promise<GiveBack | null> {
    const free = this.tryTake(id)
    if (free) return free
    if (gone.aborted) return null
    if (this.#waitMs === 0 || this.#waiting.length >= this.#mostWaiting) throw new UploadError('slots_full')
    return (await this.#wait(id, gone)) ? this.#giveBackOnce(id) : null
  }

  /** Takes a slot for an upload if one is free, and nobody waits for it. */
  tryTake(id: string): GiveBack | undefined {
    if (!this.#hasRoomFor(id)) return undefined
    this.#add(id)
    return this.#giveBackOnce(id)
  }

  #giveBackOnce(id: string): GiveBack {
    let given = false
    return () => {
      if (given) return
      given = true
      this.#remove(id)
    }
  }

  #hasRoomFor(id: string): boolean {
    // Whoever waits already goes first, unless this upload has a slot.
    return this.#taken.has(id) || (this.#waiting.length === 0 && this.#taken.size < this.limit)
  }

  #add(id: string): void {
    this.#taken.set(id, (this.#taken.get(id) ?? 0) + 1)
  }

  #remove(id: string): void {
    const sharing = (this.#taken.get(id) ?? 1) - 1
    if (sharing > 0) this.#taken.set(id, sharing)
    else this.#taken.delete(id)
    while (this.#taken.size < this.limit) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#add(next.id)
      next.give()
    }
  }

  /** Resolves with true when the slot is given, and with false when the sender has left. Rejects with slots_full. */
  #wait(id: string, gone: AbortSignal): Promise<boolean> {
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
        give: () => {
          stop()
          resolve(true)
        },
      }
      const timer = setTimeout(() => {
        quit()
        reject(new UploadError('slots_full'))
      }, this.#waitMs)
      gone.addEventListener('abort', leave)
      this.#waiting.push(waiter)
    })
  }
}
