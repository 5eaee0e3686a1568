import { setTimeout } from 'node:timers/promises'
import { UploadError } from '../../errors.js'
import type { Checkpoint } from '../../model/checkpoint.js'
import type { Engine } from '../../model/engine.js'
import { PartDamaged } from '../../model/engine-error.js'
import { mostBytesOf } from '../../model/grant.js'
import { isWhole } from '../../model/next-step.js'
import type { Lifecycle } from '../lifecycle.js'
import type { Prover } from '../prover.js'
import type { StorageTools } from '../tools.js'
import { decideType, storedHead } from '../type.js'
import type { StoredUpload } from '../upload.js'
import type { Uploads } from '../uploads.js'

/** Bytes that are taken over between two looks at whether others need the thread. */
const STEP_BYTES = 4 * 1024 * 1024
/** While bodies are being received, all joining together has this part of the thread's time at most: one of so many. */
const SHARE = 12
/** Where other nodes may remove a final upload that is joined here, that is asked with each so many bytes. */
const ASK_EVERY_BYTES = 64 * STEP_BYTES
/** Stops a join without reporting an error: its upload is removed, or the server is shutting down. */
export class Stopped extends Error {}

export interface PassParts {
  readonly tools: Pick<
    StorageTools,
    'sniff' | 'sniffBytes' | 'hooks' | 'maxSizeBytes' | 'underLock' | 'isReceiving' | 'now'
  > & {
    readonly engine: Pick<
      Engine,
      'finals' | 'has' | 'load' | 'read' | 'truncate' | 'forget' | 'isFull' | 'join'
    >
  }
  readonly prover: Pick<Prover, 'prove'>
  readonly lifecycle: Pick<Lifecycle, 'finish' | 'isSound' | 'verify' | 'cutDamaged'>
  readonly uploads: Pick<Uploads, 'load'>
}

/** A whole part, and how many bytes it has. */
interface PartBytes {
  readonly id: string
  readonly offset: number
  /** With what its bytes are compared while they are joined, where that was not done before. */
  readonly checkpoint: Checkpoint | undefined
}

/** The way of the bytes from parts into a final upload: proven, looked at, copied and digested. */
export class JoinPass {
  readonly #parts: PassParts
  readonly #tools: PassParts['tools']
  /** Final uploads that are being copied now. */
  #copying = 0

  constructor(parts: PassParts) {
    this.#parts = parts
    this.#tools = parts.tools
  }

  /**
   * Joins a final upload and finishes it; false where a part has not all its bytes any more. Rejects with
   * part_unknown, size_exceeded, type_refused, disk_full, Stopped, and with the disk's error.
   */
  async join(final: StoredUpload): Promise<boolean> {
    const parts = await this.#prove(final)
    if (!parts) return false
    const length = parts.reduce((sum, { offset }) => sum + offset, 0)
    final.setLength(length)
    if (length > mostBytesOf(final, this.#tools.maxSizeBytes)) throw new UploadError('size_exceeded')
    await this.#look(final, parts)
    try {
      await this.#copy(final, parts)
      await this.#tools.underLock(final.id, () => this.#finish(final))
      return true
    } catch (error) {
      // What it may fail with is less than why the join has failed.
      await this.#tools.engine.forget(final.id).catch(() => {})
      if (!(error instanceof PartDamaged)) throw error
      await this.#fallBack(error)
      return false
    }
  }

  /** Finds out how many bytes of a part are good, and cuts it to them. Throws the fault where all of them are. */
  async #fallBack(fault: PartDamaged): Promise<void> {
    const { uploads, prover, lifecycle } = this.#parts
    await this.#tools.underLock(fault.part, async () => {
      const part = await uploads.load(fault.part)
      if (!part || part.gone) return
      await prover.prove(part)
      await this.#tools.engine.forget(part.id)
      if (part.damagedAfter === null) throw fault
      await lifecycle.cutDamaged(part)
    })
  }

  /** After a restart the bytes of a part are proven against its digest before they go into another. */
  async #prove(final: StoredUpload): Promise<readonly PartBytes[] | undefined> {
    const ids = final.parts ?? []
    const proven = new Map<string, PartBytes>()
    for (const id of new Set(ids)) {
      if (final.gone || final.halted) throw new Stopped()
      const part = await this.#proven(id)
      if (!isWhole(part)) return undefined
      // No more is kept of it: all parts together would be too much for the memory.
      const checkpoint = part.digestLive ? undefined : part.checkpoints.at(-1)
      proven.set(id, { id, offset: part.offset, checkpoint })
    }
    return ids.flatMap((id) => proven.get(id) ?? [])
  }

  /** The type rule, on the first bytes of the whole. */
  async #look(final: StoredUpload, parts: readonly PartBytes[]): Promise<void> {
    const { engine, sniffBytes } = this.#tools
    const heads: Uint8Array[] = []
    let wanted = sniffBytes
    for (const part of parts) {
      if (wanted <= 0) break
      const head = await storedHead(part, { engine, sniffBytes: wanted })
      heads.push(head)
      wanted -= head.length
    }
    await decideType(final, Buffer.concat(heads), final.length ?? 0, this.#tools)
  }

  /** Copies and digests all parts, from the first byte on. */
  async #copy(final: StoredUpload, parts: readonly PartBytes[]): Promise<void> {
    const { engine } = this.#tools
    final.beginJoin()
    // What nodes share has nothing of a join before its end.
    if (!engine.finals) await engine.truncate(final.id, 0)
    await engine.forget(final.id)
    this.#copying += 1
    try {
      let position = 0
      for (const part of parts) {
        for (let from = 0; from < part.offset; from += STEP_BYTES) {
          const bytes = Math.min(STEP_BYTES, part.offset - from)
          await this.#step(final, part, { position, from, bytes })
          position += bytes
        }
      }
    } finally {
      this.#copying -= 1
    }
  }

  async #finish(final: StoredUpload): Promise<void> {
    if (final.gone || final.halted || (await this.#isTaken(final))) throw new Stopped()
    final.endJoin(this.#tools.now())
    try {
      await this.#parts.lifecycle.finish(final)
    } catch (error) {
      final.undoJoin()
      throw error
    }
  }

  /** Tells whether another node has removed or joined a final upload; the caller holds its lock. */
  async #isTaken({ id }: StoredUpload): Promise<boolean> {
    const { engine } = this.#tools
    if (!engine.finals) return false
    const found = await engine.load(id)
    return found.kind !== 'upload' || found.facts.sha256 !== null
  }

  /**
   * A part that other nodes may write, too, as it is stored. It is made readable under its lock, as that is a write; its
   * bytes are proven while they are joined, so that they are read once.
   */
  async #shared(id: string): Promise<StoredUpload> {
    const { engine, underLock } = this.#tools
    let found: StoredUpload | undefined
    await underLock(id, async () => {
      found = await this.#parts.uploads.load(id)
      if (!found || found.gone || !isWhole(found)) return
      const range = await engine.read(id, { from: 0, to: found.offset })
      await range.close()
    })
    if (!found || found.gone) throw new UploadError('part_unknown')
    return found
  }

  async #proven(id: string): Promise<StoredUpload> {
    if (this.#tools.engine.finals) return this.#shared(id)
    const { prover, lifecycle, uploads } = this.#parts
    const part = await uploads.load(id)
    if (!part || part.gone) throw new UploadError('part_unknown')
    if (!(await lifecycle.isSound(part))) await this.#tools.underLock(id, () => lifecycle.verify(part))
    if (part.gone) throw new UploadError('part_unknown')
    if (part.digestLive) return part
    await prover.prove(part)
    await this.#tools.engine.forget(id)
    if (part.damagedAfter !== null) await this.#tools.underLock(id, () => lifecycle.cutDamaged(part))
    return part
  }

  async #step(
    final: StoredUpload,
    part: PartBytes,
    place: { position: number; from: number; bytes: number },
  ): Promise<void> {
    const { engine, isReceiving } = this.#tools
    if (final.gone || final.halted) throw new Stopped()
    if (await engine.isFull()) throw new UploadError('disk_full')
    const mustAsk = engine.finals && place.position % ASK_EVERY_BYTES === 0
    if (mustAsk && !(await engine.has(final.id))) throw new Stopped()
    const checkpoints = part.checkpoint && [part.checkpoint]
    const tookMs = await engine.join(final.id, { part: part.id, ...place, checkpoints })
    if (isReceiving()) await setTimeout(tookMs * (SHARE * this.#copying - 1))
  }
}
