import { BytesFault } from '../model/engine-error.js'
import type { Log } from '../model/log.js'
import type { Draft } from './draft.js'

/** Drafts that nobody uses are kept for so long: a client that sends one small request behind the other needs its own again. */
const KEPT_MS = 2_000
/** Beyond so many, the one that was used longest ago is dropped. */
const MOST_IDLE = 32

export interface DraftsTools {
  /** The draft of an upload, as it is stored. Rejects with BytesFault where there is none. */
  readonly load: (id: string) => Promise<Draft>
  /** Does `work` under an upload's lock, where that is free. */
  readonly underLock: (id: string, work: () => Promise<void>) => Promise<void>
  readonly log: Pick<Log, 'warn'>
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

interface Known {
  readonly loading: Promise<Draft>
  draft: Draft | undefined
  /** Calls that use it now. */
  uses: number
  usedAtMs: number
}

/** The uploads that this process writes. */
export class Drafts {
  readonly #tools: DraftsTools
  /** In the order in which they were used. */
  readonly #known = new Map<string, Known>()
  /** Those whose files are being removed: another draft of the same upload would have the same files. */
  readonly #dropping = new Map<string, Promise<void>>()
  #timer: NodeJS.Timeout | undefined

  constructor(tools: DraftsTools) {
    this.#tools = tools
  }

  /** Tells whether anything of an upload is here. */
  has(id: string): boolean {
    return this.#known.has(id)
  }

  /** An upload's draft, where it is here. */
  peek(id: string): Draft | undefined {
    return this.#known.get(id)?.draft
  }

  /** Does `work` with an upload's draft; it is kept meanwhile. Rejects with BytesFault where there is no upload. */
  async with<T>(id: string, work: (draft: Draft) => Promise<T>): Promise<T> {
    const known = this.#known.get(id) ?? this.#load(id)
    known.uses += 1
    try {
      return await work(await known.loading)
    } finally {
      known.uses -= 1
      this.#used(id, known)
    }
  }

  /** Forgets an upload, once what runs is over. What is not stored is lost. */
  async drop(id: string): Promise<void> {
    const known = this.#known.get(id)
    if (!known) return this.#dropping.get(id)
    this.#known.delete(id)
    const dropping = known.loading.then(
      (draft) => draft.drop(),
      () => {},
    )
    this.#dropping.set(id, dropping)
    await dropping.finally(() => {
      if (this.#dropping.get(id) === dropping) this.#dropping.delete(id)
    })
  }

  /** Stores what is not stored yet. Rejects as the first one does that could not. */
  async end(): Promise<void> {
    clearTimeout(this.#timer)
    const unstored = [...this.#known].flatMap(([id, { draft }]) => (draft?.isStored === false ? id : []))
    await Promise.all(unstored.map((id) => this.#tools.underLock(id, () => this.#persist(id))))
  }

  async #persist(id: string): Promise<void> {
    // Another node may have written the upload meanwhile: then its draft was dropped as the lock was taken.
    const draft = this.peek(id)
    if (draft && !draft.isOpen && !draft.isStored) await this.with(id, () => draft.persist())
  }

  #load(id: string): Known {
    const dropping = this.#dropping.get(id)?.catch(() => {}) ?? Promise.resolve()
    const loading = dropping.then(() => this.#tools.load(id))
    const known: Known = { loading, draft: undefined, uses: 0, usedAtMs: this.#tools.monotonic() }
    this.#known.set(id, known)
    loading.then(
      (draft) => {
        known.draft = draft
      },
      () => {
        if (this.#known.get(id) === known) this.#known.delete(id)
      },
    )
    return known
  }

  #used(id: string, known: Known): void {
    if (this.#known.get(id) !== known) return
    known.usedAtMs = this.#tools.monotonic()
    this.#known.delete(id)
    this.#known.set(id, known)
    this.#timer ??= setTimeout(() => this.#sweep(), KEPT_MS).unref()
    const idle = [...this.#known].filter(([, each]) => isIdle(each))
    for (const [oldest] of idle.slice(0, Math.max(0, idle.length - MOST_IDLE))) this.#dropIdle(oldest)
  }

  #sweep(): void {
    this.#timer = undefined
    const before = this.#tools.monotonic() - KEPT_MS
    for (const [id, known] of this.#known) {
      const { draft, uses, usedAtMs } = known
      if (!draft || uses > 0 || usedAtMs > before) continue
      if (draft.isIdle) this.#dropIdle(id)
      else if (!draft.isOpen) this.#persistLater(id)
    }
    if (this.#known.size > 0) this.#timer = setTimeout(() => this.#sweep(), KEPT_MS).unref()
  }

  #dropIdle(id: string): void {
    this.drop(id).catch((error: unknown) => {
      this.#tools.log.warn({ err: error, id }, 'files in the scratch folder could not be removed')
    })
  }

  /** What could not be stored at the end of its body, as S3 was away. */
  #persistLater(id: string): void {
    this.#tools
      .underLock(id, () => this.#persist(id))
      .catch((error: unknown) => {
        this.#tools.log.warn({ err: error, id }, 'bytes in the scratch folder cannot be stored yet')
        // They never can be.
        if (error instanceof BytesFault) this.#dropIdle(id)
      })
  }
}

function isIdle({ draft, uses }: Known): boolean {
  return uses === 0 && draft?.isIdle === true
}
