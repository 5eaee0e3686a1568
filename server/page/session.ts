const NAME = 'lading-key'

/** The admin key or token of whoever uses this tab. It is kept until the tab is closed, and never longer. */
export class Session {
  #key: string | null = sessionStorage.getItem(NAME)

  get key(): string | null {
    return this.#key
  }

  /** Null forgets it. */
  set key(key: string | null) {
    this.#key = key
    if (key === null) sessionStorage.removeItem(NAME)
    else sessionStorage.setItem(NAME, key)
  }
}
