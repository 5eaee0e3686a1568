import type { Assembly, Source } from './assembly.js'
import type { DraftDigest } from './draft-digest.js'
import type { PartsUnderWay } from './parts-under-way.js'
import type { Spool } from './spool.js'

export interface DraftPartsTools {
  readonly assembly: Pick<Assembly, 'position' | 'nextPartBytes' | 'addPart' | 'settle' | 'refresh'> & {
    readonly underWay: Pick<PartsUnderWay, 'next' | 'isEmpty' | 'ended' | 'forget'>
  }
  readonly spool: Pick<Spool, 'to' | 'body' | 'release'>
  readonly digest: Pick<DraftDigest, 'noted' | 'heldFrom'>
  /** Does work with the bucket once what was asked before is done. */
  readonly inOrder: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * The sender waits while the scratch folder has more parts than this that are not in the ledger. With two, the third one
 * would not be ready when S3 answers the first.
 */
const MOST_PARTS_WAITING = 3

/** Sends what came of an upload as parts, while more comes. */
export class DraftParts {
  readonly #tools: DraftPartsTools
  /** Of the upload, in bytes; null while it is deferred. */
  length: number | null = null
  /** Where the bytes end that stand in the scratch folder. */
  writtenTo: number
  /** The background, while it sends. */
  #running: Promise<void> | undefined
  /** Its step that runs now. It rejects if a part could not be stored. */
  #step: Promise<void> | undefined
  #failure: { readonly reason: unknown } | undefined
  /** Called once a whole part came. */
  #came = (): void => {}

  constructor(tools: DraftPartsTools) {
    this.#tools = tools
    this.writtenTo = tools.spool.to
  }

  /** Bytes of the upload, from the scratch folder. */
  readonly source: Source = (from, to) => this.#tools.spool.body(from, to)

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** The bytes of the next part. */
  get nextBytes(): number {
    return this.#tools.assembly.nextPartBytes(this.length)
  }

  /** Forgets an earlier failure, so that the part is sent again. */
  begin(): void {
    this.#failure = undefined
  }

  /** Waits while too much is in the scratch folder. Rejects as `written` does, and as a part that could not be stored did. */
  async room(written: () => Promise<unknown>): Promise<void> {
    const { assembly, spool } = this.#tools
    while (spool.to - assembly.position > MOST_PARTS_WAITING * this.nextBytes) {
      await written()
      this.#run()
      if (!this.#running && !this.#failure) throw new Error('no part of what waits can be sent')
      await Promise.allSettled([this.#step])
      if (this.#failure) throw this.#failure.reason
    }
  }

  /** The bytes stand in the scratch folder up to `writtenTo`: what is a part by now is sent in the background. */
  send(writtenTo: number): void {
    this.writtenTo = Math.max(this.writtenTo, writtenTo)
    this.#run()
    if (this.#hasPart(false)) this.#came()
  }

  /**
   * Sends each part that came as a whole, and waits until the ledger has them. With `isEnd`, also a whole part that
   * ends with the upload's last byte. What failed before is sent again. Rejects as Assembly does.
   */
  async sendAll(isEnd: boolean): Promise<void> {
    const { assembly } = this.#tools
    await assembly.refresh()
    assembly.underWay.forget()
    do {
      while (this.#hasPart(isEnd)) await this.#sendPart()
      await this.#settle()
      // `addPart` may return without sending.
    } while (this.#hasPart(isEnd))
  }

  #run(): void {
    if (this.#running || this.#failure || !this.#hasPart(false)) return
    this.#running = this.#sendWhatComes().finally(() => {
      this.#running = undefined
    })
  }

  /** Step by step, as other work with the bucket may have its turn between them. */
  async #sendWhatComes(): Promise<void> {
    const { assembly, inOrder } = this.#tools
    try {
      while (this.#hasPart(false) || !assembly.underWay.isEmpty) {
        this.#step = inOrder(() => this.#sendNext())
        await this.#step
      }
    } catch (reason) {
      this.#failure = { reason }
    }
  }

  /** Sends a part. If no whole part is there, waits until one is, or until no part is under way. */
  async #sendNext(): Promise<void> {
    const came = new Promise<void>((resolve) => {
      this.#came = resolve
    })
    if (!this.#hasPart(false)) await Promise.race([came, this.#tools.assembly.underWay.ended()])
    if (this.#hasPart(false)) await this.#sendPart()
    else await this.#settle()
  }

  /** Tells whether a whole part came. The last bytes of the upload are left to `finish`, unless it is not finished now. */
  #hasPart(isEnd: boolean): boolean {
    const left = this.writtenTo - this.#tools.assembly.underWay.next.position
    return isEnd || this.writtenTo !== this.length ? left >= this.nextBytes : left > this.nextBytes
  }

  async #sendPart(): Promise<void> {
    const { assembly, digest } = this.#tools
    const bytes = this.nextBytes
    await assembly.addPart(this.source, bytes, digest.noted(assembly.underWay.next.position + bytes))
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
