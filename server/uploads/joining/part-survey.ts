import { UploadError } from '../../errors.js'
import type { Engine } from '../../model/engine.js'
import { isWhole } from '../../model/next-step.js'
import { loadUpload } from '../load-upload.js'
import type { StoredUpload } from '../upload.js'
import type { Uploads } from '../uploads.js'

/** Longer lists are looked at one after the other, so that many at once do not take the disk from others. */
const SHORT_LIST = 16

/** What the parts of a final upload are together. */
export interface Survey {
  /** Bytes; null where a part's own length is not known yet. */
  readonly length: number | null
  /** The place of the first part that has not all its bytes; undefined where all have. */
  readonly unfinished: number | undefined
  /** When a part last got bytes or was created; milliseconds since 1970. */
  readonly touchedAtMs: number
  readonly hasBytes: boolean
  /** Parts that their client has terminated. */
  readonly terminated: readonly string[]
}

/** One of the parts is not there. */
export interface Missing {
  readonly missing: string
}

type Facts = Pick<Survey, 'length' | 'touchedAtMs' | 'hasBytes'> & {
  readonly isWhole: boolean
  readonly isTerminated: boolean
}

/**
 * Reads the parts of final uploads, one after the other, and keeps none in memory: a final upload may name
 * more parts than all users together have uploads in memory.
 */
export class PartSurvey {
  readonly #engine: Pick<Engine, 'load' | 'addressOf'>
  readonly #uploads: Pick<Uploads, 'leaving' | 'peek'>
  /** The long list that is looked at, or waits to be; the next one waits for it. */
  #long: Promise<unknown> = Promise.resolve()

  constructor(engine: Pick<Engine, 'load' | 'addressOf'>, uploads: Pick<Uploads, 'leaving' | 'peek'>) {
    this.#engine = engine
    this.#uploads = uploads
  }

  /**
   * An upload from memory, or as the disk has it; it does not come into memory. Undefined where there is
   * none. Rejects with upload_locked where its sidecar cannot be read, and with the disk's error.
   */
  async read(id: string): Promise<StoredUpload | undefined> {
    await this.#uploads.leaving(id)
    const found = this.#uploads.peek(id) ? undefined : await loadUpload(this.#engine, id)
    // What was read may be from before the removal.
    if (this.#uploads.leaving(id)) return this.read(id)
    // It may have come into memory while the disk was read.
    const live = this.#uploads.peek(id)
    if (live) return live.gone ? undefined : live
    if (found?.kind === 'upload') return found.upload
    if (found === undefined || found.kind === 'missing') return undefined
    throw new UploadError('upload_locked', { detail: 'no sidecar that can be read' })
  }

  /**
   * Looks at these parts, from place `from` on. `check` returns false for a part that counts as missing, and throws
   * for an upload that may not be a part. Rejects as `read` does.
   */
  of(
    ids: readonly string[],
    from = 0,
    check: (part: StoredUpload) => boolean = () => true,
  ): Promise<Survey | Missing> {
    const work = () => this.#all(ids, from, check)
    if (ids.length - from <= SHORT_LIST) return work()
    const survey = this.#long.then(work)
    this.#long = survey.catch(() => {})
    return survey
  }

  async #all(
    ids: readonly string[],
    from: number,
    check: (part: StoredUpload) => boolean,
  ): Promise<Survey | Missing> {
    const seen = new Map<string, Facts>()
    const sum = { length: 0 as number | null, touchedAtMs: 0, hasBytes: false }
    let unfinished: number | undefined
    for (const [place, id] of ids.entries()) {
      if (place < from) continue
      const facts = seen.get(id) ?? (await this.#facts(id, check))
      // One that its client has terminated gets no bytes any more.
      if (!facts || (facts.isTerminated && !facts.isWhole)) return { missing: id }
      seen.set(id, facts)
      sum.length = sum.length === null || facts.length === null ? null : sum.length + facts.length
      sum.touchedAtMs = Math.max(sum.touchedAtMs, facts.touchedAtMs)
      sum.hasBytes ||= facts.hasBytes
      if (!facts.isWhole) unfinished ??= place
    }
    const terminated = [...seen].filter(([, { isTerminated }]) => isTerminated).map(([id]) => id)
    return { ...sum, unfinished, terminated }
  }

  async #facts(id: string, check: (part: StoredUpload) => boolean): Promise<Facts | undefined> {
    const part = await this.read(id)
    if (!part || !check(part)) return undefined
    const { length, offset, touchedAtMs } = part
    const isTerminated = part.terminatedAt !== null
    return { length, touchedAtMs, hasBytes: offset > 0, isWhole: isWhole(part), isTerminated }
  }
}
