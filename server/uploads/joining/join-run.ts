import { asUploadError, UploadError } from '../../errors.js'
import type { Turn } from '../../model/cluster.js'
import type { Engine } from '../../model/engine.js'
import { isRefusal } from '../../model/refusal.js'
import { SqlError } from '../../model/sql.js'
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
  readonly uploads: Pick<Uploads, 'load' | 'drop' | 'isEnding'>
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

/** Where there are no other nodes, nobody takes over. */
const ALWAYS: Turn = { isValid: true }

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
    const { tools } = this.#parts
    try {
      if (tools.alone) await this.#joinAlone(id, tools.alone)
      else await this.#joinHere(id, ALWAYS)
    } catch (error) {
      tools.log.warn({ err: error, id }, 'a final upload could not be joined')
      throw error
    }
  }

  async #joinAlone(id: string, alone: NonNullable<StorageTools['alone']>): Promise<void> {
    try {
      await alone(`join ${id}`, (turn) => this.#joinHere(id, turn))
    } catch (error) {
      throw error instanceof SqlError ? new UploadError('storage_unavailable', { cause: error }) : error
    } finally {
      // Whoever asks next finds it as it is stored, and begins again where it is not joined.
      this.#parts.uploads.drop(id)
    }
  }

  async #joinHere(id: string, turn: Turn): Promise<void> {
    const final = await this.#loaded(id)
    if (!final || final.gone || final.sha256 !== null) return
    const work = this.#joinAll(final, turn)
    if (!final.joining) final.setJoining(work)
    await work.finally(() => final.setJoining(null))
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

  async #joinAll(final: StoredUpload, turn: Turn): Promise<void> {
    const { pass, survey, release, uploads, joined, waits, halted } = this.#parts
    try {
      // A part whose bytes proved damaged has fallen back: the final upload waits on.
      if (!(await pass.join(final))) return waits(final.id)
      joined(final)
      await release.joined(final)
    } catch (error) {
      if (uploads.isEnding) halted()
      if (error instanceof Stopped || final.gone || final.halted) return
      if (!turn.isValid) return this.#leave(final, error)
      const isPartGone = 'missing' in (await survey.of(final.parts ?? []))
      const told = isPartGone ? new UploadError('part_unknown', { cause: error }) : asUploadError(error)
      if (await this.#failed(final, told)) throw told
    }
  }

  /** Another node may join it by now, and knows better than this one what became of it. */
  #leave({ id }: StoredUpload, error: unknown): void {
    this.#parts.tools.log.warn(
      { err: error, id },
      'a final upload is left to other nodes: the lease was lost',
    )
  }

  /**
   * Refused: removes it and its parts. A part is gone, or it failed before Location was sent: removes it. Else it is tried
   * again. False where another node has joined it, or removed it.
   */
  async #failed(final: StoredUpload, error: UploadError): Promise<boolean> {
    const { tools, release, forget, failed } = this.#parts
    const { id } = final
    // Another node may have given its address out.
    const isUnknown = !final.isLocationSent && !tools.engine.finals
    if (isRefusal(error) || error.code === 'part_unknown' || isUnknown) {
      if (!(await this.#ifOpen(final, (stored) => this.#remove(stored, error)))) return false
      // Who awaits the join may have it as it was loaded first.
      final.markGone()
      await forget(final)
      if (isRefusal(error)) await release.refused(final, error.message)
    } else if (tools.engine.finals) {
      return this.#ifOpen(final, async () => {})
    } else {
      failed(id)
      await tools.engine.truncate(id, 0)
    }
    return true
  }

  /** Does `work` under its lock; false where another node has joined it, or removed it, since it was loaded. */
  async #ifOpen(final: StoredUpload, work: (stored: StoredUpload) => Promise<void>): Promise<boolean> {
    const { tools, uploads } = this.#parts
    let isOpen = false
    await tools.underLock(final.id, async () => {
      const stored = tools.engine.finals ? await uploads.load(final.id) : final
      if (!stored || stored.gone || stored.sha256 !== null) return
      isOpen = true
      await work(stored)
    })
    return isOpen
  }

  async #remove(final: StoredUpload, error: UploadError): Promise<void> {
    const { lifecycle } = this.#parts
    if (isRefusal(error)) await lifecycle.refuse(final, error)
    else await lifecycle.remove(final, 'terminated', error.message)
  }
}
