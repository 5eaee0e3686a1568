import { UploadError } from '../../errors.js'
import type { Principal } from '../../model/principal.js'
import type { UploadRecord } from '../../model/record.js'
import type { SharedFinals } from '../../model/shared-finals.js'
import type { StorageTools } from '../tools.js'
import type { StoredUpload } from '../upload.js'
import { type FinalRequest, finalKey, finalKeyText } from './final-key.js'
import type { RequestedFinal } from './final-plan.js'
import { ASKED_AGAIN_MS, JoinedFinals } from './joined-finals.js'
import type { OpenFinals } from './open-finals.js'
import type { PartSurvey } from './part-survey.js'

interface MemoryParts {
  readonly tools: Pick<StorageTools, 'row' | 'now' | 'log' | 'mayAccess'>
  readonly finals: Pick<OpenFinals, 'madeBy' | 'allKnown'>
  readonly survey: Pick<PartSurvey, 'read'>
  /** Where other nodes make final uploads, too, they are asked instead of the memory. */
  readonly shared: Pick<SharedFinals, 'madeBy'> | null
}

/**
 * Finds the final upload that the same request has made before: a client asks again where the answer was
 * lost, and its parts may be gone then.
 */
export class FinalMemory {
  readonly #parts: MemoryParts
  readonly #joined = new JoinedFinals()

  constructor(parts: MemoryParts) {
    this.#parts = parts
  }

  /** The name of the lock under which one request, however often it is sent, is served. */
  lockOf(wanted: FinalRequest): string {
    return `final ${finalKeyText(wanted)}`
  }

  /** Remembers a final upload that is joined. */
  remember(final: StoredUpload): void {
    const ageMs = final.finishedAt === null ? 0 : this.#parts.tools.now() - Date.parse(final.finishedAt)
    this.#joined.remember(finalKey(final), final.id, Math.max(0, ageMs))
  }

  /** The final upload that the same request has made, as far as memory knows. Rejects with the disk's error. */
  async madeBefore(wanted: RequestedFinal): Promise<StoredUpload | undefined> {
    const key = finalKey(wanted)
    const { shared } = this.#parts
    if (shared) return this.#unlessLate(await shared.madeBy(finalKeyText(wanted)), wanted)
    const id = this.#parts.finals.madeBy(key) ?? this.#joined.madeBy(key)
    return id === undefined ? undefined : this.#ifSame(id, key, wanted.principal)
  }

  /**
   * Finds the final upload that the same request has made, by the record of one of its parts that was removed. Rejects with part_unknown where there is none, and with starting before that can be known.
   */
  async joinedWith(wanted: RequestedFinal, missing: string): Promise<StoredUpload> {
    const { allKnown } = this.#parts.finals
    // The sweep may have found it since memory was asked first.
    const found = await this.madeBefore(wanted)
    if (found) return found
    const final = await this.#unlessLate((await this.#recordOf(missing))?.joinedInto ?? undefined, wanted)
    if (final) return final
    // A crash may have taken the record, and the sweep has yet to find the final upload.
    throw new UploadError(allKnown ? 'part_unknown' : 'starting')
  }

  /** Tells by the record of a part whether it was joined, and was there for the principal. */
  async hasJoined(part: string, principal: Principal): Promise<boolean> {
    const record = await this.#recordOf(part)
    return typeof record?.joinedInto === 'string' && this.#parts.tools.mayAccess(principal, record)
  }

  /** The record of a part; undefined where there is none, or the database cannot be asked. */
  async #recordOf(part: string): Promise<UploadRecord | undefined> {
    const { tools } = this.#parts
    return tools.row(part).catch((error: unknown) => {
      tools.log.warn({ err: error, id: part }, 'the index could not tell what a part was joined into')
      return undefined
    })
  }

  /** The final upload, where it is of the same request and not joined, or joined within the last ten minutes. */
  async #unlessLate(id: string | undefined, wanted: RequestedFinal): Promise<StoredUpload | undefined> {
    const final = id === undefined ? undefined : await this.#ifSame(id, finalKey(wanted), wanted.principal)
    const isLate = final && this.#parts.tools.now() - final.changedAtMs >= ASKED_AGAIN_MS
    return final && (final.sha256 === null || !isLate) ? final : undefined
  }

  async #ifSame(id: string, key: string, principal: Principal): Promise<StoredUpload | undefined> {
    const final = await this.#parts.survey.read(id)
    if (!final || finalKey(final) !== key) return undefined
    return this.#parts.tools.mayAccess(principal, final) ? final : undefined
  }
}
