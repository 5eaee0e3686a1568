import { FileStore } from '@tus/file-store'
import { asUploadError, UploadError } from '../errors.js'
import { mostBytesOf } from '../model/grant.js'
import { firstByteWithinMs, isWhole, nextStep } from '../model/next-step.js'
import { grantTermsOf, ownerOf, type Principal } from '../model/principal.js'
import type { UploadRequest } from '../model/request.js'
import { EXTENSIONS } from './extensions.js'
import { Joiner } from './joining/joiner.js'
import { type DueOutcome, Lifecycle } from './lifecycle.js'
import { loadUpload } from './load-upload.js'
import { newFinal, newUpload, type TusUpload, tusUpload } from './new-upload.js'
import { Prover } from './prover.js'
import { Receiver } from './receiver.js'
import { Removals } from './removals.js'
import { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import { Uploads } from './uploads.js'
import { withGrant } from './with-grant.js'

/**
 * The FileStore through which @tus/server reaches uploads. The engine stores their bytes. @tus/server calls it under the
 * upload's lock; the request that holds the lock brings its body, so that bytes reach the disk
 * without passing through streams.
 */
export class LadingStore extends FileStore {
  readonly uploads: Uploads
  readonly removals: Removals
  readonly #tools: StorageTools
  readonly #requestOf: (id: string) => UploadRequest
  readonly #lifecycle: Lifecycle
  readonly #receiver: Receiver
  readonly #joiner: Joiner

  /** `requestOf` gives the request that holds the lock of an upload. The data folder must exist. */
  constructor(tools: StorageTools, requestOf: (id: string) => UploadRequest) {
    // FileStore asks for a folder. Nothing here uses it: every method that @tus/server calls is overridden.
    super({ directory: '.' })
    this.extensions = EXTENSIONS
    this.#tools = tools
    this.#requestOf = requestOf
    const uploads = new Uploads(tools)
    const saver = new Saver(tools)
    const prover = new Prover(tools)
    const lifecycle = new Lifecycle(tools, { uploads, saver, prover })
    this.uploads = uploads
    this.#lifecycle = lifecycle
    this.#receiver = new Receiver({ tools, saver, prover, lifecycle })
    this.#joiner = new Joiner({ tools, uploads, saver, prover, lifecycle })
    this.removals = new Removals({ tools, uploads, lifecycle, joiner: this.#joiner })
  }

  /**
   * Creates an upload's two files; an id that exists is never emptied. Rejects with disk_full,
   * unfinished_full or internal, and for a final upload as Joiner's `create` does.
   */
  override async create(file: TusUpload): Promise<TusUpload> {
    const request = this.#requestOf(file.id)
    // Not within: the use of the upload that has this id would be given back.
    if (request.isIdChosen && (await this.#tools.engine.has(file.id))) throw new UploadError('upload_exists')
    return withGrant(request, file.size ?? 0, this.#tools, () => this.#create(file))
  }

  async #create(file: TusUpload): Promise<TusUpload> {
    const request = this.#requestOf(file.id)
    if (!request.creation) throw new UploadError('internal', { detail: 'a creation without its facts' })
    if (await this.#tools.engine.isFull(file.size ?? 0, 1)) throw new UploadError('disk_full')
    const { metadata, concat } = request.creation
    if (concat?.parts) {
      const wanted = {
        id: file.id,
        parts: concat.parts,
        metadata,
        client: concat.client,
        owner: ownerOf(request.principal),
        grant: grantTermsOf(request.principal),
        principal: request.principal,
      }
      request.upload = await this.#joiner.create(wanted, (length) => this.#make(file.id, length, request))
      return file
    }
    const upload = await this.#make(file.id, file.size ?? null, request)
    // A body may still end in a checksum that is not that of no bytes.
    if (upload.length === 0 && upload.kind === 'single' && !request.body)
      await this.#orUndo(upload, () => this.#lifecycle.finish(upload))
    // No byte will come after which it is announced that the part is whole.
    if (upload.length === 0 && upload.kind === 'partial') this.#tools.announce(upload, 'progress')
    return file
  }

  /** Makes an upload's two files. Rejects with disk_full, unfinished_full or internal. */
  async #make(id: string, length: number | null, request: UploadRequest): Promise<StoredUpload> {
    if (!request.creation) throw new UploadError('internal', { detail: 'a creation without its facts' })
    const upload = newUpload(
      { id, length, isChecked: request.checksum !== null, principal: request.principal },
      request.creation,
      this.#tools,
    )
    this.#tools.unfinished.admit(upload.id, upload.touchedAtMs + firstByteWithinMs(this.#tools))
    try {
      await this.#tools.engine.create(upload.id, () => upload.toFacts(), {
        // A creation that a crash of the machine takes back has no bytes to lose: only `request` waits for it.
        durable: this.#tools.durability === 'request',
        final: this.#tools.engine.finals ? newFinal(upload, request.creation) : undefined,
      })
    } catch (error) {
      this.#tools.unfinished.delete(upload.id)
      throw asUploadError(error)
    }
    this.uploads.add(upload)
    request.upload = upload
    upload.setHookRequest(request.asked)
    this.#tools.announce(upload, 'created')
    return upload
  }

  /** What is stored of an upload. Rejects with upload_unknown, upload_expired, and what finishing rejects with. */
  override async getUpload(id: string): Promise<TusUpload> {
    let upload = await this.#found(id)
    // A client resumes from this offset, so it is compared with the stored bytes first.
    if (this.#requestOf(id).method === 'HEAD') upload = await this.#verified(upload)
    if (upload.kind === 'final') return this.#getFinal(upload)
    await this.#lifecycle.cutDamaged(upload)
    const next = nextStep(upload, this.#tools.now(), this.#tools)
    if (next === 'expire' && !(await this.#isNeeded(upload))) throw new UploadError('upload_expired')
    if (next === 'finish') await this.#finishOrFallBack(upload)
    // The length that is already known may come again: @tus/server takes one where none is known.
    const { method, headers } = this.#requestOf(id)
    const isSame = method === 'PATCH' && headers['upload-length'] === String(upload.length)
    return tusUpload(upload, isSame ? null : upload.length)
  }

  /** Notes a deferred length; it counts once the body that came with it is taken up. Rejects with length_exceeded. */
  override async declareUploadLength(id: string, length: number): Promise<void> {
    const request = this.#requestOf(id)
    const { offset } = await this.#found(id)
    if (offset + Number(request.headers['content-length'] ?? 0) > length)
      throw new UploadError('length_exceeded')
    if (length > mostBytesOf(await this.#found(id), this.#tools.maxSizeBytes))
      throw new UploadError('size_exceeded')
    request.declaredLength = length
  }

  /**
   * Takes the body of the request that holds the lock and resolves with the new offset. Rejects as
   * Receiver's `receive` does.
   */
  override async write(_stream: unknown, id: string): Promise<number> {
    const upload = await this.#found(id)
    const request = this.#requestOf(id)
    const wasWhole = isWhole(upload)
    const receive = () =>
      wasWhole ? this.#receiver.takeNothing(upload, request) : this.#receiver.receive(upload, request)
    try {
      await (request.creation ? this.#orUndo(upload, receive) : receive())
    } catch (error) {
      throw asUploadError(error)
    } finally {
      if (upload.kind === 'partial' && !wasWhole && (isWhole(upload) || upload.gone))
        this.#joiner.partChanged(id)
    }
    return upload.offset
  }

  /**
   * Removes an upload at a client's wish. A whole part that a final upload still needs is gone for clients,
   * and its bytes go later; one that was joined is gone already. Rejects with upload_unknown.
   */
  override async remove(id: string): Promise<void> {
    const { principal, asked } = this.#requestOf(id)
    const upload = await this.removals.known(id, principal)
    if (!upload && (await this.#joiner.hasJoined(id, principal))) return
    if (!upload) throw new UploadError('upload_unknown')
    await this.#tools.hooks?.beforeRemoval(upload, asked)
    await this.removals.terminate(upload, asked)
  }

  /** Tells whether a principal may end what runs on an upload; asked without its lock. Rejects with the disk's error. */
  mayInterrupt(id: string, principal: Principal): boolean | Promise<boolean> {
    const upload = this.uploads.peek(id)
    if (upload) return this.#tools.mayAccess(principal, upload)
    return loadUpload(this.#tools.engine, id).then((found) => {
      return found.kind !== 'upload' || this.#tools.mayAccess(principal, found.upload)
    })
  }

  /** Does what is due with one upload, for the start and the sweep; the caller holds its lock. */
  async handleDue(id: string): Promise<DueOutcome> {
    const known = this.#joiner.known(id)
    if (known) return known
    const upload = await this.uploads.load(id)
    if (!upload) return 'lost'
    if (upload.kind === 'final' && upload.sha256 === null) return this.#joiner.handleDue(upload)
    if (upload.kind !== 'partial' || nextStep(upload, this.#tools.now(), this.#tools) !== 'expire')
      return this.#lifecycle.handleDue(upload)
    return (await this.expire([upload])).length > 0 ? 'expired' : 'waiting'
  }

  /** Removes uploads whose time is over, but for parts that a final upload waits for; the caller holds their locks. */
  async expire(uploads: readonly StoredUpload[]): Promise<readonly StoredUpload[]> {
    const parts = uploads.filter(({ kind }) => kind === 'partial').map(({ id }) => id)
    const removable = this.#joiner.removable(parts)
    // No `await` where the answer is known: meanwhile a final upload could be made of them.
    const free = removable instanceof Promise ? await removable : removable
    const over = uploads.filter(({ id, kind }) => kind !== 'partial' || free.has(id))
    if (over.length > 0) await this.#lifecycle.expireAll(over)
    return over
  }

  /** The sweep has found a finished upload. */
  async foundFinished(upload: StoredUpload): Promise<void> {
    if (upload.kind === 'final') await this.#joiner.foundFinished(upload)
  }

  /** The sweep has visited every upload since the start. */
  firstSweepEnded(): Promise<void> {
    return this.#joiner.firstSweepEnded()
  }

  /** A part is kept for as long as a final upload waits for it. */
  #isNeeded(upload: StoredUpload): boolean | Promise<boolean> {
    return upload.kind === 'partial' && this.#joiner.needs(upload.id)
  }

  async #getFinal(upload: StoredUpload): Promise<TusUpload> {
    // PATCH is the one request that goes on from an offset (tus 1.0.0, concatenation).
    if (this.#requestOf(upload.id).method === 'PATCH') throw new UploadError('final_unpatchable')
    await this.#joiner.advance(upload)
    return tusUpload(upload, upload.length)
  }

  async #verified(upload: StoredUpload): Promise<StoredUpload> {
    await this.#lifecycle.verify(upload)
    // A finished one that is not as it was left is read from the disk again.
    if (!upload.gone) return this.#found(upload.id)
    if (upload.kind === 'final') await this.#joiner.forget(upload)
    if (upload.kind === 'partial') this.#joiner.partChanged(upload.id)
    throw new UploadError('upload_unknown', { detail: 'its file is gone' })
  }

  async #found(id: string): Promise<StoredUpload> {
    const request = this.#requestOf(id)
    const upload = await this.removals.known(id, request.principal)
    if (!upload) throw new UploadError('upload_unknown')
    // A finish takes the upload out of memory: what its hook adds to the answer is this request's all the same.
    upload.setHookRequest(request.asked, request.upload?.hooks.answer)
    request.upload = upload
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

  /** The client of a creation that fails never learns the address: nothing of it may stay. */
  async #orUndo(upload: StoredUpload, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!upload.gone) await this.#lifecycle.remove(upload, 'terminated', 'the creation failed')
      throw error
    }
  }
}
