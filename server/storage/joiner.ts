import { UploadError } from '../errors.js'
import { diskError } from './disk-error.js'
import { Finals, joinedInto } from './finals.js'
import { checkedLength, JoinPass, lengthOf, Stopped } from './join-pass.js'
import type { Lifecycle, Tended } from './lifecycle.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import { isWhole, nextStep } from './settle.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

/** Final uploads that may wait for their parts; the next is refused. */
const MOST_WAITING = 1000

interface JoinerParts {
  readonly tools: StorageTools
  readonly uploads: Uploads
  readonly saver: Saver
  readonly prover: Prover
  readonly lifecycle: Lifecycle
}

/**
 * Joins final uploads from their parts (tus 1.0.0, concatenation): each byte is read from its part, written
 * to the final upload and digested in one pass, in steps between which other uploads are served, one final
 * upload after the other. The parts stay until the final upload is finished, so a crash loses nothing: the
 * joining begins anew.
 */
export class Joiner {
  readonly #parts: JoinerParts
  readonly #tools: StorageTools
  readonly #finals: Finals
  readonly #pass: JoinPass
  #queue: Promise<unknown> = Promise.resolve()

  constructor(parts: JoinerParts) {
    this.#parts = parts
    this.#tools = parts.tools
    this.#finals = new Finals(parts.tools, parts.uploads)
    this.#pass = new JoinPass(parts)
  }

  /** See Finals' `madeBefore`. */
  madeBefore(ids: readonly string[], metadata: string | null): Promise<StoredUpload | undefined> {
    return this.#finals.madeBefore(ids, metadata)
  }

  /**
   * The length of a final upload of these parts; null where a part's own is not known yet. Rejects with
   * part_unknown, size_exceeded, disk_full and finals_full.
   */
  async plan(ids: readonly string[]): Promise<number | null> {
    if (this.#finals.size >= MOST_WAITING) throw new UploadError('finals_full')
    const parts = await this.#load(ids)
    const now = this.#tools.now()
    const isGone = (part: StoredUpload) =>
      part.kind !== 'partial' || nextStep(part, now, this.#tools) === 'expire'
    if (!parts || parts.some(isGone)) throw new UploadError('part_unknown')
    const length = checkedLength(parts, this.#tools)
    if (await this.#tools.disk.isFull(length ?? 0)) throw new UploadError('disk_full')
    return length
  }

  /**
   * Takes up a final upload that is not joined yet: joins it in the background once its parts are whole
   * (`joining` is set then). The caller holds its lock. Rejects with upload_unknown where a part is gone, and
   * the final upload with it, and with upload_expired.
   */
  async take(final: StoredUpload): Promise<void> {
    if (final.sha256 !== null || final.joining || final.gone) return
    this.#finals.add(final)
    const parts = await this.#load(final.parts ?? [])
    if (!parts) {
      this.forget(final.id)
      await this.#parts.lifecycle.remove(final, 'terminated', 'a part is gone')
      throw new UploadError('upload_unknown', { detail: 'a part is gone' })
    }
    // Bytes for a part are bytes for the whole.
    final.touchedAtMs = Math.max(final.touchedAtMs, ...parts.map(({ touchedAtMs }) => touchedAtMs))
    if (nextStep(final, this.#tools.now(), this.#tools) === 'expire') throw new UploadError('upload_expired')
    final.length ??= lengthOf(parts)
    if (parts.every(isWhole)) this.#enqueue(final)
  }

  /** Does what is due with a final upload that is not joined yet, for the start and the sweep. */
  async tend(final: StoredUpload): Promise<Tended> {
    try {
      await this.take(final)
      return final.joining ? 'joining' : 'waiting'
    } catch (error) {
      const code = error instanceof UploadError ? error.code : undefined
      if (code === 'upload_unknown') return 'lost'
      if (code !== 'upload_expired') throw error
      this.forget(final.id)
      await this.#parts.lifecycle.expire(final)
      return 'expired'
    }
  }

  /** A partial upload became whole or is gone: final uploads that wait for it are looked at, in the background. */
  partChanged(id: string): void {
    for (const finalId of this.#finals.of(id)) {
      void this.#retake(finalId).catch((error: unknown) => {
        this.#tools.log.error(
          { err: error, id: finalId },
          'a final upload could not be taken up; the sweep will',
        )
      })
    }
  }

  /** A final upload is gone before it was joined. */
  forget(id: string): void {
    this.#finals.delete(id)
  }

  #retake(finalId: string): Promise<void> {
    return this.#tools.underLock(finalId, async () => {
      const final = await this.#parts.uploads.load(finalId)
      if (!final) return this.forget(finalId)
      await this.take(final).catch((error: unknown) => {
        if (!(error instanceof UploadError) || error.status >= 500) throw error
      })
    })
  }

  #enqueue(final: StoredUpload): void {
    const joining = this.#queue.then(() => this.#join(final))
    this.#queue = joining.catch(() => {})
    final.joining = joining
    joining.catch((error: unknown) => {
      this.#tools.log.warn({ err: error, id: final.id }, 'a final upload could not be joined')
    })
  }

  async #join(final: StoredUpload): Promise<void> {
    try {
      const parts = await this.#load(final.parts ?? [])
      if (!parts) throw new UploadError('part_unknown')
      await this.#pass.prove(parts)
      final.length = checkedLength(parts, this.#tools)
      // A part whose bytes proved damaged has fallen back: the final upload waits on.
      if (!parts.every(isWhole)) return
      await this.#pass.look(final, parts)
      await this.#pass.copy(final, parts)
      await this.#tools.underLock(final.id, () => this.#finish(final))
      this.forget(final.id)
      await this.#release(final, joinedInto(final), this.#tools.keepPartialsMs)
    } catch (error) {
      if (error instanceof Stopped || final.gone) return
      await this.#failed(final, diskError(error))
      throw diskError(error)
    } finally {
      final.joining = null
    }
  }

  async #finish(final: StoredUpload): Promise<void> {
    if (final.gone) throw new Stopped()
    final.offset = final.length ?? 0
    final.digestLive = true
    final.touchedAtMs = this.#tools.now()
    try {
      await this.#parts.lifecycle.finish(final)
    } catch (error) {
      final.offset = 0
      throw error
    }
  }

  /** Lets the parts of a final upload go, but for those that others wait for too. */
  async #release(final: StoredUpload, reason: string, keepMs: number): Promise<void> {
    for (const id of new Set(final.parts)) {
      if (this.#finals.of(id).length > 0) continue
      await this.#tools
        .underLock(id, () => this.#releasePart(id, reason, keepMs))
        .catch((error: unknown) => {
          this.#tools.log.warn({ err: error, id }, 'a joined part could not be let go; it will expire')
        })
    }
  }

  async #releasePart(id: string, reason: string, keepMs: number): Promise<void> {
    const { uploads, lifecycle, saver } = this.#parts
    const part = await uploads.load(id)
    if (!part) return
    if (keepMs === 0) return lifecycle.remove(part, 'terminated', reason)
    part.joinedAt = new Date(this.#tools.now()).toISOString()
    await saver.save(part)
  }

  /** What is refused goes with its parts; what failed before its client knew of it goes; the rest is tried again. */
  async #failed(final: StoredUpload, error: UploadError): Promise<void> {
    const { lifecycle } = this.#parts
    const { id } = final
    if (error.code === 'type_refused' || error.code === 'size_exceeded') {
      await this.#tools.underLock(id, () => lifecycle.refuse(final, error))
      this.forget(id)
      await this.#release(final, error.message, 0)
    } else if (error.code === 'part_unknown' || !final.isTold) {
      await this.#tools.underLock(id, () => lifecycle.remove(final, 'terminated', error.message))
      this.forget(id)
    } else {
      await this.#tools.thread.truncate({ path: final.paths.file, length: 0 })
    }
  }

  async #load(ids: readonly string[]): Promise<StoredUpload[] | undefined> {
    const parts: StoredUpload[] = []
    for (const id of ids) {
      const part = await this.#parts.uploads.load(id)
      if (!part || part.gone) return undefined
      parts.push(part)
    }
    return parts
  }
}
