import type { Lock, Locker as TusLocker } from '@tus/server'
import { UploadError } from '../errors.js'
import type { UploadRequest } from '../model/request.js'

interface Waiter {
  /** Undefined where the server itself waits. */
  readonly request: UploadRequest | undefined
  readonly grant: () => void
}

interface Held {
  /** The holder; undefined while that is the server itself. */
  request: UploadRequest | undefined
  readonly waiting: Waiter[]
}

export interface LockLimits {
  /** How long a request waits before it is refused, in milliseconds. */
  readonly waitMs: number
  /** How many may wait for one upload; the next is refused at once. */
  readonly mostWaiting: number
}

/** Tells whether a request may end what runs on an upload. Rejects with an UploadError. */
export type MayInterrupt = (id: string, request: UploadRequest) => boolean | Promise<boolean>

/**
 * One writer for each upload. A request for an upload that is held interrupts the holder, then waits in order and
 * for a bounded time. A request that is granted the lock while others wait behind it is interrupted at once: the
 * newest request wins.
 */
export class UploadLocks {
  readonly #limits: LockLimits
  readonly #mayInterrupt: MayInterrupt
  readonly #held = new Map<string, Held>()

  constructor(limits: LockLimits, mayInterrupt: MayInterrupt) {
    this.#limits = limits
    this.#mayInterrupt = mayInterrupt
  }

  /** The request that holds the lock of an upload; throws where none does. */
  holder(id: string): UploadRequest {
    const held = this.#held.get(id)
    if (!held?.request) throw new UploadError('internal', { detail: 'the upload is not locked' })
    return held.request
  }

  /** Tells whether anybody holds this upload: a request, or the server itself. */
  isHeld(id: string): boolean {
    return this.#held.has(id)
  }

  /** Tells whether a request, and not the server itself, holds this upload. */
  isHeldByRequest(id: string): boolean {
    return this.#held.get(id)?.request !== undefined
  }

  /** Interrupts the request that holds an upload, where one does. Rejects with upload_unknown where the request may not do so. */
  async interrupt(id: string, request: UploadRequest): Promise<void> {
    await this.#checkAccess(id, request)
    this.#held.get(id)?.request?.interrupt()
  }

  /**
   * Undefined where the request may go on; else it resolves, or rejects with upload_unknown. The store checks the
   * access to an upload under its lock. This check comes before: nobody else may interrupt the holder, or wait.
   */
  #checkAccess(id: string, request: UploadRequest): Promise<void> | undefined {
    const may = !this.#held.has(id) || this.#mayInterrupt(id, request)
    // No `await` where the answer is known: requests get the lock in the order in which they ask.
    if (may === true) return undefined
    return Promise.resolve(may).then((allowed) => {
      if (!allowed) throw new UploadError('upload_unknown')
    })
  }

  /** Runs `work` under the upload's lock. Does nothing where the upload is held already. */
  async tryWith(id: string, work: () => Promise<void>): Promise<void> {
    if (this.#held.has(id)) return
    const held: Held = { request: undefined, waiting: [] }
    this.#held.set(id, held)
    try {
      await work()
    } finally {
      this.#pass(id, held)
    }
  }

  /** Runs `work` under the locks of those uploads that nobody holds; `free` are their ids. */
  async tryWithAll(ids: readonly string[], work: (free: readonly string[]) => Promise<void>): Promise<void> {
    const free = ids.filter((id) => !this.#held.has(id))
    const taken = free.map((id): [string, Held] => [id, { request: undefined, waiting: [] }])
    for (const [id, held] of taken) this.#held.set(id, held)
    try {
      await work(free)
    } finally {
      for (const [id, held] of taken) this.#pass(id, held)
    }
  }

  /** Waits in order for the upload's lock, interrupts nobody, and runs `work`. Rejects with upload_locked, and as `work` does. */
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

  /** Resolves when the request holds the upload. Rejects with upload_locked, and with upload_unknown; see `interrupt`. */
  async acquire(id: string, request: UploadRequest): Promise<void> {
    const access = this.#checkAccess(id, request)
    if (access) await access
    const held = this.#held.get(id)
    if (!held) {
      this.#held.set(id, { request, waiting: [] })
      return
    }
    if (held.waiting.length >= this.#limits.mostWaiting) throw new UploadError('upload_locked')
    held.request?.interrupt()
    await this.#wait(held, request)
    if (held.waiting.some((waiter) => waiter.request)) request.interrupt()
  }

  /** Gives the lock to whoever has waited longest. Throws for anyone but the holder. */
  release(id: string, request: UploadRequest): void {
    const held = this.#held.get(id)
    if (!held || held.request !== request)
      throw new UploadError('internal', { detail: 'a request released a lock that it does not hold' })
    this.#pass(id, held)
  }

  #pass(id: string, held: Held): void {
    const next = held.waiting.shift()
    if (next) {
      held.request = next.request
      next.grant()
    } else this.#held.delete(id)
  }

  /** The locker that @tus/server uses for one request. */
  lockerFor(request: UploadRequest): TusLocker {
    return {
      newLock: (id: string): Lock => ({
        lock: () => this.acquire(id, request),
        unlock: async () => this.release(id, request),
      }),
    }
  }

  /** Resolves when the lock is granted. Rejects with upload_locked where that takes too long. */
  #wait(held: Held, request: UploadRequest | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        request,
        grant: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        held.waiting.splice(held.waiting.indexOf(waiter), 1)
        reject(new UploadError('upload_locked'))
      }, this.#limits.waitMs)
      held.waiting.push(waiter)
    })
  }
}
