import type { Assembly } from './assembly.js'
import { endOfParts, type Kept } from './ledger.js'
import type { Spool } from './spool.js'

/** Bytes of an upload, from one place to another. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface DraftBytesTools {
  readonly assembly: Assembly
  readonly spool: Spool
  /** Bytes of the upload that stand in objects. */
  readonly stored: (kept: Kept, range: Range) => AsyncGenerator<Buffer>
}

/** The bytes of an upload that is being written, wherever they are. One call at a time, and none of the assembly's. */
export class DraftBytes {
  readonly #tools: DraftBytesTools

  constructor(tools: DraftBytesTools) {
    this.#tools = tools
  }

  /** Where those end that came, stored or not. */
  get to(): number {
    return this.#tools.spool.to
  }

  /** Asks the ledger again where it has to be asked, and resolves with what it keeps; see Entry. */
  async kept(): Promise<Kept> {
    await this.#tools.assembly.refresh()
    return this.#tools.assembly.kept
  }

  /** Gives bytes to `use`, which must not keep them; parts that must be read for that become an object. */
  async read<T>(range: Range, use: (pieces: AsyncIterable<Buffer>) => Promise<T>): Promise<T> {
    const { assembly, spool } = this.#tools
    const kept = await this.kept()
    if (areInParts(kept, { from: range.from, to: Math.min(range.to, spool.from) })) await assembly.seal()
    return use(this.#pieces(range))
  }

  /** Bytes that stand in objects. */
  stored(range: Range): AsyncGenerator<Buffer> {
    return this.#tools.stored(this.#tools.assembly.kept, range)
  }

  async *#pieces({ from, to }: Range): AsyncGenerator<Buffer> {
    const { spool } = this.#tools
    const local = Math.max(from, Math.min(to, spool.from))
    if (local > from) yield* this.stored({ from, to: local })
    if (to > local) yield* spool.pieces(local, to)
  }
}

/** Tells whether some of these bytes are in parts, which cannot be read. */
function areInParts({ base, parts }: Kept, { from, to }: Range): boolean {
  const end = Math.min(to, endOfParts({ base, parts }))
  return parts.length > 0 && Math.max(from, base?.bytes ?? 0) < end
}
