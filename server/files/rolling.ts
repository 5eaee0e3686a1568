import { createHash } from 'node:crypto'
import type { SavedDigest } from '../model/saved-digest.js'

/** A SHA-256 that takes bytes in. Node's own is one. */
export interface Sha256 {
  update(bytes: Uint8Array): unknown
  copy(): Sha256
  digest(encoding: 'hex'): string
  /** Its state; absent where the state cannot be saved. */
  save?(): string
}

/** A SHA-256 over the start of an upload. */
export interface Rolling {
  readonly hash: Sha256
  /** Bytes taken into the hash so far. */
  offset: number
}

/** The rolling digest of each upload that has one in this thread. */
export class RollingDigests {
  readonly #states = new Map<string, Rolling>()

  /** The digest of an upload if it stands at `offset`; a new one at the start of an upload. */
  at(id: string, offset: number): Rolling | undefined {
    const state = this.#states.get(id)
    if (state?.offset === offset) return state
    return offset === 0 ? this.#begin(id) : undefined
  }

  /** The digest of an upload wherever it stands; a new one where there is none. */
  any(id: string): Rolling {
    return this.#states.get(id) ?? this.#begin(id)
  }

  /** Tells whether an upload has a digest here. */
  has(id: string): boolean {
    return this.#states.has(id)
  }

  /** Tells whether an upload's digest stands at `offset`. */
  standsAt(id: string, offset: number): boolean {
    return this.#states.get(id)?.offset === offset
  }

  /** Tells whether an upload's digest covers bytes behind `offset`. */
  isBeyond(id: string, offset: number): boolean {
    return (this.#states.get(id)?.offset ?? 0) > offset
  }

  /** The state of an upload's digest; null where there is none, or where it cannot be saved. */
  saved(id: string): SavedDigest | null {
    const digest = this.#states.get(id)
    const state = digest?.hash.save?.()
    return digest && state !== undefined ? { offset: digest.offset, state } : null
  }

  /** Gives an upload this digest. One that it has is replaced. */
  set(id: string, digest: Rolling): void {
    this.#states.set(id, digest)
  }

  forget(id: string): boolean {
    return this.#states.delete(id)
  }

  /** Lower-case hex; `final` lets the digest go with it. */
  hex(id: string, state: Rolling, final: boolean): string {
    if (!final) return state.hash.copy().digest('hex')
    this.#states.delete(id)
    return state.hash.digest('hex')
  }

  #begin(id: string): Rolling {
    const fresh = { hash: createHash('sha256'), offset: 0 }
    this.#states.set(id, fresh)
    return fresh
  }
}

/** The same digest, to go on from later. */
export function copyOf({ hash, offset }: Rolling): Rolling {
  return { hash: hash.copy(), offset }
}
