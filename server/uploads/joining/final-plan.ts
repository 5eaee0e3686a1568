import { UploadError } from '../../errors.js'
import type { Engine } from '../../model/engine.js'
import { type GrantTerms, mostBytesOf } from '../../model/grant.js'
import { nextStep, type Terms } from '../../model/next-step.js'
import type { Principal } from '../../model/principal.js'
import type { SharedFinals } from '../../model/shared-finals.js'
import type { StorageTools } from '../tools.js'
import type { StoredUpload } from '../upload.js'
import type { OpenFinals } from './open-finals.js'
import type { Missing, PartSurvey, Survey } from './part-survey.js'

/** A final upload that a client asks for. */
export interface RequestedFinal {
  readonly id: string
  readonly parts: readonly string[]
  /** Upload-Metadata as it was sent. */
  readonly metadata: string | null
  /** The network address that asks. */
  readonly client: string
  /** Who owns what the principal creates. */
  readonly owner: string | null
  readonly grant: GrantTerms | null
  readonly principal: Principal
}

interface PlanParts {
  readonly tools: Pick<StorageTools, 'now' | 'maxSizeBytes' | 'mayAccess'> &
    Terms & { readonly engine: Pick<Engine, 'isFull'> }
  readonly finals: Pick<OpenFinals, 'allKnown' | 'isNamedByOthers'>
  readonly survey: Pick<PartSurvey, 'of'>
  readonly shared: Pick<SharedFinals, 'needed'> | null
}

/** Decides whether a final upload can be made of its parts. */
export class FinalPlan {
  readonly #parts: PlanParts
  readonly #startedAt: string

  constructor(parts: PlanParts) {
    this.#parts = parts
    this.#startedAt = new Date(parts.tools.now()).toISOString()
  }

  /**
   * Looks at the parts of a final upload that is entered. Resolves with the part that is missing where one is,
   * or was terminated. Rejects with part_unknown, starting, size_exceeded, disk_full, and with the disk's error.
   */
  async of({ parts, grant, principal }: RequestedFinal): Promise<Survey | Missing> {
    const { tools } = this.#parts
    const over: string[] = []
    const check = (part: StoredUpload): boolean => this.#check(part, principal, over)
    const survey = await this.#parts.survey.of(parts, 0, check)
    if ('missing' in survey) return survey
    await this.#checkOver(over)
    const [terminated] = survey.terminated
    if (terminated !== undefined) return { missing: terminated }
    const bytes = survey.length ?? 0
    if (bytes > mostBytesOf({ grant }, tools.maxSizeBytes)) throw new UploadError('size_exceeded')
    if (await tools.engine.isFull(bytes)) throw new UploadError('disk_full')
    return survey
  }

  /** Tells whether a part is there for the principal. Throws for one that is there and may not be a part. */
  #check(part: StoredUpload, principal: Principal, over: string[]): boolean {
    if (!this.#parts.tools.mayAccess(principal, part)) return false
    if (part.kind !== 'partial') throw new UploadError('part_unknown')
    if (part.terminatedAt !== null) return true
    const { tools, finals } = this.#parts
    // The same final upload may have been made of it before the start, and the sweep has yet to find that one.
    if (!this.#parts.shared && !finals.allKnown && part.createdAt < this.#startedAt)
      throw new UploadError('starting')
    const isOver = nextStep(part, tools.now(), tools) === 'expire'
    if (isOver && this.#parts.shared) over.push(part.id)
    // A part does not expire while a final upload needs it.
    else if (isOver && !finals.isNamedByOthers(part.id)) throw new UploadError('part_unknown')
    return true
  }

  /** The same, where other nodes may have a final upload that needs them. */
  async #checkOver(over: readonly string[]): Promise<void> {
    if (over.length === 0) return
    const needed = await this.#parts.shared?.needed(over)
    if (over.some((part) => !needed?.has(part))) throw new UploadError('part_unknown')
  }
}
