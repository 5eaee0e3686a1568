import type { IHasher } from 'hash-wasm'
import type { Sha256 } from './rolling.js'

/** A SHA-256 whose state can be saved. */
class MovableSha256 implements Sha256 {
  readonly #hasher: IHasher
  #state: Uint8Array

  /** Throws where `state` is not one that this version of the library saved. */
  constructor(hasher: IHasher, state: Uint8Array) {
    hasher.load(state)
    this.#hasher = hasher
    this.#state = state
  }

  update(bytes: Uint8Array): void {
    this.#state = this.#hasher.load(this.#state).update(bytes).save()
  }

  copy(): MovableSha256 {
    return new MovableSha256(this.#hasher, this.#state)
  }

  digest(): string {
    return this.#hasher.load(this.#state).digest('hex')
  }

  save(): string {
    return Buffer.from(this.#state).toString('base64')
  }
}

/**
 * Makes SHA-256 digests whose state can be saved, and loaded in another process. Node's own cannot. They take five
 * times the processor's time, so only an upload that must be read again gets one. All of them share one instance of
 * the library, which holds the state of one for the time of a call.
 */
export class MovableHashes {
  readonly #hasher: IHasher
  readonly #fresh: Uint8Array

  private constructor(hasher: IHasher) {
    this.#hasher = hasher
    this.#fresh = hasher.init().save()
  }

  /** Loads the library. */
  static async load(): Promise<MovableHashes> {
    const { createSHA256 } = await import('hash-wasm')
    return new MovableHashes(await createSHA256())
  }

  /** The digest of nothing. */
  fresh(): Sha256 {
    return new MovableSha256(this.#hasher, this.#fresh)
  }

  /** The digest that was saved; undefined where another version of the library saved it, or something else is in its place. */
  from(saved: string): Sha256 | undefined {
    try {
      return new MovableSha256(this.#hasher, Buffer.from(saved, 'base64'))
    } catch {
      return undefined
    }
  }
}
