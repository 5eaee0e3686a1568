import { setImmediate } from 'node:timers/promises'
import type { Checkpoint } from '../model/checkpoint.js'
import type { Engine } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'
import type { SavedDigest } from '../model/saved-digest.js'
import type { DraftBytes } from './draft-bytes.js'
import { withFetched } from './fetched.js'
import type { Kept } from './ledger.js'
import type { SpoolWriter } from './spool-writer.js'

export type DigestWriter = Pick<SpoolWriter, 'resume' | 'saveDigest' | 'prove'>

export interface DraftDigestTools {
  readonly id: string
  readonly writer: DigestWriter
  /** The scratch folder. */
  readonly scratch: string
  readonly bytes: DraftBytes
}

type Proving = Parameters<Engine['prove']>[1]
type Proven = Awaited<ReturnType<Engine['prove']>>

/** A body begins once so many bytes are read that the digest lacks. */
const READ_FIRST_BYTES = 32 * 1024 * 1024
/** If it lacks no more than these, what comes waits until it has them. They are still in the scratch folder. */
const NEAR_BYTES = 8 * 1024 * 1024
const STEP_BYTES = 8 * 1024 * 1024
/** While it lacks more, one byte may come for so many that are read. */
const READ_FOR_ONE = 8
/** But no batch waits for more steps than these: its body may have to end soon. */
const MOST_STEPS = 4
/** While it lacks any, so many parts that are stored stay in the scratch folder for it. */
const PARTS_HELD = 2

/**
 * The rolling digest of an upload that is being written, which a thread has.
 *
 * It is Node's own for as long as this process writes the upload: fast, but its state cannot be saved. A process that
 * goes on with an upload of which it has no digest loads the state in the ledger, or reads the bytes from their start.
 * From then on the state can be saved, and is, with the end of each body: no byte is read a second time.
 *
 * While it is being read on, new bytes come slower than it is read. Without that, parts would be sealed again and again
 * to be read, each time with a copy of the base. One call at a time, where it does not say otherwise.
 */
export class DraftDigest {
  readonly #tools: DraftDigestTools
  #checkpoints: readonly Checkpoint[] = []
  #isMovable = false
  /** Where it stands, while it does not cover all bytes that came. */
  #behind: number | undefined
  /** So many bytes may come before it has to be read on. */
  #credit = 0
  #step: Promise<unknown> | undefined
  /** Its state amid a body, until the bytes that it covers are stored. */
  #noted: SavedDigest | undefined

  constructor(tools: DraftDigestTools) {
    this.#tools = tools
  }

  /** What it is compared with where nobody else says. */
  setCheckpoints(checkpoints: readonly Checkpoint[]): void {
    this.#checkpoints = checkpoints
  }

  /** It lacks bytes that came, but few. May be called at any time. */
  get isNear(): boolean {
    return this.#lag > 0 && this.#lag <= NEAR_BYTES
  }

  /** Before a body: where this process goes on with what another one wrote, it gets the digest, too. */
  async begin(): Promise<void> {
    await this.#catchUp(READ_FIRST_BYTES)
  }

  /** Reads on where it lacks few bytes. Does not reject: what fails, fails again for whoever proves the upload, and is reported. */
  async approach(): Promise<void> {
    if (this.isNear) await this.#catchUp(NEAR_BYTES).catch(() => {})
  }

  /** Reads on; see Engine. Rejects with BytesFault where bytes are not there. */
  async prove({ to, checkpoints, budgetBytes }: Proving): Promise<Proven> {
    const kept = await this.#tools.bytes.kept()
    const from = await this.#resume(kept)
    const base = kept.base?.bytes ?? 0
    // What is behind the base may have to be sealed, which is not done before the base is read.
    const end = Math.min(to, from < base ? base : to, from + budgetBytes)
    return end > from ? this.#read({ from, to: end }, checkpoints) : { offset: from, damagedAfter: null }
  }

  /** It is being read on until `step` is over. May be called at any time. */
  async during<T>(step: Promise<T>): Promise<T> {
    this.#step = step
    try {
      return await step
    } finally {
      if (this.#step === step) this.#step = undefined
    }
  }

  /** Waits until so many bytes may come; no longer than it is being read on. May be called at any time. */
  async turn(bytes: number): Promise<void> {
    for (let steps = 0; steps < MOST_STEPS; steps++) {
      if (this.#lag === 0 || this.#credit >= bytes || !this.#step) break
      await Promise.allSettled([this.#step])
      // The next step begins.
      await setImmediate()
    }
    this.#credit = Math.max(0, this.#credit - bytes)
  }

  /** From where on bytes stay in the scratch folder, where those before `position` are in parts. */
  heldFrom(position: number, partBytes: number): number {
    if (this.#behind === undefined) return position
    return Math.min(position, Math.max(this.#behind, position - PARTS_HELD * partBytes))
  }

  /** Its state; undefined where that cannot be saved. */
  async save(): Promise<SavedDigest | undefined> {
    const { id, writer, bytes } = this.#tools
    if (!this.#isMovable) return undefined
    // A thread that has ended has no digest any more.
    const saved = await writer.saveDigest(id).catch(() => null)
    return saved && saved.offset > 0 && saved.offset <= bytes.to ? saved : undefined
  }

  /** Saves its state, for the part with which its bytes are stored. May be called at any time. */
  async note(): Promise<void> {
    this.#noted = await this.save()
  }

  /** The state that was noted, where so many bytes are stored. */
  noted(stored: number): SavedDigest | undefined {
    if (!this.#noted || this.#noted.offset > stored) return undefined
    const noted = this.#noted
    this.#noted = undefined
    return noted
  }

  /** Only the first `to` bytes are left. */
  cut(to: number): void {
    this.#noted = undefined
    if (this.#behind !== undefined && this.#behind >= to) this.#behind = undefined
  }

  get #lag(): number {
    const { to } = this.#tools.bytes
    return to - (this.#behind ?? to)
  }

  /** Resolves with where it stands; where the thread has none, or less than the ledger, it is loaded or begun. */
  async #resume(kept: Kept): Promise<number> {
    const { id, writer, bytes } = this.#tools
    const saved = kept.digest && kept.digest.offset <= bytes.to ? kept.digest : null
    const marked = this.#checkpoints.find(({ offset }) => offset === saved?.offset)
    const task = { id, saved, sha256: marked?.sha256 ?? null, to: bytes.to }
    const { offset, isMovable } = await writer.resume(task)
    this.#isMovable = isMovable
    this.#standsAt(offset)
    return offset
  }

  /** Damage is left to whoever proves the upload. */
  async #catchUp(mostBytes: number): Promise<void> {
    const kept = await this.#tools.bytes.kept()
    const from = await this.#resume(kept)
    const to = Math.min(this.#tools.bytes.to, from + mostBytes)
    const step = { to, checkpoints: this.#checkpoints, budgetBytes: STEP_BYTES }
    for (let at = from; at < to; ) {
      const { offset, damagedAfter } = await this.prove(step)
      if (damagedAfter !== null) return
      at = offset
    }
  }

  async #read(
    { from, to }: { from: number; to: number },
    checkpoints: readonly Checkpoint[],
  ): Promise<Proven> {
    const { id, writer, scratch, bytes } = this.#tools
    const read = await bytes.read({ from, to }, (pieces) =>
      withFetched(scratch, { from, pieces }, (path, end) => {
        if (end !== to) throw new BytesFault('DAMAGED', `${end} bytes are stored, not ${to}`)
        return writer.prove({ id, path, to, checkpoints, budgetBytes: to - from })
      }),
    )
    this.#credit += (read.offset - from) / READ_FOR_ONE
    // Whoever proves the upload finds damage, too: nothing waits for a digest that is no more.
    if (read.damagedAfter === null) this.#standsAt(read.offset)
    else this.#behind = undefined
    return read
  }

  #standsAt(offset: number): void {
    this.#behind = offset < this.#tools.bytes.to ? offset : undefined
    if (this.#behind === undefined) this.#credit = 0
  }
}
