import { UploadError } from '../errors.js'
import type { Engine } from '../model/engine.js'
import { isUploadId } from '../model/upload-id.js'
import { lastSaved } from './background-state.js'
import { loadUpload } from './load-upload.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'

const MOST_IN_MEMORY = 500
const MOST_BYTES = 2 * 1024 * 1024
/** What an upload takes beside the texts that a client chooses: its objects, paths and checkpoints. */
const UPLOAD_BYTES = 2048
/** An id in the list of a final upload's parts. */
const PART_BYTES = 64

type UploadsTools = Pick<StorageTools, 'log' | 'isHeld' | 'isOwn'> & {
  readonly engine: Pick<Engine, 'load' | 'addressOf' | 'forget' | 'truncate'>
}

/**
 * The uploads that are in memory, at most 500 and 2 MiB: beyond that the one unused for longest is
 * dropped, and read from its sidecar again when it is next asked for. One that is being received stays.
 */
export class Uploads {
  readonly #tools: UploadsTools
  readonly #inMemory = new Map<string, StoredUpload>()
  /** Uploads whose files are being removed: who loads one waits until they are. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** What they take together; see bytesOf. */
  #bytes = 0
  readonly #loading = new Map<string, Promise<StoredUpload | undefined>>()
  /** Uploads whose removal began while they were being loaded: what was read of them may be from before. */
  readonly #outdated = new Set<string>()
  #halted = false

  constructor(tools: UploadsTools) {
    this.#tools = tools
  }

  /** The upload if it is in memory, and no other node may have changed it since; asks no disk. */
  peek(id: string): StoredUpload | undefined {
    const upload = this.#inMemory.get(id)
    return upload && (upload.state === 'receiving' || this.#tools.isOwn(id)) ? upload : undefined
  }

  /** The server ends. */
  get isEnding(): boolean {
    return this.#halted
  }

  /** Tells whether an upload is in memory, as it is or as it was. */
  isInMemory(id: string): boolean {
    return this.#inMemory.has(id) || this.#loading.has(id)
  }

  /** The offset of an upload that is in memory. */
  offsetOf(id: string): number | undefined {
    return this.#inMemory.get(id)?.offset
  }

  /** Drops an upload that another node has changed, and resolves when nothing is done for it any more. Nothing of it is saved. */
  async forget(id: string): Promise<void> {
    if (this.#loading.has(id)) this.#outdated.add(id)
    const upload = this.#forget(id)
    if (!upload) return
    const { proof, saves } = upload
    upload.setHalted(true)
    saves.endPause?.(false)
    await Promise.allSettled([proof.running, saves.last, saves.lastFlush])
  }

  /** Resolves when nothing of an upload waits to be saved. Rejects with the engine's error. */
  async saved(id: string): Promise<void> {
    const saves = this.#inMemory.get(id)?.saves
    if (saves) await lastSaved(saves)
  }

  /** Those that receive a body now, or are being joined. */
  receiving(): readonly StoredUpload[] {
    return [...this.#inMemory.values()].filter(({ state }) => state === 'receiving')
  }

  /** Keeps a new upload. */
  add(upload: StoredUpload): void {
    this.#forget(upload.id)
    this.#inMemory.set(upload.id, upload)
    upload.setHalted(this.#halted)
    this.#bytes += bytesOf(upload)
    for (const [id, old] of this.#inMemory) {
      if (this.#inMemory.size <= MOST_IN_MEMORY && this.#bytes <= MOST_BYTES) return
      if (
        old === upload ||
        old.proof.running ||
        old.joining ||
        old.saves.underWay > 0 ||
        this.#tools.isHeld(id)
      )
        continue
      this.drop(id)
    }
  }

  /** Drops an upload from memory, and its rolling digest with it. */
  drop(id: string): void {
    const upload = this.#forget(id)
    // What is loaded after it must have what this one was to save.
    upload?.saves.endPause?.(true)
    if (!upload || upload.sha256 !== null) return
    this.#tools.engine.forget(id).catch((error: unknown) => {
      this.#tools.log.error({ err: error, id }, 'a rolling digest could not be dropped')
    })
  }

  /**
   * Drops an upload while `remove` removes its files; who asks for it meanwhile waits. Rejects as `remove` does:
   * what could not be removed is read from the disk again by whoever asks next.
   */
  async leave(id: string, remove: () => Promise<void>): Promise<void> {
    this.drop(id)
    const leaving = remove()
    const left = leaving.then(
      () => {},
      () => {},
    )
    this.#leaving.set(id, left)
    if (this.#loading.has(id)) this.#outdated.add(id)
    await leaving.finally(() => {
      if (this.#leaving.get(id) === left) this.#leaving.delete(id)
    })
  }

  /** The removal of an upload's files, while it runs; never rejects. */
  leaving(id: string): Promise<void> | undefined {
    return this.#leaving.get(id)
  }

  /** Ends the reading of prefixes, and resolves when no sidecar is being written any more. */
  async end(): Promise<void> {
    this.#halted = true
    for (const upload of this.#inMemory.values()) upload.setHalted(true)
    const all = [...this.#inMemory.values()]
    await Promise.allSettled(
      all.flatMap((upload) => [lastSaved(upload.saves), upload.proof.running, upload.joining]),
    )
  }

  /** The upload from memory or else from the disk; undefined where there is none. Rejects with upload_locked, and with the disk's error. */
  async load(id: string): Promise<StoredUpload | undefined> {
    const known = this.#inMemory.get(id)
    if (known) {
      // To the end of the order, as the one used last.
      this.#inMemory.delete(id)
      this.#inMemory.set(id, known)
      return known
    }
    if (!isUploadId(id)) return undefined
    const loading = this.#loading.get(id) ?? this.#read(id).finally(() => this.#loaded(id))
    this.#loading.set(id, loading)
    return loading
  }

  #loaded(id: string): void {
    this.#loading.delete(id)
    this.#outdated.delete(id)
  }

  #forget(id: string): StoredUpload | undefined {
    const upload = this.#inMemory.get(id)
    this.#inMemory.delete(id)
    if (upload) this.#bytes -= bytesOf(upload)
    return upload
  }

  async #read(id: string): Promise<StoredUpload | undefined> {
    const { engine, log } = this.#tools
    await this.#leaving.get(id)
    const found = await loadUpload(engine, id)
    if (this.#outdated.delete(id)) return this.#read(id)
    if (found.kind === 'missing') return undefined
    if (found.kind !== 'upload') {
      // The sweep will restore it from its record or remove it; until then a client must not start over.
      log.warn({ id, sidecar: found.kind }, 'the sidecar of an upload cannot be read')
      throw new UploadError('upload_locked', { detail: 'no sidecar that can be read' })
    }
    const { upload, storedBytes } = found
    if (upload.offset < storedBytes) {
      log.warn({ id, offset: upload.offset, storedBytes }, 'an upload is cut to the last byte that is proven')
      await engine.truncate(id, upload.offset)
      if (this.#outdated.delete(id)) return this.#read(id)
    }
    this.add(upload)
    return upload
  }
}

/** What an upload takes in memory, as an upper bound; of texts that never change. */
export function bytesOf({ metadata, filename, declaredType, concat, parts }: StoredUpload): number {
  // Headers have one byte a character, decoded values may have two.
  const headers = (metadata?.length ?? 0) + (concat?.length ?? 0)
  const decoded = 2 * ((filename?.length ?? 0) + (declaredType?.length ?? 0))
  return UPLOAD_BYTES + headers + decoded + (parts?.length ?? 0) * PART_BYTES
}
