import { asUploadError, type ErrorCode, UploadError } from '../errors.js'
import { type BodyEnd, isUnanswered } from '../model/body.js'
import type { Engine } from '../model/engine.js'
import { isBytesFault } from '../model/engine-error.js'
import { mostBytesOf } from '../model/grant.js'
import { isWhole, nextStep, type Terms } from '../model/next-step.js'
import { isRefusal } from '../model/refusal.js'
import type { UploadRequest } from '../model/request.js'
import type { Lifecycle } from './lifecycle.js'
import type { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import { storedHead } from './type.js'
import type { StoredUpload } from './upload.js'
import { UploadSink, type UploadSinkParts } from './upload-sink.js'

interface ReceiverParts {
  readonly tools: UploadSinkParts['tools'] &
    Pick<StorageTools, 'durability' | 'hooks' | 'maxSizeBytes' | 'log'> &
    Terms & { readonly engine: Pick<Engine, 'open' | 'close' | 'read'> }
  readonly saver: UploadSinkParts['saver'] & Pick<Saver, 'flushLater'>
  readonly prover: UploadSinkParts['prover']
  readonly lifecycle: Pick<Lifecycle, 'abandon' | 'cutDamaged' | 'evict' | 'finish' | 'recover' | 'refuse'>
}

/**
 * After a request its checkpoint is saved so much later, in milliseconds: a client that sends one small request behind
 * the other gets one for many of them, and no request waits for that of the request before.
 */
const REST_MS = 200

/** Takes one request's body into an upload, from its first byte to what its end means for the upload. */
export class Receiver {
  readonly #parts: ReceiverParts
  readonly #tools: ReceiverParts['tools']
  readonly #saver: ReceiverParts['saver']
  readonly #lifecycle: ReceiverParts['lifecycle']

  constructor(parts: ReceiverParts) {
    this.#parts = parts
    this.#tools = parts.tools
    this.#saver = parts.saver
    this.#lifecycle = parts.lifecycle
  }

  /**
   * Receives the body of a request; the caller holds the upload's lock. Rejects with length_exceeded,
   * size_exceeded, type_refused, checksum_mismatch, checksum_invalid, disk_full, files_exhausted,
   * upload_taken_over, shutting_down, offset_conflict, upload_unknown where its file is gone, or internal.
   */
  async receive(upload: StoredUpload, request: UploadRequest): Promise<void> {
    if (await this.#tools.engine.isFull(announcedBytes(upload, request))) throw new UploadError('disk_full')
    const before = upload.offset
    const { hooks } = this.#tools
    if (makesWhole(upload, request)) hooks?.expectFinish(upload)
    try {
      const { end, declared } = await this.#takeIn(upload, request)
      if (request.creation && isUnanswered(end)) return await this.#lifecycle.abandon(upload)
      const isOverrun = end === 'overrun'
      if (declared && isOverrun) this.#takeLengthBack(upload)
      const unbounded = !declared && isOverrun && upload.length === null
      if (upload.damagedAfter !== null) {
        await this.#lifecycle.cutDamaged(upload)
        throw new UploadError('offset_conflict', { detail: 'damaged prefix' })
      }
      const next = nextStep(upload, this.#tools.now(), this.#tools)
      // A creation that runs over is undone: its client never learns the address.
      if (next === 'finish' && !(isOverrun && request.creation)) await this.#lifecycle.finish(upload)
      else await this.#rest(upload, end, upload.offset > before)
      const code = unbounded ? 'size_exceeded' : ENDS[end]
      // An upload that its body made whole is finished, and HEAD says so. A client that sent more than it had
      // declared gets an error all the same.
      if (code && (isOverrun || upload.sha256 === null)) throw new UploadError(code)
    } finally {
      hooks?.bodyEnded(upload)
      await this.#close(upload)
    }
  }

  /** The body's bytes, from the opening of the file on. A file that is not as it was left makes the upload fall back. */
  async #takeIn(upload: StoredUpload, request: UploadRequest): Promise<{ end: BodyEnd; declared: boolean }> {
    try {
      await this.#open(upload, request)
      const head = await this.#head(upload, request)
      const declared = await this.#declare(upload, request)
      return { end: await this.#drainOrTakeBack(upload, request, { head, declared }), declared }
    } catch (thrown) {
      const error = asUploadError(thrown)
      await this.#lifecycle.recover(upload, error)
      throw error
    }
  }

  /** The file of a creation was made a moment ago; the first bytes of its body open it, and its client may come again. */
  async #open(upload: StoredUpload, { creation, body }: UploadRequest): Promise<void> {
    if (creation) return
    await this.#tools.engine.open(upload.id, upload.offset, () => body?.isStopped ?? false)
  }

  /** The upload's first bytes, where its type is not decided and some are stored. */
  async #head(upload: StoredUpload, { body }: UploadRequest): Promise<Uint8Array> {
    if (!upload.isTypeDue) return new Uint8Array()
    return storedHead(upload, this.#tools, () => body?.isStopped ?? false)
  }

  async #close(upload: StoredUpload): Promise<void> {
    await this.#tools.engine.close(upload.id).catch((error: unknown) => {
      this.#tools.log.error({ err: error, id: upload.id }, 'the file of an upload could not be closed')
    })
  }

  /**
   * A body that runs over the length it came with takes that length back; its bytes stay. The type was decided by
   * what looked like a whole file: with few bytes it is decided again.
   */
  #takeLengthBack(upload: StoredUpload): void {
    upload.setLength(null)
    upload.forgetTypeBelow(this.#tools.sniffBytes)
  }

  /** Notes on the disk what must be there before the first byte; true where the body came with a length. */
  async #declare(upload: StoredUpload, request: UploadRequest): Promise<boolean> {
    const declared = request.declaredLength !== null && upload.length === null
    if (declared) upload.setLength(request.declaredLength)
    upload.setVerifiedTo(request.checksum ? upload.offset : null)
    // Bytes of this boot count only under a sidecar of this boot.
    if (declared || !upload.saves.isCurrent) await this.#saver.save(upload)
    else if (upload.verifiedTo !== upload.saves.verifiedTo) await this.#saver.note(upload)
    return declared
  }

  /** If the body is rejected, forget the Upload-Length that came with it: the client will send both again. */
  async #drainOrTakeBack(
    upload: StoredUpload,
    request: UploadRequest,
    { head, declared }: { head: Uint8Array; declared: boolean },
  ): Promise<BodyEnd> {
    try {
      return await this.#drain(upload, request, head)
    } catch (error) {
      const code = error instanceof UploadError ? error.code : undefined
      if (declared && (code === 'checksum_mismatch' || code === 'checksum_invalid')) {
        upload.setLength(null)
        await this.#saver.save(upload)
        this.#tools.announce(upload, 'progress')
      }
      throw error
    }
  }

  async #drain(upload: StoredUpload, request: UploadRequest, head: Uint8Array): Promise<BodyEnd> {
    const checksums = request.checksum?.algorithms ?? []
    const { trailing } = request
    const sink = new UploadSink(upload, { head, checksums, trailing }, this.#parts)
    upload.receive(request.body)
    try {
      if (!request.body) await sink.write([], true)
      const room = (upload.length ?? mostBytesOf(upload, this.#tools.maxSizeBytes)) - upload.offset
      const end = request.body ? await request.body.drain(sink, room) : 'complete'
      request.bodyEnd = end
      if (!request.checksum && !sink.isHeld) return end
      // A checksum is that of the whole body: what was cut or ran over cannot be verified.
      if (end === 'complete') await sink.verify((request.checksum ?? trailing)?.sent() ?? null)
      else await this.#takeBack(upload, sink)
      return end
    } catch (error) {
      const isMismatch = error instanceof UploadError && error.code === 'checksum_mismatch'
      if (isRefusal(error)) await this.#lifecycle.refuse(upload, error)
      else if ((request.checksum || sink.isHeld) && !isMismatch) await this.#takeBack(upload, sink)
      throw error
    } finally {
      upload.receive(null)
    }
  }

  /** A whole upload takes no byte: a body that has one runs over. Rejects with length_exceeded or checksum_mismatch. */
  async takeNothing(upload: StoredUpload, request: UploadRequest): Promise<void> {
    const end = await request.body?.drain(TAKES_NOTHING, 0)
    if (end) request.bodyEnd = end
    if (end === 'overrun') throw new UploadError('length_exceeded')
    if (request.creation && end && isUnanswered(end)) return this.#lifecycle.abandon(upload)
    const isWholeBody = end === undefined || end === 'complete'
    const checksum = request.checksum ?? (request.trailing?.hasCome() ? request.trailing : null)
    if (isWholeBody && checksum?.isOfNothing() === false) throw new UploadError('checksum_mismatch')
    // A creation of no bytes whose body is over now.
    if (upload.kind === 'single' && upload.sha256 === null) await this.#lifecycle.finish(upload)
  }

  /** Rolls a body back. Where that fails the upload leaves memory: the next request loads what is stored. */
  async #takeBack(upload: StoredUpload, sink: UploadSink): Promise<void> {
    try {
      await sink.rollBack()
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (isBytesFault(error)) throw error
      this.#tools.log.error({ err: error, id: upload.id }, 'bytes that do not count could not be cut off')
      this.#lifecycle.evict(upload)
    }
  }

  /** The end of a request that did not finish its upload. */
  async #rest(upload: StoredUpload, end: BodyEnd, grew: boolean): Promise<void> {
    const changed = grew || end === 'overrun'
    // A part that has all its bytes is as good as finished: nothing but its joining comes after this answer.
    const mustLast = end === 'overrun' || this.#tools.durability === 'request' || isWhole(upload)
    if (changed && mustLast) await this.#saver.save(upload)
    else if (changed && upload.verifiedTo !== upload.saves.verifiedTo) {
      // What was verified counts after a crash only once the sidecar says so.
      await this.#saver.note(upload)
      this.#saver.flushLater(upload)
    } else if (changed) this.#saver.saveLater(upload, REST_MS)
    this.#tools.announce(upload, 'progress')
  }
}

/** Tells whether a body says that it has all bytes that are missing. */
function makesWhole({ length, offset }: StoredUpload, { headers, declaredLength }: UploadRequest): boolean {
  return offset + Number(headers['content-length']) === (length ?? declaredLength)
}

/** Bytes that an upload will have more than was known when it was created: of a length that comes with its body. */
function announcedBytes(upload: StoredUpload, { declaredLength }: UploadRequest): number {
  return upload.length === null && declaredLength !== null ? declaredLength - upload.offset : 0
}

/** Of a body for which there is no room. */
const TAKES_NOTHING = { wantsFirstBytes: 0, takesLastAtOnce: true, write: async () => {} }

/** The error that answers a body by how it ended. */
const ENDS = {
  complete: undefined,
  cut: undefined,
  idle: undefined,
  slow: undefined,
  overrun: 'length_exceeded',
  taken_over: 'upload_taken_over',
  shutting_down: 'shutting_down',
  disk_full: 'disk_full',
  damaged: 'offset_conflict',
  stopped: 'upload_stopped',
} as const satisfies Record<BodyEnd, ErrorCode | undefined>
