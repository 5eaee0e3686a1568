import type { Assembly, Source } from './assembly.js'
import type { DraftDigest } from './draft-digest.js'
import type { Spool } from './spool.js'

export interface DraftPartsTools {
  readonly assembly: Assembly
  readonly spool: Spool
  readonly digest: DraftDigest
  /** Does work with the bucket once what was asked before is done. */
  readonly inOrder: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * So many parts may be in the scratch folder, on their way or not: beyond that the sender of the upload waits. With two,
 * there would be none to send while S3 answers.
 */
const MOST_PARTS_WAITING = 3

/** Sends what came of an upload as parts, while more comes. */
export class DraftParts {
  readonly #tools: DraftPartsTools
  /** Of the upload, in bytes; null while it is deferred. */
  length: number | null = null
  /** Where the bytes end that stand in the scratch folder. */
  writtenTo: number
  #sending: Promise<void> | undefined
  #failure: unknown

  constructor(tools: DraftPartsTools) {
    this.#tools = tools
    this.writtenTo = tools.spool.to
  }

  /** Bytes of the upload, from the scratch folder. */
  readonly source: Source = (from, to) => this.#tools.spool.body(from, to)

  get isSending(): boolean {
    return this.#sending !== undefined
  }

  /** The bytes of the next part. */
  get nextBytes(): number {
    return this.#tools.assembly.nextPartBytes(this.length)
  }

  /** From here on a part that could not be stored is sent again. */
  begin(): void {
    this.#failure = undefined
  }

  /** Waits while too much is in the scratch folder. Rejects as `written` does, and as a part that could not be stored did. */
  async room(written: () => Promise<unknown>): Promise<void> {
    const { assembly, spool } = this.#tools
    while (spool.to - assembly.position > MOST_PARTS_WAITING * this.nextBytes) {
      await written()
      this.#send()
      await this.#sending
      if (this.#failure !== undefined) throw this.#failure
    }
  }

  /** The bytes stand in the scratch folder up to `writtenTo`: what is a part by now is sent in the background. */
  send(writtenTo: number): void {
    this.writtenTo = Math.max(this.writtenTo, writtenTo)
    this.#send()
  }

  /**
   * Sends each part that came as a whole, and waits until the ledger has them. With `isEnd`, also a whole part that
   * ends with the upload's last byte. Rejects as Assembly does.
   */
  async sendAll(isEnd: boolean): Promise<void> {
    while (this.#hasPart(isEnd)) await this.#sendPart()
    await this.#settle()
  }

  #send(): void {
    if (this.#sending || this.#failure !== undefined || !this.#hasPart(false)) return
    this.#sending = this.#sendWhatComes().finally(() => {
      this.#sending = undefined
    })
  }

  async #sendWhatComes(): Promise<void> {
    const { assembly, inOrder } = this.#tools
    try {
      while (this.#hasPart(false) || assembly.isSending) await inOrder(() => this.#sendNext())
    } catch (error) {
      this.#failure = error
    }
  }

  /** The next part, while the one before is under way; where none came, that one is waited for. */
  async #sendNext(): Promise<void> {
    if (this.#hasPart(false)) await this.#sendPart()
    else await this.#settle()
  }

  /** Tells whether a whole part came. The last bytes of the upload are left to `finish`, unless it is not finished now. */
  #hasPart(isEnd: boolean): boolean {
    const left = this.writtenTo - this.#tools.assembly.sentTo
    return isEnd || this.writtenTo !== this.length ? left >= this.nextBytes : left > this.nextBytes
  }

  async #sendPart(): Promise<void> {
    const { assembly, digest } = this.#tools
    const bytes = this.nextBytes
    await assembly.addPart(this.source, bytes, digest.noted(assembly.sentTo + bytes))
    await this.#release(bytes)
  }

  async #settle(): Promise<void> {
    await this.#tools.assembly.settle()
    await this.#release(this.nextBytes)
  }

  #release(partBytes: number): Promise<void> {
    const { assembly, digest, spool } = this.#tools
    return spool.release(digest.heldFrom(assembly.position, partBytes))
  }
}
