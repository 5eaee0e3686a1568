import type { Lock, Locker as TusLocker } from '@tus/server'
import { UploadError } from '../errors.js'

/** A request as the locker knows it. */
export interface LockOwner {
  /** Ends what the request is doing, because a newer one wants the upload. */
  interrupt(): void
}

interface Waiter<O> {
  /** Undefined where the server itself waits. */
  readonly owner: O | undefined
  readonly grant: () => void
  readonly refuse: (error: UploadError) => void
}

interface Held<O> {
  /** Undefined while it is the server itself. */
  owner: O | undefined
  readonly waiting: Waiter<O>[]
}

export interface LockLimits {
  /** How long a request waits before it is refused, in milliseconds. */
  readonly waitMs: number
  /** How many may wait for one upload; the next is refused at once. */
  readonly mostWaiting: number
}

/** Tells whether a request may end what runs on an upload. Rejects with an UploadError. */
export type MayInterrupt<O> = (id: string, owner: O) => boolean | Promise<boolean>

/**
 * One writer for each upload. Who comes while an upload is held interrupts the holder and waits in order,
 * for a bounded time. A holder that already has somebody behind it is interrupted as it begins: the
 * newest request wins.
 */
export class UploadLocks<O extends LockOwner> {
  readonly #limits: LockLimits
  readonly #mayInterrupt: MayInterrupt<O>
  readonly #held = new Map<string, Held<O>>()

  constructor(limits: LockLimits, mayInterrupt: MayInterrupt<O>) {
    this.#limits = limits
    this.#mayInterrupt = mayInterrupt
  }

  /** The request that holds the lock of an upload; throws where none does. */
  holder(id: string): O {
    const held = this.#held.get(id)
    if (!held?.owner) throw new UploadError('internal', { detail: 'the upload is not locked' })
    return held.owner
  }

  /** Tells whether a request holds or awaits this upload. */
  isHeld(id: string): boolean {
    return this.#held.has(id)
  }

  /** Tells whether a request, and not the server itself, holds this upload. */
  isHeldByRequest(id: string): boolean {
    return this.#held.get(id)?.owner !== undefined
  }

  /** Ends what runs on an upload, if anything does. Rejects with upload_unknown where `owner` may not do so. */
  async interrupt(id: string, owner: O): Promise<void> {
    await this.#checkAccess(id, owner)
    this.#held.get(id)?.owner?.interrupt()
  }

  /** What is done to an upload under its lock checks the access itself; this is for what comes before. */
  #checkAccess(id: string, owner: O): Promise<void> | undefined {
    const may = !this.#held.has(id) || this.#mayInterrupt(id, owner)
    // An upload in memory is answered for at once: requests come to hold it in the order in which they ask.
    if (may === true) return undefined
    return Promise.resolve(may).then((allowed) => {
      if (!allowed) throw new UploadError('upload_unknown')
    })
  }

  /** Runs `work` while nobody else can have the upload; does nothing where it is held already. */
  async tryWith(id: string, work: () => Promise<void>): Promise<void> {
    if (this.#held.has(id)) return
    const held: Held<O> = { owner: undefined, waiting: [] }
    this.#held.set(id, held)
    try {
      await work()
    } finally {
      this.#pass(id, held)
    }
  }

  /** Runs `work` while nobody else can have any of these uploads, but for those that are held already. */
  async tryWithAll(ids: readonly string[], work: (free: readonly string[]) => Promise<void>): Promise<void> {
    const free = ids.filter((id) => !this.#held.has(id))
    const taken = free.map((id): [string, Held<O>] => [id, { owner: undefined, waiting: [] }])
    for (const [id, held] of taken) this.#held.set(id, held)
    try {
      await work(free)
    } finally {
      for (const [id, held] of taken) this.#pass(id, held)
    }
  }

  /** Runs `work` when it is its turn, and interrupts nobody for it. Rejects with upload_locked, and as `work` does. */
  async waitWith(id: string, work: () => Promise<void>): Promise<void> {
    const held = this.#held.get(id)
    if (!held) return this.tryWith(id, work)
    await this.#wait(held, undefined)
    try {
      await work()
    } finally {
      this.#pass(id, held)
    }
  }

  /** Resolves when `owner` holds the upload. Rejects with upload_locked, and with upload_unknown; see `interrupt`. */
  async acquire(id: string, owner: O): Promise<void> {
    const access = this.#checkAccess(id, owner)
    if (access) await access
    const held = this.#held.get(id)
    if (!held) {
      this.#held.set(id, { owner, waiting: [] })
      return
    }
    if (held.waiting.length >= this.#limits.mostWaiting) throw new UploadError('upload_locked')
    held.owner?.interrupt()
    await this.#wait(held, owner)
    if (held.waiting.some((waiter) => waiter.owner)) owner.interrupt()
  }

  /** Gives the upload to whoever has waited longest. Throws for anyone but the holder. */
  release(id: string, owner: O): void {
    const held = this.#held.get(id)
    if (!held || held.owner !== owner)
      throw new UploadError('internal', { detail: 'released by another than the holder' })
    this.#pass(id, held)
  }

  #pass(id: string, held: Held<O>): void {
    const next = held.waiting.shift()
    if (next) {
      held.owner = next.owner
      next.grant()
    } else this.#held.delete(id)
  }

  /** The locker that @tus/server uses for one request. */
  lockerFor(owner: O): TusLocker {
    return {
      newLock: (id: string): Lock => ({
        lock: () => this.acquire(id, owner),
        unlock: async () => this.release(id, owner),
      }),
    }
  }

  #wait(held: Held<O>, owner: O | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => waiter.refuse(new UploadError('upload_locked'))
      const stop = (): void => {
        clearTimeout(timer)
        const at = held.waiting.indexOf(waiter)
        if (at >= 0) held.waiting.splice(at, 1)
      }
      const waiter: Waiter<O> = {
        owner,
        grant: () => {
          stop()
          resolve()
        },
        refuse: (error) => {
          stop()
          reject(error)
        },
      }
      const timer = setTimeout(leave, this.#limits.waitMs)
      held.waiting.push(waiter)
    })
  }
}
