import { keep, storageOf } from './storage.js'

const NAME = 'lading-key'

/** The admin key or token of whoever uses this tab. It is kept until the tab is closed, and never longer. */
export class Session {
  readonly #storage = storageOf('sessionStorage')
  #key: string | null = this.#storage?.getItem(NAME) ?? null

  get key(): string | null {
    return this.#key
  }

  /** Null forgets it. */
  set key(key: string | null) {
    this.#key = key
    if (key === null) this.#storage?.removeItem(NAME)
    else keep(this.#storage, NAME, key)
  }
}
