import { UploadError } from '../errors.js'
import { diskError } from './disk-error.js'
import { Finisher } from './finisher.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import { nextStep } from './settle.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

/** What became of an upload that was tended. */
export type Tended = 'kept' | 'waiting' | 'joining' | 'finished' | 'expired' | 'refused' | 'lost'

/** The ends of an upload: finished, fallen back, removed. The caller holds its lock. */
export class Lifecycle {
  readonly #tools: StorageTools
  readonly #uploads: Uploads
  readonly #saver: Saver
  readonly #finisher: Finisher

  constructor(tools: StorageTools, parts: { uploads: Uploads; saver: Saver; prover: Prover }) {
    this.#tools = tools
    this.#uploads = parts.uploads
    this.#saver = parts.saver
    this.#finisher = new Finisher(tools, parts.saver, parts.prover)
  }

  /**
   * Finishes an upload whose bytes are all there. One whose type may not come in is removed, one whose prefix
   * turns out damaged falls back. Rejects with type_refused, offset_conflict, disk_full or internal.
   */
  async finish(upload: StoredUpload): Promise<void> {
    try {
      await this.#finisher.finish(upload)
      // What is finished is told by its record and its sidecar; memory is for progress.
      this.#uploads.drop(upload.id)
    } catch (thrown) {
      const error = diskError(thrown)
      if (error.code === 'type_refused') await this.refuse(upload, error)
      if (error.code === 'offset_conflict') await this.mend(upload)
      throw error
    }
  }

  /** Lets an upload go from memory: whoever asks next reads it from the disk. */
  letGo(upload: StoredUpload): void {
    this.#uploads.drop(upload.id)
  }

  /** Falls back to the last good checkpoint where the prefix was found damaged. */
  async mend(upload: StoredUpload): Promise<void> {
    const good = upload.damagedAfter
    if (good === null) return
    await this.#tools.thread.truncate({ path: upload.paths.file, length: good })
    await this.#tools.thread.forget(upload.id)
    upload.checkpoints = upload.checkpoints.filter(({ offset }) => offset <= good)
    upload.offset = good
    upload.digestLive = good === 0
    upload.damagedAfter = null
    if (good < this.#tools.sniffBytes) upload.type = null
    await this.#saver.save(upload)
    this.#tools.record(upload.toRow(this.#tools.now()))
  }

  /** Removes an upload whose type may not come in; its record says why. */
  async refuse(upload: StoredUpload, error: UploadError): Promise<void> {
    await this.remove(upload, 'refused', error.detail ?? error.message)
  }

  /** Removes an upload's files, its digest and its progress; the record stays and says why. */
  async remove(
    upload: StoredUpload,
    state: 'refused' | 'expired' | 'terminated',
    reason: string,
  ): Promise<void> {
    upload.gone = true
    await Promise.allSettled([upload.saving, upload.proof])
    // What cannot be removed is read anew from the disk by whoever asks next.
    this.#uploads.drop(upload.id)
    await this.#tools.thread.remove([upload.paths.file, upload.paths.sidecar])
    this.#tools.record(upload.toRow(this.#tools.now(), { state, reason }))
  }

  /** Does what is due with one upload that is not joined from others, for the start and the sweep. */
  async tend(upload: StoredUpload): Promise<Tended> {
    const next = nextStep(upload, this.#tools.now(), this.#tools)
    if (next === 'finish') return this.#tendWhole(upload)
    if (next === 'expire') {
      await this.expire(upload)
      return 'expired'
    }
    this.#tools.record(upload.toRow(upload.changedAtMs))
    return next === 'keep' ? 'kept' : 'waiting'
  }

  /** Removes an upload whose time is over. */
  async expire(upload: StoredUpload): Promise<void> {
    const isJoined = upload.joinedAt !== null
    await this.remove(
      upload,
      'expired',
      isJoined ? 'joined into a final upload' : 'no bytes for longer than --expire-after',
    )
  }

  async #tendWhole(upload: StoredUpload): Promise<Tended> {
    try {
      await this.finish(upload)
      return 'finished'
    } catch (error) {
      if (error instanceof UploadError && error.code === 'type_refused') return 'refused'
      throw error
    }
  }
}
