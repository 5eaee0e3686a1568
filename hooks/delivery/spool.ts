import { mkdir, open, opendir, readFile, rm, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing, unlessMissing } from '../../server/errors.js'
import { isUploadId } from '../../server/model/upload-id.js'
import type { PendingDelivery } from './delivery.js'
import { Reserve } from './reserve.js'
import { overLine, readPending } from './spool-lines.js'
import { Turns } from './turns.js'

/** Names that are read from the folder at once; it is never held in memory whole. */
const NAMES_AT_ONCE = 1024
const ENDING = '.jsonl'
/** Uploads that are sent at once. */
const MOST_SINGLES = 128
/** Headers of requests may be secrets. */
const [FILE_MODE, FOLDER_MODE] = [0o600, 0o700]

/** A line that could not be written; `written` is called once it is. */
interface HeldLine {
  readonly line: string
  readonly written: () => void
}

/**
 * The deliveries that one endpoint does not have yet, on the disk: a file for each upload that has any. A line is
 * written with its line break before it, so that it stands alone also behind a line that was torn.
 */
export class Spool {
  readonly folder: string
  readonly #flushFolder: ((folder: string) => Promise<void>) | null
  readonly #turns = new Turns()
  /** Lines that could not be written yet; they precede the next one of their upload. */
  readonly #held = new Map<string, HeldLine[]>()
  /** Uploads whose file had only this delivery when it was last read, and has had no line since; the newest ones. */
  readonly #single = new Map<string, string>()
  /** Files made before `count` is over. */
  #madeMeanwhile: Set<string> | null = new Set()
  #size = 0

  readonly #reserve: Reserve

  private constructor(
    folder: string,
    flushFolder: ((folder: string) => Promise<void>) | null,
    reserve: Reserve,
  ) {
    this.folder = folder
    this.#reserve = reserve
    this.#flushFolder = flushFolder
  }

  /** Makes the folder. `flushFolder` is null where nothing is to survive the loss of power. */
  static async open(folder: string, flushFolder: ((folder: string) => Promise<void>) | null): Promise<Spool> {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    await flushFolder?.(join(folder, '..'))
    return new Spool(folder, flushFolder, await Reserve.open(join(folder, 'reserve')))
  }

  /** Uploads that have a file here; exact once `count` is over. */
  get size(): number {
    return this.#size
  }

  /** Uploads that have lines which could not be written. */
  get heldIds(): string[] {
    return [...this.#held.keys()]
  }

  /** Counts the files that were there at the start. No file is removed meanwhile. */
  async count(): Promise<void> {
    let found = 0
    for await (const id of this.ids()) {
      // In turn: a file that is being made now may be noted a moment after its name is there.
      await this.#turns.take(id, async () => {
        if (!this.#madeMeanwhile?.has(id)) found += 1
      })
    }
    this.#size += found
    this.#madeMeanwhile = null
  }

  /** The uploads that have a file here, in no order. */
  async *ids(): AsyncGenerator<string> {
    for await (const entry of await opendir(this.folder, { bufferSize: NAMES_AT_ONCE })) {
      const isOurs = entry.isFile() && entry.name.endsWith(ENDING)
      const id = isOurs ? entry.name.slice(0, -ENDING.length) : ''
      if (isUploadId(id)) yield id
    }
  }

  /** Adds a line, not flushed. Rejects with the system's error; the line does not count then. */
  async append(id: string, line: string): Promise<void> {
    await this.#turns.take(id, () => this.#append(id, [line]))
  }

  /** Flushes the files of uploads, and their names. An upload without a file has nothing pending. Rejects with the system's error. */
  async flush(ids: ReadonlySet<string>): Promise<void> {
    if (!this.#flushFolder) return
    const flushed = await Promise.all([...ids].map((id) => this.#flushFile(id)))
    if (flushed.includes(true)) await this.#flushFolder(this.folder)
  }

  /**
   * Adds a line, or holds it where it cannot be written: it precedes the next one of its upload then. `written` is
   * called once it is. Rejects with the system's error where it is held.
   */
  async keep(id: string, kept: HeldLine): Promise<void> {
    await this.#turns.take(id, async () => {
      try {
        await this.#append(id, [kept.line])
      } catch (error) {
        this.#hold(id, kept)
        throw error
      }
      kept.written()
    })
  }

  /** Writes the lines of an upload that are held. Rejects with the system's error. */
  async writeHeld(id: string): Promise<void> {
    await this.#turns.take(id, () => this.#append(id, []))
  }

  /** What is pending of an upload, in order. A file without any is removed. Rejects with the system's error. */
  async read(id: string): Promise<PendingDelivery[]> {
    return this.#turns.take(id, async () => {
      const pending = await this.#read(id)
      if (pending.length === 0 && !this.#held.has(id)) await this.#remove(id)
      const [first, second] = pending
      if (first && !second) this.#noteSingle(id, first.id)
      return pending
    })
  }

  /** What is pending of an upload, in order. Changes nothing. */
  async look(id: string): Promise<PendingDelivery[]> {
    return isUploadId(id) ? this.#read(id) : []
  }

  /** Notes that deliveries are not pending any more; gives those that are. Rejects with the system's error. */
  async end(id: string, ended: readonly string[]): Promise<PendingDelivery[]> {
    return this.#turns.take(id, async () => {
      // Without another look: until this is on the disk a crash has the delivery sent again.
      const isWhole = ended.includes(this.#single.get(id) ?? '')
      const known = isWhole ? [] : await this.#read(id)
      const pending = known.filter((delivery) => !ended.includes(delivery.id))
      const hasHeld = this.#held.has(id)
      if (pending.length === 0 && !hasHeld) await this.#remove(id)
      else await this.#append(id, ended.map(overLine))
      // Lines that were held are there now.
      return hasHeld ? this.#read(id) : pending
    })
  }

  /**
   * Notes beside the file when its upload is due, so that a walk need not read it. The lines have it too: where the
   * note is lost the file is only read too early.
   */
  async noteDue(id: string, dueMs: number): Promise<void> {
    await utimes(this.#pathOf(id), dueMs / 1000, dueMs / 1000)
  }

  /** When an upload is due by that note, in milliseconds since 1970; 0 where it cannot be read. */
  async dueMs(id: string): Promise<number> {
    try {
      return (await stat(this.#pathOf(id))).mtimeMs
    } catch {
      return 0
    }
  }

  /** Keeps no room for events any more. */
  close(): void {
    this.#reserve.close()
  }

  /** Resolves when nothing is being read or written. */
  async idle(): Promise<void> {
    await this.#turns.idle()
  }

  #hold(id: string, line: HeldLine): void {
    const held = this.#held.get(id)
    if (held) held.push(line)
    else this.#held.set(id, [line])
  }

  #noteSingle(id: string, deliveryId: string): void {
    this.#single.set(id, deliveryId)
    for (const [oldest] of this.#single) if (this.#single.size > MOST_SINGLES) this.#single.delete(oldest)
  }

  async #read(id: string): Promise<PendingDelivery[]> {
    return readPending((await readFile(this.#pathOf(id), 'utf8').catch(unlessMissing)) ?? '')
  }

  async #append(id: string, lines: readonly string[]): Promise<void> {
    this.#single.delete(id)
    const held = this.#held.get(id) ?? []
    const all = [...held.map(({ line }) => line), ...lines]
    if (all.length === 0) return
    const text = all.map((line) => `\n${line}`).join('')
    await this.#reserve.within(() => this.#write(id, text))
    this.#held.delete(id)
    for (const { written } of held) written()
  }

  async #write(id: string, text: string): Promise<void> {
    const file = await open(this.#pathOf(id), 'a', FILE_MODE)
    let isNew = false
    try {
      isNew = (await file.stat()).size === 0
      await file.appendFile(text)
    } catch (error) {
      if (isNew) await rm(this.#pathOf(id), { force: true })
      throw error
    } finally {
      await file.close()
    }
    if (isNew) this.#size += 1
    if (isNew) this.#madeMeanwhile?.add(id)
  }

  /** Tells whether there is such a file. */
  async #flushFile(id: string): Promise<boolean> {
    const file = await open(this.#pathOf(id), 'r+').catch(unlessMissing)
    if (!file) return false
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
    return true
  }

  async #remove(id: string): Promise<void> {
    this.#single.delete(id)
    try {
      await unlink(this.#pathOf(id))
      this.#size -= 1
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  #pathOf(id: string): string {
    if (!isUploadId(id)) throw new Error('not an upload id')
    return join(this.folder, `${id}${ENDING}`)
  }
}
