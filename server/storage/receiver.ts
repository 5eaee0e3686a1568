import { diskError } from './disk-error.js'
import type { Prover } from './prover.js'
import type { Saver } from './saver.js'
import type { StorageTools } from './tools.js'
import type { Batch, BatchSink } from './turn.js'
import { typeOf } from './type.js'
import type { StoredUpload } from './upload.js'

const CHECKPOINT_EVERY_BYTES = 64 * 1024 * 1024

/** Takes the batches of one body: the type is decided, then they are written and digested, then marked. */
export class Receiver implements BatchSink {
  readonly #upload: StoredUpload
  readonly #tools: StorageTools
  readonly #saver: Saver
  readonly #prover: Prover
  /** The upload's first bytes, until its type is decided. */
  #head: Uint8Array
  #markedAt: number

  constructor(
    upload: StoredUpload,
    head: Uint8Array,
    parts: { tools: StorageTools; saver: Saver; prover: Prover },
  ) {
    this.#upload = upload
    this.#head = head
    this.#tools = parts.tools
    this.#saver = parts.saver
    this.#prover = parts.prover
    this.#markedAt = upload.checkpoints.at(-1)?.offset ?? 0
  }

  /** Bytes missing for a decision about the type. */
  get wantsFirstBytes(): number {
    return this.#upload.type === null ? this.#tools.sniffBytes - this.#head.length : 0
  }

  /** Stores a batch. Rejects with an UploadError: type_refused, disk_full or internal. */
  async write(blocks: readonly Batch[], last: boolean): Promise<void> {
    if (this.#upload.type === null) await this.#look(blocks)
    await this.#append(blocks, last)
    if (!this.#upload.digestLive && this.#upload.damagedAfter === null) this.#prover.start(this.#upload)
    if (!last && (await this.#tools.disk.isFull())) this.#upload.body?.stop('disk_full')
  }

  async #look(blocks: readonly Batch[]): Promise<void> {
    for (const { index, bytes } of blocks) {
      const wanted = this.wantsFirstBytes
      if (wanted > 0) this.#head = joined(this.#head, this.#tools.view(index, Math.min(bytes, wanted)))
    }
    const offset = this.#upload.offset + sum(blocks)
    const type = await typeOf(this.#upload, this.#head, offset, this.#tools)
    if (type !== null) this.#upload.type = type
  }

  async #append(blocks: readonly Batch[], last: boolean): Promise<void> {
    const upload = this.#upload
    const bytes = sum(blocks)
    const done = await this.#tools.thread.append({
      id: upload.id,
      path: upload.paths.file,
      position: upload.offset,
      blocks: blocks.flatMap((block) => [block.index, block.bytes]),
      digest: this.#digestDue(upload.offset + bytes, last),
    })
    if (done.error) throw diskError(new Error(done.error.message))
    upload.offset += bytes
    upload.digestLive = done.live
    if (bytes > 0) upload.touchedAtMs = this.#tools.now()
    upload.rate.add(bytes, upload.touchedAtMs)
    if (done.sha256 !== null) this.#mark(done.sha256, last)
  }

  #digestDue(offset: number, last: boolean): 'none' | 'prefix' | 'final' {
    if (last) return offset === this.#upload.length ? 'final' : 'prefix'
    return offset - this.#markedAt >= CHECKPOINT_EVERY_BYTES ? 'prefix' : 'none'
  }

  #mark(sha256: string, last: boolean): void {
    this.#upload.mark(this.#upload.offset, sha256)
    this.#markedAt = this.#upload.offset
    // The end of the request saves for itself.
    if (last) return
    this.#saver.saveLater(this.#upload)
    this.#tools.record(this.#upload.toRow(this.#tools.now()))
  }
}

function sum(blocks: readonly Batch[]): number {
  return blocks.reduce((total, { bytes }) => total + bytes, 0)
}

function joined(head: Uint8Array, more: Uint8Array): Uint8Array {
  const both = new Uint8Array(head.length + more.length)
  both.set(head)
  both.set(more, head.length)
  return both
}
