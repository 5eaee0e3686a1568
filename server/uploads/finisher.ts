import { UploadError } from '../errors.js'
import type { Engine } from '../model/engine.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import { decideType, storedHead } from './type.js'
import type { StoredUpload } from './upload.js'

type FinisherTools = Pick<StorageTools, 'sniff' | 'sniffBytes' | 'announce' | 'now' | 'hooks' | 'traces'> & {
  readonly engine: Pick<Engine, 'read' | 'digest'>
}

/** Finishes uploads whose bytes are all there: type, digest, flush, sidecar, record; once, whatever is retried. */
export class Finisher {
  readonly #tools: FinisherTools
  readonly #saver: Pick<Saver, 'save'>
  readonly #prover: Pick<Prover, 'prove'>

  constructor(tools: FinisherTools, saver: Pick<Saver, 'save'>, prover: Pick<Prover, 'prove'>) {
    this.#tools = tools
    this.#saver = saver
    this.#prover = prover
  }

  /**
   * Makes an upload finished; the caller holds its lock. Rejects with type_refused, upload_rejected or hook_failed,
   * with offset_conflict where the prefix turns out damaged, and with the disk's error: nothing has changed then.
   */
  async finish(upload: StoredUpload): Promise<void> {
    const { traces } = this.#tools
    const finish = (): Promise<void> => this.#finish(upload)
    await (traces ? traces.finishing(upload, finish) : finish())
  }

  async #finish(upload: StoredUpload): Promise<void> {
    if (upload.isTypeDue) await this.#decideType(upload)
    const sha256 = await this.#digest(upload)
    upload.mark(upload.offset, sha256)
    const { hooks } = this.#tools
    await hooks?.beforeFinish(upload, sha256)
    const finished = { sha256, finishedAt: new Date(this.#tools.now()).toISOString() }
    const save = (after?: Promise<void>): Promise<void> => this.#saver.save(upload, finished, after)
    await (hooks ? hooks.whileFinishing(upload, save) : save())
    // Set only after the sidecar is written.
    upload.finish(sha256, finished.finishedAt)
    this.#tools.announce(upload, 'finished')
  }

  async #decideType(upload: StoredUpload): Promise<void> {
    const head = await storedHead(upload, this.#tools)
    await decideType(upload, head, upload.offset, this.#tools)
  }

  async #digest(upload: StoredUpload): Promise<string> {
    // The last request's own checkpoint is the digest of the whole, where the digest was live.
    const marked = upload.checkpoints.at(-1)
    if (upload.digestLive && marked?.offset === upload.offset) return marked.sha256
    if (!upload.digestLive) await this.#prover.prove(upload)
    if (upload.damagedAfter !== null) throw new UploadError('offset_conflict', { detail: 'damaged prefix' })
    const sha256 = await this.#tools.engine.digest(upload.id, upload.offset)
    if (sha256 !== null) return sha256
    // The thread died and its digests with it: the next try reads the bytes again.
    upload.setDigestLive(false)
    throw new UploadError('internal', { detail: 'the rolling digest was lost' })
  }
}
