import { setTimeout } from 'node:timers/promises'
import { UploadError } from '../errors.js'
import type { Lifecycle } from './lifecycle.js'
import type { Prover } from './prover.js'
import type { StorageTools } from './tools.js'
import { storedHead, typeOf } from './type.js'
import type { StoredUpload } from './upload.js'

/** Bytes that are taken over between two looks at whether others need the thread. */
const STEP_BYTES = 4 * 1024 * 1024
/** While bodies are being received, all joining together has this part of the thread's time at most: one of so many. */
const SHARE = 12
/** Ends a joining without a word: its upload is removed, or the server is shutting down. */
export class Stopped extends Error {}

interface PassParts {
  readonly tools: StorageTools
  readonly prover: Prover
  readonly lifecycle: Lifecycle
}

/** The way of the bytes from parts into a final upload: proven, looked at, copied and digested. */
export class JoinPass {
  readonly #parts: PassParts
  readonly #tools: StorageTools
  /** Final uploads that are being copied now. */
  #copying = 0

  constructor(parts: PassParts) {
    this.#parts = parts
    this.#tools = parts.tools
  }

  /** After a restart the bytes of a part are proven against its digest before they go into another. */
  async prove(parts: readonly StoredUpload[]): Promise<void> {
    const { prover, lifecycle } = this.#parts
    for (const part of parts) {
      if (!part.gone && !(await lifecycle.isSound(part)))
        await this.#tools.underLock(part.id, () => lifecycle.verify(part))
      if (part.digestLive || part.gone) continue
      await prover.prove(part)
      await this.#tools.thread.forget(part.id)
      if (part.damagedAfter !== null) await this.#tools.underLock(part.id, () => lifecycle.mend(part))
    }
  }

  /** The type rule, on the first bytes of the whole. */
  async look(final: StoredUpload, parts: readonly StoredUpload[]): Promise<void> {
    const { sniffBytes } = this.#tools
    const heads: Uint8Array[] = []
    let wanted = sniffBytes
    for (const part of parts) {
      const head = await storedHead(part, wanted)
      heads.push(head)
      wanted -= head.length
    }
    await typeOf(final, Buffer.concat(heads), final.length ?? 0, this.#tools)
  }

  /** Copies and digests all parts, from the first byte on. Rejects with part_unknown, disk_full, and Stopped. */
  async copy(final: StoredUpload, parts: readonly StoredUpload[]): Promise<void> {
    const { thread } = this.#tools
    // Nothing that an earlier try has left may count.
    final.checkpoints = []
    await thread.truncate({ path: final.paths.file, length: 0 })
    await thread.forget(final.id)
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

  async #step(
    final: StoredUpload,
    part: StoredUpload,
    place: { position: number; from: number; bytes: number },
  ): Promise<void> {
    const { thread, disk, isReceiving } = this.#tools
    if (final.gone || final.halted) throw new Stopped()
    if (part.gone) throw new UploadError('part_unknown')
    if (await disk.isFull()) throw new UploadError('disk_full')
    const paths = { path: final.paths.file, partPath: part.paths.file }
    const tookMs = await thread.join({ id: final.id, ...paths, ...place })
    if (isReceiving()) await setTimeout(tookMs * (SHARE * this.#copying - 1))
  }
}

/** The length of a final upload of these parts; null where a part's own is not known. Throws size_exceeded. */
export function checkedLength(
  parts: readonly StoredUpload[],
  { maxSizeBytes }: Pick<StorageTools, 'maxSizeBytes'>,
): number | null {
  const length = lengthOf(parts)
  if (length !== null && length > maxSizeBytes) throw new UploadError('size_exceeded')
  return length
}

/** The bytes of these uploads together; null where one of them is not known. */
export function lengthOf(parts: readonly StoredUpload[]): number | null {
  let sum = 0
  for (const { length } of parts) {
    if (length === null) return null
    sum += length
  }
  return sum
}
