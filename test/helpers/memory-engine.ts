import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Block } from '../../server/model/body.js'
import type {
  Appended,
  AppendedBlocks,
  CheckpointOptions,
  DigestDue,
  Digested,
  Engine,
  Entry,
  Loaded,
  RangeReader,
} from '../../server/model/engine.js'
import { BytesFault } from '../../server/model/engine-error.js'
import { storedFacts } from '../../server/model/stored-facts.js'
import type { UploadFacts } from '../../server/model/upload-facts.js'
import { memoryRange } from './memory-range.js'
import { type Kept, MemoryStorage } from './memory-storage.js'

/** A storage engine that keeps everything in memory: slow for large uploads, and quick for many tests. */
export class MemoryEngine implements Engine {
  finals: Engine['finals'] = null
  readonly #view: (index: number, bytes: number) => Uint8Array
  readonly #storage: MemoryStorage
  readonly #now: () => number
  /** How far the rolling digest of each upload reaches. */
  readonly #rolling = new Map<string, number>()
  /** Where the checked body of an upload ends, and where its rolling digest stood before. */
  readonly #checked = new Map<string, { end: number; before: number | undefined }>()
  readonly #bodies = new Map<string, Buffer>()
  /** Uploads with an open body. */
  readonly openBodies = new Set<string>()
  /** Set by a test: there is no room. */
  full = false

  constructor(
    view: (index: number, bytes: number) => Uint8Array,
    storage = new MemoryStorage(),
    now: () => number = Date.now,
  ) {
    this.#view = view
    this.#storage = storage
    this.#now = now
  }

  async create(id: string, facts: () => UploadFacts): Promise<void> {
    if (this.#storage.uploads.has(id)) throw new Error('EEXIST: the upload exists')
    const kept = { bytes: Buffer.alloc(0), facts: facts(), storedAtMs: this.#now() }
    this.#storage.uploads.set(id, { ...kept, boot: this.#storage.boot })
  }

  async load(id: string): Promise<Loaded> {
    const kept = this.#storage.uploads.get(id)
    if (!kept?.bytes) return { kind: 'missing' }
    const { facts, storedAtMs, boot } = kept
    const storedBytes = kept.bytes.length
    if (!facts) return { kind: 'torn', storedBytes, touchedAtMs: storedAtMs }
    const sameBoot = boot === this.#storage.boot
    const stored = { storedBytes, storedAtMs, sameBoot, isCurrent: sameBoot }
    return { kind: 'upload', facts: storedFacts(facts, stored), storedBytes }
  }

  async has(id: string): Promise<boolean> {
    return this.#storage.uploads.get(id)?.bytes != null
  }

  async measure(id: string): Promise<{ storedBytes: number | undefined; hasFacts: boolean }> {
    const kept = this.#storage.uploads.get(id)
    return { storedBytes: kept?.bytes?.length, hasFacts: kept?.facts != null }
  }

  async *list(fromDay = ''): AsyncGenerator<readonly Entry[]> {
    const ids = [...this.#storage.uploads.keys()].sort().reverse()
    for (const id of ids.filter((each) => each.slice(0, 8) >= fromDay.replaceAll('/', ''))) {
      const kept = this.#storage.uploads.get(id)
      const kinds = [...(kept?.bytes ? ['bytes' as const] : []), ...(kept?.facts ? ['facts' as const] : [])]
      yield kinds.map((kind) => ({ id, kind }))
    }
  }

  addressOf(id: string): string {
    return `memory/${id}`
  }

  async open(id: string, offset: number): Promise<void> {
    this.openBodies.add(id)
    this.#exactly(id, offset)
  }

  async append(id: string, appended: AppendedBlocks): Promise<Appended> {
    const { blocks, position, digest, isChecked, algorithms, begins, ends, closes } = appended
    if (begins) this.openBodies.add(id)
    const live = this.#rolls(id, position)
    const came = Buffer.concat(blocks.map(({ index, bytes }: Block) => this.#view(index, bytes)))
    const running = begins ? undefined : this.#checked.get(id)
    if (!isChecked) this.#checked.delete(id)
    else if (running?.end !== position)
      this.#checked.set(id, { end: position, before: live ? position : undefined })
    if (blocks.length > 0) this.#keepBytes(id, Buffer.concat([this.#exactly(id, position), came]))
    const end = position + came.length
    const checked = this.#checked.get(id)
    if (checked) checked.end = end
    if (live) this.#rolling.set(id, end)
    if (closes) {
      this.#exactly(id, end)
      this.openBodies.delete(id)
    }
    const sha256 = live && digest !== 'none' ? this.#hash(id, end, digest) : null
    return { live, sha256, checksums: this.#checksums(id, came, { algorithms, begins, ends }) }
  }

  async commit(id: string, { digest }: { digest: DigestDue }): Promise<Digested> {
    const checked = this.#checked.get(id)
    if (!checked) throw new Error('the bytes that are to count were lost')
    this.#exactly(id, checked.end)
    this.#checked.delete(id)
    this.openBodies.delete(id)
    const live = this.#rolling.get(id) === checked.end
    return { live, sha256: live && digest !== 'none' ? this.#hash(id, checked.end, digest) : null }
  }

  async rollBack(id: string, { offset }: { offset: number }): Promise<Digested> {
    await this.truncate(id, offset)
    const checked = this.#checked.get(id)
    this.#checked.delete(id)
    this.#bodies.delete(id)
    this.openBodies.delete(id)
    if (checked?.before !== undefined) this.#rolling.set(id, checked.before)
    else if ((this.#rolling.get(id) ?? 0) > offset) this.#rolling.delete(id)
    return { live: this.#rolling.get(id) === offset, sha256: null }
  }

  async checksum(id: string, of: { from: number; to: number; algorithm: string }): Promise<string> {
    return checksumOf(of.algorithm, this.#bytes(id).subarray(of.from, of.to))
  }

  async close(id: string): Promise<void> {
    this.openBodies.delete(id)
  }

  async checkpoint(id: string, facts: () => UploadFacts, options: CheckpointOptions): Promise<void> {
    await options.after
    const kept = this.#kept(id)
    const text = facts()
    if (options.finishedBytes !== undefined) {
      this.#exactly(id, options.finishedBytes)
      this.openBodies.delete(id)
    }
    Object.assign(kept, { facts: text, boot: this.#storage.boot })
  }

  async restore(id: string, facts: UploadFacts): Promise<void> {
    Object.assign(this.#kept(id), { facts, boot: 0 })
  }

  async flush(): Promise<void> {}

  async truncate(id: string, bytes: number): Promise<void> {
    const stored = this.#bytes(id)
    if (stored.length < bytes) throw unlike(stored.length, bytes)
    this.#keepBytes(id, stored.subarray(0, bytes))
  }

  async prove(id: string, range: Parameters<Engine['prove']>[1]): ReturnType<Engine['prove']> {
    const from = this.#rolling.get(id) ?? 0
    const stop = Math.min(range.to, from + range.budgetBytes)
    const stored = this.#bytes(id)
    let matched = 0
    for (const { offset, sha256 } of range.checkpoints) {
      if (offset > stop) break
      if (offset > from && checksumOf('sha256', stored.subarray(0, offset)) !== sha256) {
        this.#rolling.delete(id)
        return { offset, damagedAfter: matched }
      }
      matched = offset
    }
    if (stored.length < stop) throw unlike(stored.length, stop)
    this.#rolling.set(id, Math.max(from, stop))
    return { offset: Math.max(from, stop), damagedAfter: null }
  }

  async digest(id: string, offset: number): Promise<string | null> {
    return this.#rolls(id, offset) ? this.#hash(id, offset, 'final') : null
  }

  async forget(id: string): Promise<void> {
    this.#rolling.delete(id)
    this.#checked.delete(id)
    this.#bodies.delete(id)
    this.openBodies.delete(id)
  }

  async join(id: string, { position, part, from, bytes }: Parameters<Engine['join']>[1]): Promise<number> {
    if (!this.#rolls(id, position)) throw new Error('the rolling digest of a final upload was lost')
    const piece = this.#bytes(part).subarray(from, from + bytes)
    if (piece.length < bytes) throw unlike(piece.length, bytes)
    this.#keepBytes(id, Buffer.concat([this.#exactly(id, position), piece]))
    this.#rolling.set(id, position + bytes)
    return 0
  }

  async read(id: string, range: { from: number; to: number }): Promise<RangeReader> {
    return memoryRange(this.#bytes(id), range)
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#storage.uploads.delete(id)
  }

  async isLeftover({ id, kind }: Entry): Promise<boolean> {
    return kind === 'facts' && this.#storage.uploads.get(id)?.bytes === null
  }

  async removeLeftover({ id }: Entry): Promise<void> {
    this.#storage.uploads.delete(id)
  }

  isFull = async (): Promise<boolean> => this.full

  async end(): Promise<void> {}

  #kept(id: string): Kept {
    const kept = this.#storage.uploads.get(id)
    if (!kept?.bytes) throw new BytesFault('MISSING', 'the bytes are gone')
    return kept
  }

  #bytes(id: string): Buffer {
    return this.#kept(id).bytes ?? Buffer.alloc(0)
  }

  #exactly(id: string, length: number): Buffer {
    const bytes = this.#bytes(id)
    if (bytes.length !== length) throw unlike(bytes.length, length)
    return bytes
  }

  #keepBytes(id: string, bytes: Buffer): void {
    Object.assign(this.#kept(id), { bytes, storedAtMs: this.#now() })
  }

  /** Tells whether the rolling digest stands at `position`; one of no bytes begins there. */
  #rolls(id: string, position: number): boolean {
    if (position === 0) this.#rolling.set(id, 0)
    return this.#rolling.get(id) === position
  }

  #hash(id: string, end: number, due: DigestDue): string {
    if (due === 'final') this.#rolling.delete(id)
    return checksumOf('sha256', this.#bytes(id).subarray(0, end))
  }

  #checksums(
    id: string,
    came: Buffer,
    { algorithms, begins, ends }: { algorithms: readonly string[]; begins: boolean; ends: boolean },
  ): Record<string, string> | null {
    const before = begins ? Buffer.alloc(0) : this.#bodies.get(id)
    if (algorithms.length === 0 || !before) return null
    const body = Buffer.concat([before, came])
    this.#bodies.set(id, body)
    if (!ends || !this.#bodies.delete(id)) return null
    return Object.fromEntries(algorithms.map((algorithm) => [algorithm, checksumOf(algorithm, body)]))
  }
}

function checksumOf(algorithm: string, bytes: Uint8Array): string {
  if (algorithm === 'crc32') return crc32(bytes).toString(16).padStart(8, '0')
  return createHash(algorithm).update(bytes).digest('hex')
}

function unlike(found: number, bytes: number): BytesFault {
  return new BytesFault('DAMAGED', `${found} bytes are stored, not ${bytes}`)
}
