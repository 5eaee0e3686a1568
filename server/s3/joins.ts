import type { JoinedPiece } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'
import { Joining, type JoiningTools } from './joining.js'
import type { Change } from './ledger.js'

/** The final uploads that this node is joining. */
export class Joins {
  readonly #tools: JoiningTools
  readonly #running = new Map<string, Joining>()

  constructor(tools: JoiningTools) {
    this.#tools = tools
  }

  /** See Engine's `join`. */
  async add(id: string, piece: JoinedPiece): Promise<number> {
    if (piece.position === 0) {
      await this.end(id)
      this.#running.set(id, await Joining.begin(id, this.#tools))
    }
    const joining = this.#running.get(id)
    if (!joining) throw new Error('a join goes on that has not begun')
    return joining.add(piece)
  }

  /** Tells whether an upload is being joined here. */
  has(id: string): boolean {
    return this.#running.has(id)
  }

  /** Makes the object of a join, which must have so many bytes, and resolves with what the ledger is to say of it. */
  async finish(id: string, bytes: number): Promise<Change> {
    const joining = this.#running.get(id)
    if (joining?.bytes !== bytes)
      throw new BytesFault('DAMAGED', `${joining?.bytes} bytes were joined, not ${bytes}`)
    const base = { etag: await joining.finish(), bytes, objectBytes: bytes }
    const nothing = { multipart: null, tails: [], sender: null, lastPart: 0, digest: null }
    return { base, ...nothing, bytesChanged: true, isFinished: true }
  }

  /** Removes the object of a join that was finished, as the upload is gone. Rejects as S3 does. */
  async discard(id: string): Promise<void> {
    await this.#running.get(id)?.discard()
  }

  /** Ends a join, where there is one: what is not finished leaves nothing behind. Never rejects. */
  async end(id: string): Promise<void> {
    const joining = this.#running.get(id)
    this.#running.delete(id)
    await joining?.end()
  }

  /** Ends all of them. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.end(id)))
  }
}
