import { asUploadError, UploadError } from '../../errors.js'
import type { Engine } from '../../model/engine.js'
import { isRefusal } from '../../model/refusal.js'
import type { Lifecycle } from '../lifecycle.js'
import type { StorageTools } from '../tools.js'
import type { StoredUpload } from '../upload.js'
import type { Uploads } from '../uploads.js'
import { type JoinPass, Stopped } from './join-pass.js'
import type { PartRelease } from './part-release.js'
import type { PartSurvey } from './part-survey.js'

export interface JoinRunParts {
  readonly tools: Pick<StorageTools, 'underLock' | 'alone' | 'log'> & {
    readonly engine: Pick<Engine, 'finals' | 'truncate'>
  }
  readonly uploads: Pick<Uploads, 'load' | 'drop'>
  readonly lifecycle: Pick<Lifecycle, 'remove' | 'refuse'>
  readonly pass: Pick<JoinPass, 'join'>
  readonly survey: Pick<PartSurvey, 'of'>
  readonly release: Pick<PartRelease, 'joined' | 'refused'>
  /** It is joined. */
  readonly joined: (final: StoredUpload) => void
  /** It is gone. */
  readonly forget: (final: StoredUpload) => Promise<void>
  /** A part has not all its bytes any more. */
  readonly waits: (id: string) => void
  /** It is joined again later. */
  readonly failed: (id: string) => void
  /** The server ends. */
  readonly halted: () => void
}

/** Joins one final upload, and does what follows from how that ended. */
export class JoinRun {
  readonly #parts: JoinRunParts

  constructor(parts: JoinRunParts) {
    this.#parts = parts
  }

  /**
   * Joins a final upload whose parts are whole. Where there are other nodes, one of them at a time does that, and the
   * others leave it to that one. Rejects with why it was not joined.
   */
  async join(id: string): Promise<void> {
    const { tools, uploads } = this.#parts
    if (!tools.alone) return this.#joinHere(id)
    await tools.alone(`join ${id}`, () => this.#joinHere(id))
    // Whoever asks next finds it as it is stored.
    uploads.drop(id)
  }

  async #joinHere(id: string): Promise<void> {
    const final = await this.#loaded(id)
    if (!final || final.gone || final.sha256 !== null) return
    const work = this.#joinAll(final)
    if (!final.joining) final.setJoining(work)
    try {
      await work
    } catch (error) {
      this.#parts.tools.log.warn({ err: error, id }, 'a final upload could not be joined')
      throw error
    } finally {
      final.setJoining(null)
    }
  }

  /** Another node may have joined it meanwhile: who has its lock finds it as it is stored. */
  async #loaded(id: string): Promise<StoredUpload | undefined> {
    const { tools, uploads } = this.#parts
    if (!tools.engine.finals) return uploads.load(id)
    let final: StoredUpload | undefined
    await tools.underLock(id, async () => {
      final = await uploads.load(id)
    })
    return final
  }

  async #joinAll(final: StoredUpload): Promise<void> {
    const { pass, survey, release, joined, waits, halted } = this.#parts
    try {
      // A part whose bytes proved damaged has fallen back: the final upload waits on.
      if (!(await pass.join(final))) return waits(final.id)
      joined(final)
      await release.joined(final)
    } catch (error) {
      if (final.halted) halted()
      if (error instanceof Stopped || final.gone || final.halted) return
      const isPartGone = 'missing' in (await survey.of(final.parts ?? []))
      const told = isPartGone ? new UploadError('part_unknown', { cause: error }) : asUploadError(error)
      await this.#failed(final, told)
      throw told
    }
  }

  /** Refused: removes it and its parts. Failed before Location was sent: removes it. Else it is tried again. */
  async #failed(final: StoredUpload, error: UploadError): Promise<void> {
    const { tools, lifecycle, release, forget, failed } = this.#parts
    const { id } = final
    if (isRefusal(error)) {
      await tools.underLock(id, () => lifecycle.refuse(final, error))
      await forget(final)
      await release.refused(final, error.message)
    } else if (error.code === 'part_unknown' || !final.isLocationSent) {
      await tools.underLock(id, () => lifecycle.remove(final, 'terminated', error.message))
      await forget(final)
    } else if (!tools.engine.finals) {
      failed(id)
      await tools.engine.truncate(id, 0)
    }
  }
}
