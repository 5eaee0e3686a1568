import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

/** How long after a joining the same request again is taken for a client whose answer was lost. */
const ASKED_AGAIN_MS = 10 * 60_000
/** Joined final uploads that are remembered for that; beyond it the oldest is forgotten. */
const MOST_JOINED = 1000
/** Parts that all open final uploads may name together; the next final upload is refused. */
const MOST_NAMES = 20_000
const JOINED_INTO = /^joined into (\S+)$/

/** The reason in the record of a part that is joined; after a restart it leads from the part to the whole. */
export function joinedInto(final: StoredUpload): string {
  return `joined into ${final.id}`
}

interface OpenFinal {
  readonly parts: readonly string[]
  readonly metadata: string | null
}

/**
 * The final uploads that are not joined yet, and which parts they wait for. After a start they become known
 * as the sweep meets them: until it has met all, any part may be wanted.
 */
export class OpenFinals {
  readonly #tools: Pick<StorageTools, 'row' | 'now' | 'monotonic' | 'log'>
  readonly #uploads: Uploads
  readonly #open = new Map<string, OpenFinal>()
  readonly #byPart = new Map<string, Set<string>>()
  /** Those that were joined lately, by what was asked for, and when; on the monotonic clock. */
  readonly #joined = new Map<string, { id: string; atMs: number }>()
  #names = 0
  #allKnown = false

  constructor(tools: Pick<StorageTools, 'row' | 'now' | 'monotonic' | 'log'>, uploads: Uploads) {
    this.#tools = tools
    this.#uploads = uploads
  }

  /** Tells whether there is room for another one of so many parts. */
  hasRoomFor(parts: number): boolean {
    return this.#names + parts <= MOST_NAMES
  }

  /** The sweep has met every final upload there is. */
  knowsAll(): void {
    this.#allKnown = true
  }

  has(id: string): boolean {
    return this.#open.has(id)
  }

  add({ id, parts, metadata }: StoredUpload): void {
    if (!parts || this.#open.has(id)) return
    this.#open.set(id, { parts, metadata })
    this.#names += parts.length
    for (const part of parts) {
      const wanting = this.#byPart.get(part) ?? new Set()
      this.#byPart.set(part, wanting.add(id))
    }
  }

  delete(id: string): void {
    const { parts } = this.#open.get(id) ?? {}
    if (!parts) return
    this.#open.delete(id)
    this.#names -= parts.length
    for (const part of parts) {
      const wanting = this.#byPart.get(part)
      wanting?.delete(id)
      if (wanting?.size === 0) this.#byPart.delete(part)
    }
  }

  /** Notes that one is joined, for whoever asks for the same again. */
  joined(final: StoredUpload): void {
    this.delete(final.id)
    this.#joined.set(keyOf(final.parts ?? [], final.metadata), {
      id: final.id,
      atMs: this.#tools.monotonic(),
    })
    const [oldest] = this.#joined.keys()
    if (this.#joined.size > MOST_JOINED && oldest !== undefined) this.#joined.delete(oldest)
  }

  /** The ids of the open final uploads that a part belongs to. */
  of(part: string): readonly string[] {
    return [...(this.#byPart.get(part) ?? [])]
  }

  /** Tells whether a part is, or may be, one that an open final upload waits for. */
  wants(part: string): boolean {
    return !this.#allKnown || this.#byPart.has(part)
  }

  /**
   * The final upload that the same request has made before: a client asks again where the answer was lost,
   * and its parts may be gone then.
   */
  async madeBefore(parts: readonly string[], metadata: string | null): Promise<StoredUpload | undefined> {
    const key = keyOf(parts, metadata)
    const open = [...this.#open].find(([, other]) => keyOf(other.parts, other.metadata) === key)?.[0]
    const joined = this.#joined.get(key)
    const id = open ?? joined?.id ?? (await this.#joinedFrom(parts))
    const final = id === undefined ? undefined : await this.#uploads.load(id)
    if (!final || final.gone || keyOf(final.parts ?? [], final.metadata) !== key) return undefined
    // Of one that was joined before this process began, only the date is known.
    const ageMs = joined ? this.#tools.monotonic() - joined.atMs : this.#tools.now() - final.changedAtMs
    return final.sha256 === null || ageMs < ASKED_AGAIN_MS ? final : undefined
  }

  async #joinedFrom(parts: readonly string[]): Promise<string | undefined> {
    for (const part of parts) {
      if (await this.#uploads.load(part)) continue
      const row = await this.#tools.row(part).catch((error: unknown) => {
        this.#tools.log.warn({ err: error, id: part }, 'the index could not tell what a part was joined into')
        return undefined
      })
      return JOINED_INTO.exec(row?.reason ?? '')?.[1]
    }
    return undefined
  }
}

function keyOf(parts: readonly string[], metadata: string | null): string {
  return `${parts.join(' ')};${metadata ?? ''}`
}
