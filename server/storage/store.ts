import { FileStore } from '@tus/file-store'
import { type ErrorCode, UploadError } from '../errors.js'
import { diskError } from './disk-error.js'
import { Lifecycle, type Tended } from './lifecycle.js'
import { pathsOf } from './paths.js'
import { Prover } from './prover.js'
import { Receiver } from './receiver.js'
import { Saver } from './saver.js'
import { nextStep } from './settle.js'
import { formatSidecar } from './sidecar.js'
import type { StorageTools } from './tools.js'
import type { BodyEnd, Creation, Turn } from './turn.js'
import { storedHead } from './type.js'
import { StoredUpload } from './upload.js'
import { Uploads } from './uploads.js'

type TusUpload = Parameters<FileStore['create']>[0]

const EXTENSIONS = ['creation', 'creation-with-upload', 'creation-defer-length', 'termination', 'expiration']

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
  readonly #lifecycle: Lifecycle

  /** `turnOf` gives the request that holds the lock of an upload. The data folder must exist. */
  constructor(tools: StorageTools, turnOf: (id: string) => Turn) {
    super({ directory: tools.dataDir })
    this.extensions = EXTENSIONS
    this.#tools = tools
    this.#turnOf = turnOf
    this.uploads = new Uploads(tools)
    this.#saver = new Saver(tools)
    this.#prover = new Prover(tools)
    this.#lifecycle = new Lifecycle(tools, {
      uploads: this.uploads,
      saver: this.#saver,
      prover: this.#prover,
    })
  }

  /** Creates an upload's two files; an id that exists is never emptied. Rejects with disk_full or internal. */
  override async create(file: TusUpload): Promise<TusUpload> {
    const turn = this.#turnOf(file.id)
    if (!turn.creation) throw new UploadError('internal', { detail: 'a creation without its facts' })
    if (await this.#tools.disk.isFull()) throw new UploadError('disk_full')
    const upload = this.#newUpload(file, turn.creation)
    try {
      await this.#tools.thread.create({
        path: upload.paths.file,
        sidecarPath: upload.paths.sidecar,
        sidecarText: formatSidecar(upload.toSidecar(this.#tools.now(), this.#tools.bootId)),
        // A creation that a crash of the machine takes back has no bytes to lose: only `request` waits for it.
        durable: this.#tools.durability === 'request',
      })
    } catch (error) {
      throw diskError(error)
    }
    this.uploads.add(upload)
    turn.found(upload)
    if (upload.length === 0) await this.#orUndo(upload, () => this.#lifecycle.finish(upload))
    else this.#tools.record(upload.toRow(this.#tools.now()))
    return file
  }

  /** What is stored of an upload. Rejects with upload_unknown, upload_expired, and what finishing rejects with. */
  override async getUpload(id: string): Promise<TusUpload> {
    const upload = await this.#found(id)
    await this.#lifecycle.mend(upload)
    const next = nextStep(upload, this.#tools.now(), this.#tools.expireAfterMs)
    if (next === 'expire') throw new UploadError('upload_expired')
    if (next === 'finish') await this.#finishOrFallBack(upload)
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
    const upload = await this.#found(id)
    const turn = this.#turnOf(id)
    const receive = () => (upload.sha256 === null ? this.#receive(upload, turn) : takeNothing(turn))
    try {
      await (turn.creation ? this.#orUndo(upload, receive) : receive())
    } catch (error) {
      throw diskError(error)
    }
    return upload.offset
  }

  /** Removes an upload at a client's wish. Rejects with upload_unknown. */
  override async remove(id: string): Promise<void> {
    const upload = await this.#found(id)
    await this.#lifecycle.remove(upload, 'terminated', 'terminated by the client')
  }

  /** Does what is due with one upload, for the start and the sweep; the caller holds its lock. */
  tend(id: string): Promise<Tended> {
    return this.#lifecycle.tend(id)
  }

  async #found(id: string): Promise<StoredUpload> {
    const upload = await this.uploads.load(id)
    if (!upload) throw new UploadError('upload_unknown')
    this.#turnOf(id).found(upload)
    return upload
  }

  /** Finishes an upload that a crash left whole; where its prefix proves damaged, its offset has fallen back. */
  async #finishOrFallBack(upload: StoredUpload): Promise<void> {
    try {
      await this.#lifecycle.finish(upload)
    } catch (error) {
      if (!(error instanceof UploadError) || error.code !== 'offset_conflict') throw error
    }
  }

  #newUpload(file: TusUpload, creation: Creation): StoredUpload {
    const now = this.#tools.now()
    const { id, size } = file
    const fresh = { type: null, offset: 0, checkpoints: [], sha256: null, finishedAt: null }
    const facts = { id, length: size ?? null, createdAt: new Date(now).toISOString(), touchedAtMs: now }
    const { bootId, dataDir } = this.#tools
    return new StoredUpload({ ...facts, ...creation, ...fresh, bootId }, pathsOf(dataDir, id))
  }

  /** The client of a creation that fails never learns the address: nothing of it may stay. */
  async #orUndo(upload: StoredUpload, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!upload.gone) await this.#lifecycle.remove(upload, 'terminated', 'the creation failed')
      throw error
    }
  }

  async #receive(upload: StoredUpload, turn: Turn): Promise<void> {
    if (await this.#tools.disk.isFull()) throw new UploadError('disk_full')
    const declared = await this.#declare(upload, turn)
    const before = upload.offset
    const end = await this.#drain(upload, turn)
    // A body that runs over the length it came with takes that length back.
    if (declared && end === 'overrun') upload.length = null
    const unbounded = !declared && end === 'overrun' && upload.length === null
    if (upload.damagedAfter !== null) {
      await this.#lifecycle.mend(upload)
      throw new UploadError('offset_conflict', { detail: 'damaged prefix' })
    }
    const next = nextStep(upload, this.#tools.now(), this.#tools.expireAfterMs)
    if (next === 'finish' && end !== 'overrun') await this.#lifecycle.finish(upload)
    else await this.#rest(upload, end, upload.offset > before)
    const code = unbounded ? 'size_exceeded' : ENDS[end]
    if (code && upload.sha256 === null) throw new UploadError(code)
  }

  async #declare(upload: StoredUpload, turn: Turn): Promise<boolean> {
    const declared = turn.declaredLength !== null && upload.length === null
    if (declared) upload.length = turn.declaredLength
    // Bytes of this boot count only under a sidecar of this boot.
    if (declared || upload.savedInBoot !== this.#tools.bootId) await this.#saver.save(upload)
    return declared
  }

  async #drain(upload: StoredUpload, turn: Turn): Promise<BodyEnd> {
    const undecided = upload.type === null
    const head = undecided ? await storedHead(upload, this.#tools.sniffBytes) : new Uint8Array(0)
    const parts = { tools: this.#tools, saver: this.#saver, prover: this.#prover }
    const receiver = new Receiver(upload, head, parts)
    upload.body = turn.body
    try {
      if (!turn.body) await receiver.write([], true)
      const room = (upload.length ?? this.#tools.maxSizeBytes) - upload.offset
      const end = turn.body ? await turn.body.drain(receiver, room) : 'complete'
      turn.ended(end)
      return end
    } catch (error) {
      if (error instanceof UploadError && error.code === 'type_refused')
        await this.#lifecycle.refuse(upload, error)
      throw error
    } finally {
      upload.body = null
    }
  }

  /** The end of a request that did not finish its upload. */
  async #rest(upload: StoredUpload, end: BodyEnd, grew: boolean): Promise<void> {
    upload.body = null
    const changed = grew || end === 'overrun'
    const mustLast = end === 'overrun' || this.#tools.durability === 'request'
    if (changed && mustLast) await this.#saver.save(upload)
    else if (changed) this.#saver.saveLater(upload)
    this.#tools.record(upload.toRow(this.#tools.now()))
  }
}

/** A finished upload takes no byte: a body that has one runs over. */
async function takeNothing(turn: Turn): Promise<void> {
  const end = await turn.body?.drain({ wantsFirstBytes: 0, write: async () => {} }, 0)
  if (end === 'overrun') throw new UploadError('length_exceeded')
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
function tusUpload({ id, offset, length }: StoredUpload): TusUpload {
  return {
    ...{ id, offset, size: length ?? undefined, sizeIsDeferred: length === null },
    ...{ metadata: undefined, storage: undefined, creation_date: undefined },
  }
}
