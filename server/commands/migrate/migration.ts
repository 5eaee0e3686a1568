import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Loaded } from '../../model/engine.js'
import { SNIFF_BYTES } from '../../model/sniff-bytes.js'
import type { UploadFacts } from '../../model/upload-facts.js'
import type { Console } from '../console.js'
import { printable, reasonOfSystem, shownBytes } from '../printable.js'
import { Progress } from '../progress.js'
import type { NotAdoptable, TusdFolder, TusdUpload } from './tusd-folder.js'
import { factsOfInfo, isFinished, metadataOf } from './tusd-info.js'

const PIECE_BYTES = 256 * 1024
/** So many uploads are adopted before their .info is removed: their records are written first. */
const BATCH = 64

/** What the migration needs of the server's parts. */
export interface MigrationTools {
  readonly folder: TusdFolder
  readonly basePath: string
  /** Nothing is changed, not even tusd's folder. */
  readonly isDry: boolean
  readonly load: (id: string) => Promise<Loaded>
  readonly adopt: (
    adopted: { readonly facts: UploadFacts; readonly bytesPath: string; readonly touch: boolean },
    signal: AbortSignal,
  ) => Promise<void>
  /** The type by the usual rule; an upload that is there already is refused no more. */
  readonly typeOf: (
    head: Uint8Array,
    isWhole: boolean,
    names: Pick<UploadFacts, 'filename' | 'declaredType'>,
  ) => Promise<string>
  /** Queues the record of an upload that was adopted. */
  readonly record: (id: string) => Promise<void>
  /** Resolves when the records that were queued are written. */
  readonly flush: () => Promise<void>
}

/** An earlier run was interrupted between the copy of these bytes and their removal: they are adopted again. */
function isCopied(there: Loaded, bytes: number, sha256: string): boolean {
  if (there.kind !== 'upload' || there.storedBytes !== bytes) return false
  const { facts } = there
  return bytes === 0 || (facts.sha256 ?? facts.checkpoints.at(-1)?.sha256) === sha256
}

/** One run: every upload of tusd's folder is adopted, or it is said why not. */
export class Migration {
  readonly #tools: MigrationTools
  readonly #console: Console
  readonly #progress: Progress
  readonly #total = { uploads: 0, bytes: 0 }
  readonly #done = { finished: 0, unfinished: 0, left: 0, bytes: 0 }
  /** Adopted; their .info is still there. */
  #adopted: TusdUpload[] = []

  constructor(tools: MigrationTools, console: Console) {
    this.#tools = tools
    this.#console = console
    this.#progress = new Progress(console, () => ({
      doneBytes: this.#done.bytes,
      totalBytes: this.#total.bytes,
      count: `${this.#done.finished + this.#done.unfinished} of ${this.#total.uploads} uploads`,
    }))
  }

  /** Adopts everything. Resolves with how many were adopted, and how many were left. */
  async run(): Promise<Readonly<{ finished: number; unfinished: number; left: number; bytes: number }>> {
    const { signal } = this.#console
    try {
      await this.#count()
      for await (const found of this.#tools.folder.uploads()) {
        if (signal.aborted) break
        await this.#one(found)
        if (this.#adopted.length >= BATCH) await this.#endBatch()
      }
      await this.#endBatch()
    } finally {
      this.#progress.end()
    }
    return this.#done
  }

  async #count(): Promise<void> {
    for await (const found of this.#tools.folder.uploads()) {
      if (this.#console.signal.aborted) return
      if (found.kind !== 'upload') continue
      this.#total.uploads += 1
      this.#total.bytes += found.file?.bytes ?? 0
    }
  }

  async #one(found: TusdUpload | NotAdoptable): Promise<void> {
    if (found.kind === 'left') return this.#leave(found.name, found.why)
    const { ID } = found.info
    try {
      const why = await this.#adopt(found)
      if (why !== undefined) this.#leave(ID, why)
    } catch (error) {
      if (!this.#console.signal.aborted) this.#leave(ID, reasonOfSystem(error))
    }
  }

  /** Adopts an upload; resolves with why it is left, undefined where it is not. */
  async #adopt(found: TusdUpload): Promise<string | undefined> {
    const { info, file, bytesPath } = found
    const there = await this.#tools.load(info.ID)
    if (!file) return there.kind === 'upload' ? this.#again(found) : 'its bytes are not there'
    if (!info.SizeIsDeferred && file.bytes > info.Size) return 'it has more bytes than its length'
    const finished = isFinished(info, file.bytes)
    if (info.IsFinal && !finished) return 'its parts are not joined; its client creates it again'
    const { sha256, head } = await this.#read(bytesPath, file.bytes)
    if (there.kind !== 'missing' && !isCopied(there, file.bytes, sha256))
      return 'Lading has an upload with this id already'
    const facts = factsOfInfo(
      info,
      { ...file, sha256, createdAtMs: found.createdAtMs, type: null },
      this.#tools.basePath,
    )
    const type = finished ? await this.#tools.typeOf(head, head.length === file.bytes, facts) : null
    // An unfinished upload, and a part, has all of --expire-after from now on: tusd never removed one.
    await this.#tools.adopt({ facts: { ...facts, type }, bytesPath, touch: !finished }, this.#console.signal)
    await this.#tools.record(info.ID)
    this.#note(found, finished, sha256)
    return undefined
  }

  /** An earlier run was interrupted behind the move of its bytes. */
  async #again(found: TusdUpload): Promise<undefined> {
    await this.#tools.record(found.info.ID)
    this.#adopted.push(found)
  }

  #note(found: TusdUpload, finished: boolean, sha256: string): void {
    const { info, file } = found
    this.#adopted.push(found)
    this.#done[finished ? 'finished' : 'unfinished'] += 1
    const { dropped } = metadataOf(info)
    const lost = dropped.length > 0 ? `, without the metadata ${printable(dropped.join(', '))}` : ''
    const kind = info.IsPartial ? 'a part' : finished ? 'finished' : 'unfinished'
    this.#progress.line(`${info.ID}: ${kind}, ${shownBytes(file?.bytes ?? 0)}, sha256:${sha256}${lost}`)
  }

  #leave(name: string, why: string): void {
    this.#done.left += 1
    this.#progress.complain(`lading: ${printable(name)} is left: ${printable(why)}`)
  }

  /** The digest of a file, and its first bytes. Rejects where it is not as long as it was, and at a signal. */
  async #read(path: string, bytes: number): Promise<{ sha256: string; head: Uint8Array }> {
    const hash = createHash('sha256')
    const heads: Buffer[] = []
    let at = 0
    for await (const piece of createReadStream(path, {
      highWaterMark: PIECE_BYTES,
    }) as AsyncIterable<Buffer>) {
      this.#console.signal.throwIfAborted()
      if (at < SNIFF_BYTES) heads.push(piece.subarray(0, SNIFF_BYTES - at))
      hash.update(piece)
      at += piece.length
      this.#done.bytes += piece.length
    }
    if (at !== bytes) throw new Error('it changes while it is read: stop tusd first')
    return { sha256: hash.digest('hex'), head: Buffer.concat(heads) }
  }

  async #endBatch(): Promise<void> {
    if (this.#adopted.length === 0) return
    await this.#tools.flush()
    if (!this.#tools.isDry) for (const found of this.#adopted) await this.#tools.folder.removeInfo(found)
    this.#adopted = []
  }
}
