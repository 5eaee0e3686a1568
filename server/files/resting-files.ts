/** Each one takes a descriptor. */
const MOST_FILES = 10
const CLOSED_AFTER_MS = 1000

export interface RestingFilesTools {
  /** Closes the file of an upload in its thread. Never rejects. */
  readonly close: (id: string) => Promise<void>
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

interface Resting {
  readonly position: number
  readonly sinceMs: number
}

/**
 * Files that stay open in their threads after a body, for a second at most: a client that sends one small request behind
 * the other does not wait for the opening of each. At most ten; beyond that the one that rests for longest is closed.
 */
export class RestingFiles {
  readonly #tools: RestingFilesTools
  /** In the order in which they came to rest. */
  readonly #files = new Map<string, Resting>()
  #timer: NodeJS.Timeout | undefined

  constructor(tools: RestingFilesTools) {
    this.#tools = tools
  }

  /** A body has ended: the file of its upload is open, and `position` bytes long. */
  add(id: string, position: number): void {
    this.#files.delete(id)
    this.#files.set(id, { position, sinceMs: this.#tools.monotonic() })
    for (const [oldest] of this.#files) {
      if (this.#files.size <= MOST_FILES) break
      void this.close(oldest)
    }
    this.#closeLater()
  }

  /** A body begins at `position`: true where the upload's file is still open, and was left with so many bytes. */
  take(id: string, position: number): boolean {
    const found = this.#files.get(id)
    this.#files.delete(id)
    return found?.position === position
  }

  /** The file of an upload was closed otherwise. */
  delete(id: string): void {
    this.#files.delete(id)
  }

  /** Closes the file of an upload where it rests. */
  async close(id: string): Promise<void> {
    if (this.#files.delete(id)) await this.#tools.close(id)
  }

  #closeLater(): void {
    // The process may end before.
    this.#timer ??= setTimeout(() => this.#closeOld(), CLOSED_AFTER_MS).unref()
  }

  #closeOld(): void {
    this.#timer = undefined
    const untilMs = this.#tools.monotonic() - CLOSED_AFTER_MS
    for (const [id, { sinceMs }] of this.#files) {
      if (sinceMs > untilMs) break
      void this.close(id)
    }
    if (this.#files.size > 0) this.#closeLater()
  }
}
