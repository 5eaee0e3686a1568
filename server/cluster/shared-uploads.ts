import type { ClusterLocks, EndCause, Held } from '../model/cluster.js'
import type { Log } from '../model/log.js'
import type { HeldTokens } from './held-tokens.js'

export interface SharedUploadsParts {
  readonly locks: ClusterLocks
  readonly tokens: HeldTokens
  readonly engine: {
    /** Tells whether another node has written an upload since this node held it. Rejects where the ledger cannot be asked. */
    isOutdated(id: string, isInMemory: boolean): Promise<boolean>
    /** Reads the upload again the next time, unless it is stored as memory has it. `isLost`: the lease was over. */
    settle(id: string, offset: number | undefined, isLost: boolean): void
    /** Forgets what the engine has of an upload that is being written. */
    dropDraft(id: string): Promise<void>
    /** Drops the rolling digest. */
    forget(id: string): Promise<void>
  }
  readonly uploads: {
    isInMemory(id: string): boolean
    /** The offset of an upload that is in memory. */
    offsetOf(id: string): number | undefined
    /** Drops an upload that another node has changed; nothing of it is saved. */
    forget(id: string): Promise<void>
    /** Resolves once what is to be saved of an upload is saved. */
    saved(id: string): Promise<void>
  }
  readonly log: Log
}

/**
 * The locks of uploads that all nodes may change. After a lock is taken, memory has the upload as it is stored, or does
 * not have it. Before a lock is given back, what is to be saved of the upload is saved.
 */
export class SharedUploads implements ClusterLocks {
  readonly #parts: SharedUploadsParts

  constructor(parts: SharedUploadsParts) {
    this.#parts = parts
  }

  /** See ClusterLocks. Rejects also where the ledger cannot be asked. */
  async acquire(id: string, end: (cause: EndCause) => void, waitMs: number): Promise<Held | undefined> {
    return this.#entered(id, await this.#parts.locks.acquire(id, end, waitMs))
  }

  /** See ClusterLocks. Rejects also where the ledger cannot be asked. */
  async tryAcquire(id: string, end: (cause: EndCause) => void): Promise<Held | undefined> {
    return this.#entered(id, await this.#parts.locks.tryAcquire(id, end))
  }

  async #entered(id: string, held: Held | undefined): Promise<Held | undefined> {
    if (!held) return undefined
    const { tokens, engine, uploads } = this.#parts
    try {
      await this.#check(id)
    } catch (error) {
      // Not all was dropped, perhaps: whoever takes the lock next must not take it for current.
      engine.settle(id, undefined, true)
      await held.release()
      throw error
    }
    // Only now: until here nothing of this node may write the upload, and what is read of it is not taken for current.
    tokens.add(id, held)
    return {
      token: held.token,
      get isValid() {
        return held.isValid
      },
      release: async () => {
        await this.#saved(id)
        engine.settle(id, uploads.offsetOf(id), !held.isValid)
        tokens.remove(id, held)
        await held.release()
      },
    }
  }

  async #check(id: string): Promise<void> {
    const { engine, uploads } = this.#parts
    if (!(await engine.isOutdated(id, uploads.isInMemory(id)))) return
    // Each also where another fails: nobody is asked again about what is dropped.
    try {
      await uploads.forget(id)
    } finally {
      await engine.dropDraft(id).finally(() => engine.forget(id))
    }
  }

  /** Never rejects: the facts that were saved before stay true. */
  async #saved(id: string): Promise<void> {
    await this.#parts.uploads.saved(id).catch((error: unknown) => {
      this.#parts.log.warn({ err: error, id }, 'a checkpoint could not be written')
    })
  }
}
