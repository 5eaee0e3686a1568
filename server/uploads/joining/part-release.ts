import type { SharedFinals } from '../../model/shared-finals.js'
import type { Lifecycle } from '../lifecycle.js'
import type { Saver } from '../saver.js'
import type { StorageTools } from '../tools.js'
import type { StoredUpload } from '../upload.js'
import type { UploadHooks } from '../upload-hooks.js'
import { TERMINATED } from '../upload-record.js'
import type { Uploads } from '../uploads.js'
import type { OpenFinals } from './open-finals.js'
import type { PartSurvey } from './part-survey.js'

export interface ReleaseParts {
  readonly tools: Pick<
    StorageTools,
    'keepPartialsMs' | 'now' | 'announce' | 'underLock' | 'isHeldByRequest' | 'log'
  > & { readonly hooks: Pick<UploadHooks, 'beforeFilesGo'> | null }
  readonly uploads: Pick<Uploads, 'load'>
  readonly saver: Pick<Saver, 'save' | 'note'>
  readonly lifecycle: Pick<Lifecycle, 'remove'>
  readonly survey: Pick<PartSurvey, 'read'>
  /** Where other nodes have final uploads, too, they are asked which parts are needed. */
  readonly shared: Pick<SharedFinals, 'needed' | 'giveUp'> | null
}

/** Why a part is released, into which final upload it was joined, and how long it is kept; in milliseconds. */
interface Release {
  readonly reason: string
  readonly joinedInto?: string
  readonly keepMs: number
}

/** Releases that may wait for the first sweep, about 200 bytes each; parts beyond it expire. */
const MOST_EARLY = 20_000

/** Releases the parts that a final upload does not need any more, but for those that others name too. */
export class PartRelease {
  readonly #parts: ReleaseParts
  readonly #tools: ReleaseParts['tools']
  readonly #finals: OpenFinals
  readonly #mostEarly: number
  /** Releases requested before the first sweep ended. Until then we cannot tell who else needs the part. */
  #early: Map<string, Release> | undefined = new Map()
  /** Parts that their clients have terminated and that an open final upload still needs. */
  readonly #terminated = new Set<string>()

  constructor(parts: ReleaseParts, finals: OpenFinals, mostEarly = MOST_EARLY) {
    this.#parts = parts
    this.#tools = parts.tools
    this.#finals = finals
    this.#mostEarly = mostEarly
  }

  /** Every open final upload is known now. */
  async begin(): Promise<void> {
    const early = this.#early ?? new Map<string, Release>()
    this.#early = undefined
    for (const [id, release] of early) await this.#release(id, release)
  }

  /** Keeps the parts of a joined final upload for --keep-partials, or removes them; one that is in use, a little later. */
  async joined({ id, parts }: Pick<StoredUpload, 'id' | 'parts'>): Promise<void> {
    const keepMs = this.#tools.keepPartialsMs
    const release = { reason: `joined into ${id}`, joinedInto: id, keepMs }
    for (const part of new Set(parts)) await this.#release(part, release)
  }

  /** Removes the parts of a final upload that was refused; one that is in use, a little later. */
  async refused({ parts }: Pick<StoredUpload, 'parts'>, reason: string): Promise<void> {
    for (const part of new Set(parts)) await this.#release(part, { reason, keepMs: 0 })
  }

  /** Takes a part away from its client, and keeps its bytes for the final uploads that name it. Rejects with the disk's error. */
  async terminate(part: StoredUpload): Promise<void> {
    part.markTerminated(new Date(this.#tools.now()).toISOString())
    try {
      await this.#parts.saver.note(part)
    } catch (error) {
      part.markTerminated(null)
      throw error
    }
    this.#tools.announce(part, 'terminated')
    this.noteTerminated([part.id])
  }

  /** Parts that were found terminated on the disk; those that nobody needs are removed. */
  noteTerminated(ids: readonly string[]): void {
    // The final upload that was looked at needs them, and whoever abandons it looks at them.
    if (this.#parts.shared) return
    for (const id of ids) {
      if (this.#finals.isNamed(id)) this.#terminated.add(id)
      // Not awaited: the caller may hold the part's lock. What goes wrong is logged there.
      else this.#release(id, { reason: TERMINATED, keepMs: 0 }).catch(() => {})
    }
  }

  /** A final upload is gone and was not joined: its parts stay, but for those that were terminated. */
  async abandon(parts: readonly string[]): Promise<void> {
    for (const id of new Set(parts)) {
      const isTerminated = this.#parts.shared
        ? (await this.#parts.survey.read(id))?.terminatedAt
        : this.#terminated.has(id)
      if (isTerminated) await this.#release(id, { reason: TERMINATED, keepMs: 0 })
    }
  }

  /** Tells whether a final upload that is finished still has parts that nobody has released. */
  async isDue(final: StoredUpload): Promise<boolean> {
    // They go in their order.
    const last = await this.#parts.survey.read(final.parts?.at(-1) ?? '')
    return last !== undefined && last.joinedAt === null
  }

  async #release(id: string, release: Release): Promise<void> {
    if (this.#early && !this.#parts.shared) return this.#postpone(id, release)
    if (this.#finals.isNamed(id)) return
    this.#terminated.delete(id)
    const released = this.#tools
      .underLock(id, () => this.#releaseOne(id, release))
      .catch((error: unknown) => {
        this.#tools.log.warn({ err: error, id }, 'a joined part could not be released; it will expire')
      })
    if (!this.#tools.isHeldByRequest(id)) await released
  }

  /** Tells whether no final upload of any node needs a part; one that is removed is gone for all nodes from here on. */
  async #mayRelease(
    finals: Pick<SharedFinals, 'needed' | 'giveUp'>,
    id: string,
    isRemoved: boolean,
  ): Promise<boolean> {
    if (isRemoved) return (await givenUp([id], finals, this.#tools.hooks)).has(id)
    return !(await finals.needed([id])).has(id)
  }

  #postpone(id: string, release: Release): void {
    if (!this.#early) return
    if (this.#early.size < this.#mostEarly || this.#early.has(id)) this.#early.set(id, release)
    else
      this.#tools.log.info({ id }, 'too many parts are to be released after the start; this one will expire')
  }

  async #releaseOne(id: string, { reason, joinedInto, keepMs }: Release): Promise<void> {
    const { uploads, lifecycle, saver, shared } = this.#parts
    const part = await uploads.load(id)
    // Meanwhile another final upload may have come that names it.
    if (!part || part.gone || this.#finals.isNamed(id)) return
    // Not flushed: a part that comes back after a power cut expires, and a final upload may have thousands.
    const isRemoved = keepMs === 0 || part.terminatedAt !== null
    if (shared && !(await this.#mayRelease(shared, id, isRemoved))) return
    if (isRemoved) return lifecycle.remove(part, 'terminated', reason, false, joinedInto)
    part.markJoined(new Date(this.#tools.now()).toISOString())
    await saver.save(part)
  }
}

/**
 * Those of these parts that no final upload of any node needs: they are gone for all nodes from here on. What is still to be
 * said of their end is written before, as nothing of them can be found afterwards. Rejects as SharedFinals does.
 */
export async function givenUp(
  parts: readonly string[],
  finals: Pick<SharedFinals, 'giveUp'>,
  hooks: Pick<UploadHooks, 'beforeFilesGo'> | null,
): Promise<ReadonlySet<string>> {
  await hooks?.beforeFilesGo(parts)
  return finals.giveUp(parts)
}
