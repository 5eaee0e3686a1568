import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

/** How long after a joining the same request again is taken for a client whose answer was lost. */
const ASKED_AGAIN_MS = 10 * 60_000
const JOINED_INTO = /^joined into (\S+)$/

/** What the record of a part says once it is joined. */
export function joinedInto(final: StoredUpload): string {
  return `joined into ${final.id}`
}

/** The final uploads that are not joined yet, and which parts each one waits for. */
export class Finals {
  readonly #tools: Pick<StorageTools, 'row' | 'now'>
  readonly #uploads: Uploads
  readonly #parts = new Map<string, readonly string[]>()

  constructor(tools: Pick<StorageTools, 'row' | 'now'>, uploads: Uploads) {
    this.#tools = tools
    this.#uploads = uploads
  }

  get size(): number {
    return this.#parts.size
  }

  add(final: StoredUpload): void {
    this.#parts.set(final.id, final.parts ?? [])
  }

  delete(id: string): void {
    this.#parts.delete(id)
  }

  /** The ids of the final uploads that a part belongs to. */
  of(part: string): string[] {
    return [...this.#parts].filter(([, parts]) => parts.includes(part)).map(([id]) => id)
  }

  /**
   * The final upload that the same request has made before: a client asks again where the answer was lost,
   * and its parts are gone then. Rejects where the database cannot be asked.
   */
  async madeBefore(parts: readonly string[], metadata: string | null): Promise<StoredUpload | undefined> {
    const list = parts.join(' ')
    const waiting = [...this.#parts].find(([, others]) => others.join(' ') === list)?.[0]
    const id = waiting ?? (await this.#joinedFrom(parts))
    const final = id === undefined ? undefined : await this.#uploads.load(id)
    if (!final || final.gone || final.metadata !== metadata || final.parts?.join(' ') !== list)
      return undefined
    return this.#tools.now() - final.changedAtMs < ASKED_AGAIN_MS || final.sha256 === null ? final : undefined
  }

  async #joinedFrom(parts: readonly string[]): Promise<string | undefined> {
    for (const part of parts) {
      if (await this.#uploads.load(part)) continue
      const row = await this.#tools.row(part)
      return JOINED_INTO.exec(row?.reason ?? '')?.[1]
    }
    return undefined
  }
}
