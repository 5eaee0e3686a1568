import type { Lifecycle } from './lifecycle.js'
import type { OpenFinals } from './open-finals.js'
import type { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

interface ReleaseParts {
  readonly tools: StorageTools
  readonly uploads: Uploads
  readonly saver: Saver
  readonly lifecycle: Lifecycle
}

/** Lets parts go that a final upload does not need any more, but for those that others wait for too. */
export class PartRelease {
  readonly #parts: ReleaseParts
  readonly #tools: StorageTools
  readonly #finals: OpenFinals
  /** What came before every open final upload was known: only then it is seen who else needs a part. */
  #early: (() => Promise<void>)[] | undefined = []

  constructor(parts: ReleaseParts, finals: OpenFinals) {
    this.#parts = parts
    this.#tools = parts.tools
    this.#finals = finals
  }

  /** Every open final upload is known now. */
  async begin(): Promise<void> {
    const early = this.#early ?? []
    this.#early = undefined
    for (const release of early) await release()
  }

  /** Keeps a final upload's parts for `keepMs` more, or removes them; one that is in use, a little later. */
  async release(final: StoredUpload, reason: string, keepMs: number): Promise<void> {
    if (this.#early) {
      this.#early.push(() => this.release(final, reason, keepMs))
      return
    }
    for (const id of new Set(final.parts)) {
      if (this.#finals.of(id).length > 0) continue
      const released = this.#tools
        .underLock(id, () => this.#releaseOne(id, reason, keepMs))
        .catch((error: unknown) => {
          this.#tools.log.warn({ err: error, id }, 'a joined part could not be let go; it will expire')
        })
      if (!this.#tools.isHeldByRequest(id)) await released
    }
  }

  /** Tells whether a final upload that is finished still has parts that nobody let go. */
  async isDue(final: StoredUpload): Promise<boolean> {
    // They go in their order.
    const last = await this.#parts.uploads.load(final.parts?.at(-1) ?? '')
    return this.#early !== undefined && last !== undefined && last.joinedAt === null
  }

  async #releaseOne(id: string, reason: string, keepMs: number): Promise<void> {
    const { uploads, lifecycle, saver } = this.#parts
    const part = await uploads.load(id)
    // Meanwhile another final upload may have come that names it.
    if (!part || this.#finals.of(id).length > 0) return
    if (keepMs === 0) return lifecycle.remove(part, 'terminated', reason)
    part.joinedAt = new Date(this.#tools.now()).toISOString()
    await saver.save(part)
  }
}
