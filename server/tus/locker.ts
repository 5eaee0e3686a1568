import { setTimeout as pause } from 'node:timers/promises'
import type { Lock, Locker as TusLocker } from '@tus/server'
import { UploadError } from '../errors.js'
import type { ClusterLocks, Held as SharedLock } from '../model/cluster.js'
import type { UploadRequest } from '../model/request.js'
import { type Holder, tryShared, type Waiting, waitShared } from './shared-lock.js'

interface Waiter {
  /** Undefined where the server itself waits. */
  readonly request: UploadRequest | undefined
  readonly grant: () => void
}

interface Held extends Holder {
  readonly waiting: Waiter[]
}

/** A node that was asked for an upload lets others take it for so long before its own next request does; milliseconds. */
const YIELD_MS = 25
/** Locks of other nodes that are asked for at once. */
const ASKED_AT_ONCE = 8

export interface LockLimits {
  /** How long a request waits before it is refused, in milliseconds. */
  readonly waitMs: number
  /** How many may wait for one upload; the next is refused at once. */
  readonly mostWaiting: number
}

/** Tells whether a request may end what runs on an upload. Rejects with an UploadError. */
export type MayInterrupt = (id: string, request: UploadRequest) => boolean | Promise<boolean>

/**
 * One writer for each upload. A request first gets the upload within its node. Then the node takes the upload's lock in
 * PostgreSQL, if there are other nodes. It gives that lock back before the next request of this node gets the upload.
 * A request for an upload that is held interrupts the holder, then waits in order and for a bounded time. A request that
 * is granted the lock while others wait behind it is interrupted at once: the newest request wins.
 */
export class UploadLocks {
  readonly #limits: LockLimits
  readonly #mayInterrupt: MayInterrupt
  readonly #shared: ClusterLocks | null
  readonly #held = new Map<string, Held>()

  /** @param shared the locks of all nodes; null where this is the only one, and nothing is waited for */
  constructor(limits: LockLimits, mayInterrupt: MayInterrupt, shared: ClusterLocks | null = null) {
    this.#limits = limits
    this.#mayInterrupt = mayInterrupt
    this.#shared = shared
  }

  /** The request that holds the lock of an upload; throws where none does. */
  holder(id: string): UploadRequest {
    const held = this.#held.get(id)
    if (!held?.request) throw new UploadError('internal', { detail: 'the upload is not locked' })
    return held.request
  }

  /** Tells whether a request of this node, or the server itself, holds this upload. */
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

  /** Runs `work` under the upload's lock. Does nothing where the upload is held already. Rejects as `work` does. */
  async tryWith(id: string, work: () => Promise<void>): Promise<void> {
    if (this.#held.has(id)) return
    const held = this.#hold(id, undefined)
    try {
      if (!this.#shared || (await tryShared(id, held, this.#shared))) await work()
    } finally {
      await this.#leave(id, held)
    }
  }

  /** Runs `work` under the locks of those uploads that nobody holds; `free` are their ids. */
  async tryWithAll(ids: readonly string[], work: (free: readonly string[]) => Promise<void>): Promise<void> {
    const locals = ids.filter((id) => !this.#held.has(id))
    const taken = locals.map((id): [string, Held] => [id, this.#hold(id, undefined)])
    try {
      await work(this.#shared ? await this.#freeOf(taken, this.#shared) : locals)
    } finally {
      await Promise.all(taken.map(([id, held]) => this.#leave(id, held)))
    }
  }

  /**
   * Waits in order for the upload's lock, interrupts nobody here, and runs `work`. A request of another node is
   * interrupted. Rejects with upload_locked, and as `work` does.
   */
  async waitWith(id: string, work: () => Promise<void>): Promise<void> {
    const deadlineMs = performance.now() + this.#limits.waitMs
    const before = this.#held.get(id)
    const held = before ?? this.#hold(id, undefined)
    if (before) await this.#wait(held, undefined)
    try {
      if (this.#shared) await waitShared(id, held, { shared: this.#shared, deadlineMs })
      await work()
    } finally {
      await this.#leave(id, held)
    }
  }

  /** Resolves when the request holds the upload. Rejects with upload_locked, storage_unavailable, and upload_unknown; see `interrupt`. */
  async acquire(id: string, request: UploadRequest): Promise<void> {
    const deadlineMs = performance.now() + this.#limits.waitMs
    const access = this.#checkAccess(id, request)
    if (access) await access
    const before = this.#held.get(id)
    const held = before ?? this.#hold(id, request)
    if (before) {
      if (held.waiting.length >= this.#limits.mostWaiting) throw new UploadError('upload_locked')
      held.request?.interrupt()
      await this.#wait(held, request)
    }
    if (this.#shared) await this.#enter(id, held, { shared: this.#shared, deadlineMs })
    if (held.waiting.some((waiter) => waiter.request)) request.interrupt()
  }

  /**
   * Gives the lock to whoever has waited longest. Throws for anyone but the holder, and with upload_taken_over where another
   * node may have the upload already: what the request has read or done of it may be past.
   */
  release(id: string, request: UploadRequest): void {
    const held = this.#held.get(id)
    if (!held || held.request !== request)
      throw new UploadError('internal', { detail: 'a request released a lock that it does not hold' })
    const isLost = held.shared?.isValid === false
    this.#leave(id, held)
    if (isLost) throw new UploadError('upload_taken_over', { detail: 'this node has lost its lease' })
  }

  #hold(id: string, request: UploadRequest | undefined): Held {
    const held: Held = { request, waiting: [], shared: undefined, isAsked: false }
    this.#held.set(id, held)
    return held
  }

  /** Where there are other nodes it resolves once the upload was given back to all. Never rejects. */
  #leave(id: string, held: Held): Promise<void> | undefined {
    if (held.shared) return this.#giveBack(id, held, held.shared)
    this.#pass(id, held)
    return undefined
  }

  async #giveBack(id: string, held: Held, shared: SharedLock): Promise<void> {
    held.shared = undefined
    held.request = undefined
    await shared.release()
    // Otherwise this node, whose requests need not hear of it first, would be faster each time.
    if (held.isAsked && held.waiting.length > 0) await pause(YIELD_MS)
    held.isAsked = false
    this.#pass(id, held)
  }

  #pass(id: string, held: Held): void {
    const next = held.waiting.shift()
    if (next) {
      held.request = next.request
      next.grant()
    } else this.#held.delete(id)
  }

  /** A request that has the upload here takes it from the other nodes. Where another node has it, its access is checked first. */
  async #enter(id: string, held: Held, waiting: Waiting): Promise<void> {
    const { request } = held
    try {
      // An error is met again below, where it is tried for longer.
      if (await tryShared(id, held, waiting.shared).catch(() => false)) return
      if (request && !(await this.#mayInterrupt(id, request))) throw new UploadError('upload_unknown')
      await waitShared(id, held, waiting)
    } catch (error) {
      await this.#leave(id, held)
      throw error
    }
  }

  /** Those that no other node has. The others are passed on at once. */
  async #freeOf(taken: [string, Held][], shared: ClusterLocks): Promise<string[]> {
    const free: string[] = []
    const left = [...taken]
    const takeNext = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) {
        const [id, held] = next
        if (await tryShared(id, held, shared).catch(() => false)) free.push(id)
        else {
          taken.splice(taken.indexOf(next), 1)
          this.#pass(id, held)
        }
      }
    }
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, takeNext))
    return free
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
