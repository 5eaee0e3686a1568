import { setImmediate } from 'node:timers/promises'
import { UploadError } from '../errors.js'
import { diskError } from './disk-error.js'
import { checkedLength, JoinPass, lengthOf, Stopped } from './join-pass.js'
import type { Lifecycle, Tended } from './lifecycle.js'
import { joinedInto, OpenFinals } from './open-finals.js'
import { PartRelease } from './part-release.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import { isWhole, nextStep } from './settle.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

/** So many final uploads are joined at once; a short one need not wait for a long one. */
const JOINED_AT_ONCE = 4

interface JoinerParts {
  readonly tools: StorageTools
  readonly uploads: Uploads
  readonly saver: Saver
  readonly prover: Prover
  readonly lifecycle: Lifecycle
}

/**
 * Joins final uploads from their parts (tus 1.0.0, concatenation): each byte is read from its part, written
 * to the final upload and digested in one pass, in steps between which other uploads are served. The parts
 * stay until the final upload is finished, so a crash loses nothing: the joining begins anew.
 */
export class Joiner {
  readonly #parts: JoinerParts
  readonly #tools: StorageTools
  readonly #finals: OpenFinals
  readonly #pass: JoinPass
  readonly #release: PartRelease
  /** Final uploads whose joining failed: the sweep tries again. */
  readonly #failedOnce = new Set<string>()
  readonly #lanes = Array.from({ length: JOINED_AT_ONCE }, () => ({ tail: Promise.resolve(), length: 0 }))
  #looks: Promise<unknown> = Promise.resolve()

  constructor(parts: JoinerParts) {
    this.#parts = parts
    this.#tools = parts.tools
    this.#finals = new OpenFinals(parts.tools, parts.uploads)
    this.#pass = new JoinPass(parts)
    this.#release = new PartRelease(parts, this.#finals)
  }

  /** See OpenFinals' `madeBefore`. */
  madeBefore(ids: readonly string[], metadata: string | null): Promise<StoredUpload | undefined> {
    return this.#finals.madeBefore(ids, metadata)
  }

  /** Tells whether a part may not go, because a final upload waits for it. */
  wants(part: string): boolean {
    return this.#finals.wants(part)
  }

  /** The sweep has met every upload since the start: who needs which part is known from now on. */
  async knowsAll(): Promise<void> {
    this.#finals.knowsAll()
    await this.#release.begin()
  }

  /** The sweep has met a finished final upload: a crash may have come before its parts were let go. */
  async met(final: StoredUpload): Promise<void> {
    if (await this.#release.isDue(final)) await this.#joined(final)
  }

  /**
   * The length of a final upload of these parts; null where a part's own is not known yet. Rejects with
   * part_unknown, size_exceeded, disk_full and finals_full.
   */
  async plan(ids: readonly string[]): Promise<number | null> {
    const parts = await this.#load(ids)
    if (!parts || parts.some((part) => this.#isNoPart(part))) throw new UploadError('part_unknown')
    const length = checkedLength(parts, this.#tools)
    if (await this.#tools.disk.isFull(length ?? 0)) throw new UploadError('disk_full')
    if (!this.#finals.hasRoomFor(ids.length)) throw new UploadError('finals_full')
    return length
  }

  /**
   * Looks what can be done for a final upload that is not joined: once its parts are whole it is joined in the
   * background (`joining` is set then); where a part is gone, it is removed. The caller holds its lock.
   * Rejects with upload_unknown where it was removed, and with upload_expired.
   */
  async advance(final: StoredUpload): Promise<void> {
    if (final.sha256 !== null || final.joining || final.gone) return
    this.#finals.add(final)
    const parts = await this.#load(final.parts ?? [])
    if (!parts) {
      this.forget(final.id)
      await this.#parts.lifecycle.remove(final, 'terminated', 'a part is gone')
      throw new UploadError('upload_unknown', { detail: 'a part is gone' })
    }
    final.length ??= lengthOf(parts)
    if (parts.every(isWhole)) return this.#enqueue(final)
    // Bytes for a part are bytes for the whole.
    final.touchedAtMs = Math.max(final.touchedAtMs, ...parts.map(({ touchedAtMs }) => touchedAtMs))
    if (nextStep(final, this.#tools.now(), this.#tools) === 'expire') throw new UploadError('upload_expired')
  }

  /** Does what is due with a final upload that is not joined yet, for the start and the sweep. */
  async tend(final: StoredUpload): Promise<Tended> {
    const isOld = nextStep(final, this.#tools.now(), this.#tools) === 'expire'
    // What is known waits for its parts, which tell of themselves.
    if (this.#finals.has(final.id) && !isOld && !this.#failedOnce.has(final.id)) return 'waiting'
    try {
      await this.advance(final)
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
      this.#looks = this.#looks
        .then(() => this.#lookAt(finalId))
        .catch((error: unknown) => {
          this.#tools.log.error({ err: error, id: finalId }, 'a final upload could not be looked at')
        })
        // Many may wait for one part.
        .then(() => setImmediate())
    }
  }

  /** A final upload is gone before it was joined. */
  forget(id: string): void {
    this.#finals.delete(id)
    this.#failedOnce.delete(id)
  }

  #lookAt(finalId: string): Promise<void> {
    return this.#tools.underLock(finalId, async () => {
      const final = await this.#parts.uploads.load(finalId)
      if (!final) return this.forget(finalId)
      await this.advance(final).catch((error: unknown) => {
        if (!(error instanceof UploadError) || error.status >= 500) throw error
      })
    })
  }

  #isNoPart(part: StoredUpload): boolean {
    if (part.kind !== 'partial') return true
    const isOver = nextStep(part, this.#tools.now(), this.#tools) === 'expire'
    return isOver && !this.#finals.wants(part.id)
  }

  #enqueue(final: StoredUpload): void {
    const lane = this.#lanes.reduce((least, each) => (each.length < least.length ? each : least))
    lane.length += 1
    const joining = lane.tail
      .then(() => this.#join(final))
      .finally(() => {
        lane.length -= 1
      })
    final.joining = joining
    lane.tail = joining.catch((error: unknown) => {
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
      await this.#joined(final)
    } catch (error) {
      if (error instanceof Stopped || final.gone || final.halted) return
      const isPartGone = (await this.#load(final.parts ?? [])) === undefined
      const told = isPartGone ? new UploadError('part_unknown', { cause: error }) : diskError(error)
      await this.#failed(final, told)
      throw told
    } finally {
      final.joining = null
    }
  }

  async #finish(final: StoredUpload): Promise<void> {
    if (final.gone || final.halted) throw new Stopped()
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

  async #joined(final: StoredUpload): Promise<void> {
    this.#failedOnce.delete(final.id)
    this.#finals.joined(final)
    await this.#release.release(final, joinedInto(final), this.#tools.keepPartialsMs)
  }

  /** What is refused goes with its parts; what failed before its client knew of it goes; the rest is tried again. */
  async #failed(final: StoredUpload, error: UploadError): Promise<void> {
    const { lifecycle } = this.#parts
    const { id } = final
    if (error.code === 'type_refused' || error.code === 'size_exceeded') {
      await this.#tools.underLock(id, () => lifecycle.refuse(final, error))
      this.forget(id)
      await this.#release.release(final, error.message, 0)
    } else if (error.code === 'part_unknown' || !final.isTold) {
      await this.#tools.underLock(id, () => lifecycle.remove(final, 'terminated', error.message))
      this.forget(id)
    } else {
      this.#failedOnce.add(id)
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
