import type { Engine } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'
import type { UploadFacts } from '../model/upload-facts.js'
import type { Assembly } from './assembly.js'
import type { DraftBytes, Range } from './draft-bytes.js'
import type { DraftDigest } from './draft-digest.js'
import { DraftParts } from './draft-parts.js'
import type { Kept } from './ledger.js'
import { unlike } from './presence.js'
import type { Spool } from './spool.js'

export interface DraftTools {
  readonly assembly: Assembly
  readonly spool: Spool
  readonly bytes: DraftBytes
  readonly digest: DraftDigest
  /** How many stored bytes the bucket has; see presentBytes. */
  readonly present: (kept: Kept) => Promise<number | undefined>
}

/**
 * An upload that is being written: bytes come into the spool, and go from there to the bucket as parts, in order, while
 * more come. What is less than a part goes there when the body ends.
 */
export class Draft {
  readonly #assembly: Assembly
  readonly #spool: Spool
  readonly #digest: DraftDigest
  readonly #parts: DraftParts
  readonly #tools: DraftTools
  /** A body is being written. */
  isOpen = false
  /** Work with the bucket, one at a time. */
  #work: Promise<unknown> = Promise.resolve()
  /** Writes are given to the thread one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  /** The end of the write that was given last; it fails where one before it did. */
  #written: Promise<unknown> = Promise.resolve()

  constructor(tools: DraftTools) {
    this.#tools = tools
    this.#assembly = tools.assembly
    this.#spool = tools.spool
    this.#digest = tools.digest
    this.#parts = new DraftParts({ ...tools, inOrder: (work) => this.#inOrder(work) })
  }

  /** Where the bytes end that came, stored or not. */
  get to(): number {
    return this.#spool.to
  }

  /** Everything that came is stored, and nothing runs. */
  get isIdle(): boolean {
    return !this.isOpen && !this.#parts.isRunning && this.isStored
  }

  /** Nobody knows what is stored: the ledger did not answer. */
  get isUnsure(): boolean {
    return this.#assembly.isStale
  }

  /** Everything that came is stored. */
  get isStored(): boolean {
    return this.to === this.#assembly.stored
  }

  get kept(): Kept {
    return this.#assembly.kept
  }

  /** What the upload's facts say from now on. */
  setFacts({ length, checkpoints }: Pick<UploadFacts, 'length' | 'checkpoints'>): void {
    this.#parts.length = length
    this.#digest.setCheckpoints(checkpoints)
  }

  /**
   * Begins a body. Rejects with BytesFault where it does not begin at the end of what came, or where the bucket does
   * not have what is stored.
   */
  begin(position: number): Promise<void> {
    return this.#inOrder(async () => {
      await this.#assembly.refresh()
      if (this.to !== position) throw unlike(this.to, position)
      await this.#checkPresence()
      await this.#prepare()
      if (position > 0) await this.#digest.begin()
      this.#parts.begin()
      this.#written = Promise.resolve()
      this.isOpen = true
    })
  }

  /**
   * Writes bytes behind the others: `write` gets the file that they go to. Waits while S3 is slower than the sender.
   * Rejects as `write` does, and as an earlier part that could not be stored did.
   */
  async append<T>(position: number, bytes: number, write: (path: string) => Promise<T>): Promise<T> {
    const given = this.#turn.then(async () => {
      await this.#parts.room(() => this.#written)
      await this.#follow(bytes)
      if (this.to !== position) throw unlike(this.to, position)
      const path = await this.path()
      const before = this.#written
      const writing = write(path)
      this.#spool.grow(bytes)
      const both = Promise.all([before, writing])
      this.#written = both
      both.catch(() => {})
      // In an object: it is not waited for here.
      return { both }
    })
    this.#turn = given.catch(() => {})
    const { both } = await given
    try {
      const [, written] = await both
      this.#parts.send(position + bytes)
      return written
    } catch (error) {
      if (this.to > position) await this.#spool.cut(position)
      throw error
    }
  }

  /** The file that the next bytes go to. */
  async path(): Promise<string> {
    return this.#spool.next(this.#parts.nextBytes)
  }

  /** The body is over, and everything that came is stored. */
  async persist(): Promise<void> {
    this.isOpen = false
    await this.#inOrder(async () => {
      this.#parts.begin()
      await this.#digest.approach()
      const digest = await this.#digest.save()
      await this.#parts.sendAll(true)
      if (this.to > this.#assembly.stored) await this.#assembly.addTail(this.#parts.source, this.to, digest)
      else await this.#assembly.rest(digest)
    })
  }

  /** Makes the upload one object of `bytes` bytes. Rejects with BytesFault where others came, or are stored. */
  async finish(bytes: number, facts: () => string): Promise<void> {
    await this.#inOrder(async () => {
      await this.#assembly.refresh()
      if (this.to !== bytes) throw unlike(this.to, bytes)
      if (this.kept.tails.length > 0) await this.#checkPresence()
      await this.#prepare()
      await this.#parts.sendAll(false)
      await this.#assembly.finish(this.#parts.source, bytes, facts)
      this.isOpen = false
    })
  }

  /**
   * Cuts the upload to its first `to` bytes. Resolves with the file that `to` is in, which may be longer. Rejects with
   * BytesFault where fewer bytes came.
   */
  cut(to: number): Promise<string> {
    return this.#inOrder(async () => {
      await Promise.allSettled([this.#written])
      if (to > this.to) throw unlike(this.to, to)
      await this.#assembly.cut(to)
      this.#parts.writtenTo = to
      this.#digest.cut(to)
      return (await this.#spool.cut(to)) ?? (await this.path())
    })
  }

  /**
   * Gives bytes that came to `use`, which must not keep them; parts that must be read for that become an object. Nothing
   * is stored or removed meanwhile.
   */
  read<T>(range: Range, use: (pieces: AsyncIterable<Buffer>) => Promise<T>): Promise<T> {
    return this.#inOrder(() => this.#tools.bytes.read(range, use))
  }

  /** Reads on from where the digest stands; see Engine. */
  prove(range: Parameters<Engine['prove']>[1]): ReturnType<Engine['prove']> {
    return this.#digest.during(this.#inOrder(() => this.#digest.prove(range)))
  }

  /** The digest has come to a checkpoint: its state is stored with the bytes. */
  noteDigest(): Promise<void> {
    return this.#digest.note()
  }

  /** Makes the parts that are stored an object, which can be read. */
  seal(): Promise<void> {
    return this.#inOrder(() => this.#assembly.seal())
  }

  /** Waits for what runs, and removes its files. What is not stored is lost. */
  async drop(): Promise<void> {
    await this.#inOrder(async () => {
      await this.#assembly.underWay.ended()
      await this.#spool.restart(this.#assembly.stored)
      this.#parts.writtenTo = this.to
    })
  }

  async #checkPresence(): Promise<void> {
    const { stored } = this.#assembly
    if (stored === 0) return
    const present = await this.#tools.present(this.kept)
    if (present === undefined) throw new BytesFault('MISSING', 'the stored bytes are gone')
    if (present < stored) throw unlike(present, stored)
  }

  /** Brings what is behind the parts into the spool, where it is not there: it becomes part of the next part. */
  async #prepare(): Promise<void> {
    const { position: from, stored: to } = this.#assembly
    if (this.#spool.from <= from || this.to > to) return
    if (to > from) await this.#spool.refill({ from, to }, this.#tools.bytes.stored({ from, to }))
    else await this.#spool.restart(from)
    this.#parts.writtenTo = this.to
  }

  /** Bytes wait for a digest that is being read on. */
  async #follow(bytes: number): Promise<void> {
    if (!this.#digest.isNear) return this.#digest.turn(bytes)
    await Promise.allSettled([this.#written])
    await this.#inOrder(() => this.#digest.approach())
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}
