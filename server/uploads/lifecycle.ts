import { asUploadError, type UploadError } from '../errors.js'
import type { Engine } from '../model/engine.js'
import { isBytesFault, isReplaced } from '../model/engine-error.js'
import { nextStep, type Terms } from '../model/next-step.js'
import { offsetAfterCrash } from '../model/offset-after-crash.js'
import { isRefusal } from '../model/refusal.js'
import { lastSaved } from './background-state.js'
import { Finisher } from './finisher.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import type { Unfinished } from './unfinished.js'
import type { StoredUpload } from './upload.js'
import { type RecordEnd, TERMINATED } from './upload-record.js'
import type { Uploads } from './uploads.js'

type LifecycleTools = Pick<
  StorageTools,
  'sniff' | 'sniffBytes' | 'announce' | 'now' | 'log' | 'durability' | 'hooks' | 'traces'
> &
  Terms & {
    readonly engine: Pick<Engine, 'read' | 'digest' | 'measure' | 'append' | 'truncate' | 'forget' | 'remove'>
    readonly unfinished: Pick<Unfinished, 'has' | 'set'>
  }

interface LifecycleParts {
  readonly uploads: Pick<Uploads, 'drop' | 'leave'>
  readonly saver: Pick<Saver, 'save'>
  readonly prover: Pick<Prover, 'prove'>
}

const RETRY_FINISH_MS = 60_000

/** What became of an upload with which something was due. */
export type DueOutcome = 'kept' | 'waiting' | 'joining' | 'finished' | 'expired' | 'refused' | 'lost'

/** The ends of an upload: finished, fallen back, removed. The caller holds its lock. */
export class Lifecycle {
  readonly #tools: LifecycleTools
  readonly #uploads: LifecycleParts['uploads']
  readonly #saver: LifecycleParts['saver']
  readonly #finisher: Finisher

  constructor(tools: LifecycleTools, parts: LifecycleParts) {
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
      // A finished upload is read from its record or its sidecar; memory is for progress.
      this.#uploads.drop(upload.id)
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (isRefusal(error)) await this.refuse(upload, error)
      else await this.recover(upload, error)
      // Tried again later, without a request.
      if (!upload.gone && this.#tools.unfinished.has(upload.id))
        this.#tools.unfinished.set(upload.id, this.#tools.now() + RETRY_FINISH_MS)
      throw error
    }
  }

  /** Drops an upload from memory: the next request loads it from the engine. */
  evict(upload: StoredUpload): void {
    this.#uploads.drop(upload.id)
  }

  /**
   * After an error: where it says that the upload's file is gone, or is not as it was left, the upload is removed,
   * or falls back to what is proven. Every other error changes nothing.
   */
  async recover(upload: StoredUpload, error: UploadError): Promise<void> {
    if (error.code === 'offset_conflict' && !isBytesFault(error)) return this.cutDamaged(upload)
    if (!isBytesFault(error)) return
    const { storedBytes } = await this.#tools.engine.measure(upload.id)
    if (storedBytes === undefined) return this.#lost(upload)
    await this.#fallBack(upload, storedBytes, isReplaced(error))
  }

  /**
   * Compares an idle upload with its stored bytes, and corrects it where they differ. One whose bytes are gone is
   * `gone` afterwards; a sidecar that is gone is written again. A finished one that differs leaves memory: the next
   * request reads it from the disk.
   */
  async verify(upload: StoredUpload): Promise<void> {
    const { storedBytes, hasFacts } = await this.#tools.engine.measure(upload.id)
    if (upload.gone) return
    if (storedBytes === undefined) return this.#lost(upload)
    const isSame = storedBytes === upload.offset || (upload.kind === 'final' && upload.sha256 === null)
    if (!isSame && upload.sha256 !== null) this.#uploads.drop(upload.id)
    else if (!isSame) await this.#fallBack(upload, storedBytes, false)
    else if (!hasFacts) await this.#saver.save(upload)
  }

  /** Tells whether an upload's file has the bytes that count, and no others. */
  async isSound(upload: StoredUpload): Promise<boolean> {
    return (await this.#tools.engine.measure(upload.id)).storedBytes === upload.offset
  }

  /** Its bytes are gone. The record of a finished upload stays as it is: an operator may have moved the file. */
  async #lost(upload: StoredUpload): Promise<void> {
    this.#tools.log.error({ id: upload.id, offset: upload.offset }, 'the file of an upload is gone')
    if (upload.sha256 === null) return this.remove(upload, 'terminated', 'its file is gone')
    upload.markGone()
    this.#uploads.drop(upload.id)
  }

  /**
   * Falls back to what is proven of a file that was changed under an upload. Where the file still has as many
   * bytes as count, what is beyond them is cut off, and they are read again and held against the rolling digest.
   */
  async #fallBack(upload: StoredUpload, storedBytes: number, isOther: boolean): Promise<void> {
    const { engine, log } = this.#tools
    const { id, offset } = upload
    if (upload.digestLive) await this.#markNow(upload)
    const isMarked = upload.checkpoints.at(-1)?.offset === offset
    const goodBytes =
      storedBytes >= offset && (isMarked || !isOther)
        ? offset
        : offsetAfterCrash({
            ...upload,
            sha256: null,
            sameBoot: false,
            storedBytes,
            isFinal: upload.kind === 'final',
          })
    log.error(
      { id, offset, storedBytes, goodBytes },
      'the file of an upload is not as it was left; it falls back',
    )
    upload.setDamaged(goodBytes)
    upload.proof.hasFailed = false
    await Promise.allSettled([upload.proof.running])
    // It may be a file that is not at that path any more.
    await engine.forget(id)
    await this.cutDamaged(upload)
  }

  /** A checkpoint where the rolling digest stands now. */
  async #markNow(upload: StoredUpload): Promise<void> {
    const { sha256 } = await this.#tools.engine.append(upload.id, {
      ...{ position: upload.offset, blocks: [], digest: 'prefix', algorithms: [] },
      ...{ isChecked: false, begins: false, ends: false, closes: false },
    })
    if (sha256 !== null) upload.mark(upload.offset, sha256)
  }

  /** Falls back to the last good checkpoint where the prefix was found damaged. */
  async cutDamaged(upload: StoredUpload): Promise<void> {
    const good = upload.damagedAfter
    if (good === null) return
    await this.#tools.engine.truncate(upload.id, good)
    await this.#tools.engine.forget(upload.id)
    upload.fallBack(good)
    upload.forgetTypeBelow(this.#tools.sniffBytes)
    await this.#saver.save(upload)
    this.#tools.announce(upload, 'progress')
  }

  /** Removes an upload whose type may not come in; its record says why. */
  async refuse(upload: StoredUpload, error: UploadError): Promise<void> {
    await this.remove(upload, 'refused', error.detail ?? error.message)
  }

  /**
   * Removes an upload's files, its digest and its progress; the record stays and says why. `mustLast` flushes the
   * removal, unless durability is `off`: what expired and comes back after a power cut expires again.
   */
  async remove(
    upload: StoredUpload,
    state: RecordEnd['state'],
    reason: string,
    mustLast = state !== 'expired',
    joinedInto?: string,
  ): Promise<void> {
    await this.#removeAll([upload], () => ({ state, reason, joinedInto }), mustLast)
  }

  /** Removes uploads whose time is over, all at once. Rejects with the disk's error: then some may be left. */
  async expireAll(uploads: readonly StoredUpload[]): Promise<void> {
    await this.#removeAll(uploads, whyOver, false)
  }

  async #removeAll(
    uploads: readonly StoredUpload[],
    whyOf: (upload: StoredUpload) => RecordEnd,
    mustLast: boolean,
  ): Promise<void> {
    for (const upload of uploads) upload.markGone()
    await Promise.allSettled(uploads.flatMap(({ saves, proof }) => [lastSaved(saves), proof.running]))
    const ids = uploads.map(({ id }) => id)
    await this.#tools.hooks?.beforeFilesGo(ids)
    const durable = this.#tools.durability !== 'off' && mustLast
    let removed: Promise<void> | undefined
    const remove = (): Promise<void> => {
      removed ??= this.#tools.engine.remove(ids, { durable })
      return removed
    }
    await Promise.all(ids.map((id) => this.#uploads.leave(id, remove)))
    for (const upload of uploads) {
      const end = whyOf(upload)
      // That its client terminated it was announced then; now its bytes are gone too.
      this.#tools.announce(upload, upload.terminatedAt === null ? end.state : 'restated', end)
    }
  }

  /**
   * Removes an upload whose creation ended without an answer: its client never learns the address, and creates
   * another.
   */
  async abandon(upload: StoredUpload): Promise<void> {
    await this.remove(upload, 'terminated', 'its creation was cut before the answer')
  }

  /** Does what is due with one upload that is not joined from others, for the start and the sweep. */
  async handleDue(upload: StoredUpload): Promise<DueOutcome> {
    const next = nextStep(upload, this.#tools.now(), this.#tools)
    if (next === 'finish') return this.#finishWhole(upload)
    if (next === 'expire') {
      await this.expire(upload)
      return 'expired'
    }
    this.#tools.announce(upload, 'restated')
    return next === 'keep' ? 'kept' : 'waiting'
  }

  /** Removes an upload whose time is over. */
  expire(upload: StoredUpload): Promise<void> {
    return this.expireAll([upload])
  }

  async #finishWhole(upload: StoredUpload): Promise<DueOutcome> {
    try {
      await this.finish(upload)
      return 'finished'
    } catch (error) {
      if (isRefusal(error)) return 'refused'
      throw error
    }
  }
}

/** The record of an upload whose time is over. */
function whyOver({ joinedAt, terminatedAt }: StoredUpload): RecordEnd {
  if (terminatedAt !== null) return { state: 'terminated', reason: TERMINATED }
  const reason = joinedAt === null ? 'no bytes for longer than --expire-after' : 'joined into a final upload'
  return { state: 'expired', reason }
}
