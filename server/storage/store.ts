import { FileStore } from '@tus/file-store'
import { type ErrorCode, UploadError } from '../errors.js'
import { Finisher } from './finisher.js'
import { pathsOf } from './paths.js'
import { Prover } from './prover.js'
import { Receiver } from './receiver.js'
import { Saver } from './saver.js'
import { nextStep } from './settle.js'
import { formatSidecar } from './sidecar.js'
import type { StorageTools } from './tools.js'
import type { BodyEnd, Turn } from './turn.js'
import { storedHead } from './type.js'
import { StoredUpload } from './upload.js'
import { Uploads } from './uploads.js'

type Upload = Parameters<FileStore['create']>[0]

/**
 * The FileStore that keeps an upload as two files in a folder of its day. @tus/server calls it under the
 * upload's lock; the request that holds the lock brings its body as a Turn, so that bytes reach the disk
 * without passing through streams.
 */
export class LadingStore extends FileStore {
  readonly uploads: Uploads
  readonly #tools: StorageTools
  readonly #turnOf: (id: string) => Turn
  readonly #saver: Saver
  readonly #prover: Prover
  readonly #finisher: Finisher

  /** `turnOf` gives the request that holds the lock of an upload. The data folder must exist. */
  constructor(tools: StorageTools, turnOf: (id: string) => Turn) {
    super({ directory: tools.dataDir })
    this.extensions = [
      'creation',
      'creation-with-upload',
      'creation-defer-length',
      'termination',
      'expiration',
    ]
    this.#tools = tools
    this.#turnOf = turnOf
    this.uploads = new Uploads(tools)
    this.#saver = new Saver(tools)
    this.#prover = new Prover(tools)
    this.#finisher = new Finisher(tools, this.#saver, this.#prover)
  }

  /** Creates an upload's two files; an id that exists is never emptied. Rejects with disk_full. */
  override async create(file: Upload): Promise<Upload> {
    const turn = this.#turnOf(file.id)
    if (!turn.creation) throw new UploadError('internal', { detail: 'a creation without its facts' })
    if (await this.#tools.disk.isFull()) throw new UploadError('disk_full')
    const upload = this.#newUpload(file, turn.creation)
    try {
      await this.#tools.thread.create({
        path: upload.paths.file,
        sidecarPath: upload.paths.sidecar,
        sidecarText: formatSidecar(upload.toSidecar(this.#tools.now(), this.#tools.bootId)),
        durable: this.#tools.durability !== 'off',
      })
    } catch (error) {
      throw diskError(error)
    }
    this.uploads.add(upload)
    turn.found(upload)
    if (upload.length === 0) await this.#settleOrRemove(upload)
    else this.#tools.record(upload.toRow(this.#tools.now()))
    return file
  }

  /** What is stored of an upload. Rejects with upload_unknown and upload_expired. */
  override async getUpload(id: string): Promise<Upload> {
    const upload = await this.#found(id)
    this.#turnOf(id).found(upload)
    await this.#mend(upload)
    const next = nextStep(upload, this.#tools.now(), this.#tools.expireAfterMs)
    if (next === 'expire') throw new UploadError('upload_expired')
    if (next === 'finish') await this.#settleOrRemove(upload)
    return tusUpload(upload)
  }

  /** Notes a deferred length; it counts once the body that came with it is taken up. */
  override async declareUploadLength(id: string, length: number): Promise<void> {
    this.#turnOf(id).declaredLength = length
  }

  /**
   * Takes the body of the request that holds the lock and resolves with the new offset. Rejects with
   * length_exceeded, type_refused, disk_full, upload_taken_over, shutting_down, offset_conflict or internal.
   */
  override async write(passed: AsyncIterable<unknown>, id: string): Promise<number> {
    // Nothing comes this way: the body is in the turn. Reading to its end lets the pipeline end.
    for await (const _ of passed) throw new UploadError('internal', { detail: 'bytes beside the turn' })
    const turn = this.#turnOf(id)
    const upload = await this.#found(id)
    turn.found(upload)
    if (upload.sha256 !== null) return upload.offset
    try {
      await this.#prepare(upload, turn)
      await this.#receive(upload, turn)
      return upload.offset
    } catch (error) {
      // The client of a failed creation never learns the address: nothing of it may stay.
      if (turn.creation && this.uploads.peek(id)) await this.#remove(upload, 'terminated', 'creation failed')
      throw error instanceof UploadError ? error : diskError(error)
    }
  }

  /** Removes an upload at a client's wish. Rejects with upload_unknown. */
  override async remove(id: string): Promise<void> {
    const upload = await this.#found(id)
    this.#turnOf(id).found(upload)
    await this.#remove(upload, 'terminated', 'terminated by the client')
  }

  /** What the sweep and the start do with one upload, under its lock; resolves with what was done. */
  async tend(id: string): Promise<'kept' | 'waiting' | 'finished' | 'expired' | 'refused' | 'lost'> {
    const upload = await this.uploads.load(id)
    if (!upload) return 'lost'
    const now = this.#tools.now()
    const next = nextStep(upload, now, this.#tools.expireAfterMs)
    if (next === 'finish') {
      const finished = await this.#settleOrRemove(upload).then(() => true, whenRefused)
      return finished ? 'finished' : 'refused'
    }
    if (next === 'expire') {
      await this.#remove(upload, 'expired', 'no bytes for longer than --expire-after')
      return 'expired'
    }
    this.#tools.record(upload.toRow(upload.touchedAtMs))
    return next === 'keep' ? 'kept' : 'waiting'
  }

  /** Resolves when no sidecar is being written and no prefix read any more. */
  settled(): Promise<void> {
    return this.uploads.settled()
  }

  async #found(id: string): Promise<StoredUpload> {
    const upload = await this.uploads.load(id)
    if (!upload) throw new UploadError('upload_unknown')
    return upload
  }

  #newUpload(file: Upload, creation: NonNullable<Turn['creation']>): StoredUpload {
    const now = this.#tools.now()
    const { id, size } = file
    const fresh = { type: null, offset: 0, checkpoints: [], sha256: null, finishedAt: null }
    const facts = { id, length: size ?? null, createdAt: new Date(now).toISOString(), touchedAtMs: now }
    const { bootId, dataDir } = this.#tools
    return new StoredUpload({ ...facts, ...creation, ...fresh, bootId }, pathsOf(dataDir, id))
  }

  /** Falls back to the last good checkpoint where the prefix was found damaged. */
  async #mend(upload: StoredUpload): Promise<void> {
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

  async #prepare(upload: StoredUpload, turn: Turn): Promise<void> {
    if (await this.#tools.disk.isFull()) throw new UploadError('disk_full')
    const newLength = turn.declaredLength !== null && upload.length === null
    if (newLength) upload.length = turn.declaredLength
    if (newLength || upload.savedInBoot !== this.#tools.bootId) await this.#saver.save(upload)
  }

  async #receive(upload: StoredUpload, turn: Turn): Promise<void> {
    const before = upload.offset
    let end: BodyEnd
    try {
      end = await this.#drain(upload, turn)
    } catch (error) {
      if (!(error instanceof UploadError) || error.code !== 'type_refused') throw error
      await this.#remove(upload, 'refused', reasonOf(error))
      throw error
    }
    if (upload.damagedAfter !== null) {
      await this.#mend(upload)
      throw new UploadError('offset_conflict', { detail: 'damaged prefix' })
    }
    await this.#afterBody(upload, end, upload.offset > before)
  }

  async #drain(upload: StoredUpload, turn: Turn): Promise<BodyEnd> {
    const undecided = upload.type === null
    const head = undecided ? await storedHead(upload, this.#tools.sniffBytes) : new Uint8Array(0)
    const parts = { tools: this.#tools, saver: this.#saver, prover: this.#prover }
    const receiver = new Receiver(upload, head, parts)
    if (!turn.body) {
      await receiver.write([], true)
      return 'complete'
    }
    const room = (upload.length ?? this.#tools.maxSizeBytes) - upload.offset
    upload.body = turn.body
    try {
      const end = await turn.body.drain(receiver, room)
      turn.ended(end)
      return end
    } finally {
      upload.body = null
    }
  }

  async #afterBody(upload: StoredUpload, end: BodyEnd, grew: boolean): Promise<void> {
    const next = nextStep(upload, this.#tools.now(), this.#tools.expireAfterMs)
    if (next === 'finish' && end !== 'overrun') return this.#settleOrRemove(upload)
    if (grew && this.#tools.durability === 'request') await this.#saver.save(upload)
    else if (grew) this.#saver.saveLater(upload)
    this.#tools.record(upload.toRow(this.#tools.now()))
    const code = ENDS[end]
    if (code) throw new UploadError(code)
  }

  async #settleOrRemove(upload: StoredUpload): Promise<void> {
    try {
      await this.#finisher.finish(upload)
    } catch (error) {
      if (!(error instanceof UploadError)) throw diskError(error)
      if (error.code === 'type_refused') await this.#remove(upload, 'refused', reasonOf(error))
      if (error.code === 'offset_conflict') await this.#mend(upload)
      throw error
    }
  }

  async #remove(upload: StoredUpload, state: 'refused' | 'expired' | 'terminated', reason: string) {
    upload.gone = true
    await Promise.allSettled([upload.saving, upload.proof])
    await this.#tools.thread.forget(upload.id)
    await this.#tools.thread.remove([upload.paths.file, upload.paths.sidecar])
    this.uploads.drop(upload.id)
    this.#tools.record(upload.toRow(this.#tools.now(), { state, reason }))
  }
}

/** What the sender of a body that did not simply end is told. */
const ENDS = {
  complete: undefined,
  // The connection is gone, or is about to be: the answer reaches nobody.
  cut: undefined,
  idle: undefined,
  slow: undefined,
  overrun: 'length_exceeded',
  taken_over: 'upload_taken_over',
  shutting_down: 'shutting_down',
  disk_full: 'disk_full',
  damaged: 'offset_conflict',
} as const satisfies Record<BodyEnd, ErrorCode | undefined>

/** An upload in the form @tus/server asks for; a deferred length is no size. */
function tusUpload({ id, offset, length }: StoredUpload): Upload {
  return {
    ...{ id, offset, size: length ?? undefined, sizeIsDeferred: length === null },
    ...{ metadata: undefined, storage: undefined, creation_date: undefined },
  }
}

function reasonOf(error: UploadError): string {
  return /\((.*)\)$/.exec(error.message)?.[1] ?? error.message
}

function whenRefused(error: unknown): false {
  if (error instanceof UploadError && error.code === 'type_refused') return false
  throw error
}

/** The system's error as the client is told it, with the system's as its cause. */
function diskError(error: unknown): UploadError {
  const text = error instanceof Error ? error.message : String(error)
  return new UploadError(/\b(ENOSPC|EDQUOT)\b/.test(text) ? 'disk_full' : 'internal', { cause: error })
}
