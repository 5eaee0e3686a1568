import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { UploadError } from '../../server/errors.js'
import { isUploadId } from '../../server/model/upload-id.js'
import { uploadOfDelivery } from './delivery.js'

/** A sector of the disk, which is written as a whole or not at all. */
const SLOT_BYTES = 512
const NOTHING = Buffer.alloc(SLOT_BYTES)
const FILE_MODE = 0o600
/** How the id of a delivery ends; one that was written in part says nothing. */
const END_OF_ID = /_[0-9a-f]{24}$/

interface Waiting {
  readonly granted: (slot: number) => void
  readonly failed: (error: Error) => void
}

/**
 * Which uploads are being finished, on the disk: a file with a slot for each. Its blocks are there already, so that a
 * mark is one write and one flush of the disk, without the file system's journal.
 */
export class FinishMarks {
  readonly #file: FileHandle
  /** Writes of this one last when they return. */
  readonly #flushed: FileHandle
  /** The delivery that each slot had at the start, until what becomes of it is known. */
  readonly left: Map<number, string>
  readonly #slots: number
  readonly #free: number[]
  readonly #waiting: Waiting[] = []

  private constructor(file: FileHandle, flushed: FileHandle, slots: number, found: readonly string[]) {
    this.#file = file
    this.#flushed = flushed
    this.#slots = slots
    const all = found.map((id, slot) => [slot, id] as const)
    this.left = new Map(all.filter(([, id]) => id !== ''))
    this.#free = all.filter(([, id]) => id === '').map(([slot]) => slot)
  }

  /**
   * Opens the file of an endpoint's folder, or makes it. It has so many slots besides those that are taken: a mark
   * whose upload cannot be read for long takes the place of no other. `flushFolder` is null where nothing is to survive
   * the loss of power. Rejects with the system's error.
   */
  static async open(
    folder: string,
    slots: number,
    flushFolder: ((folder: string) => Promise<void>) | null,
  ): Promise<FinishMarks> {
    const path = join(folder, 'finishing')
    const flags = constants.O_RDWR | constants.O_CREAT
    const file = await open(path, flags, FILE_MODE)
    try {
      const before = await file.readFile()
      const taken = idsIn(before).filter((id) => id !== '').length
      const content = Buffer.alloc(Math.max(wholeSlots(before), slots + taken) * SLOT_BYTES)
      before.copy(content)
      if (before.length < content.length) {
        await file.write(content, before.length, content.length - before.length, before.length)
        if (flushFolder) await file.sync()
        await flushFolder?.(folder)
      }
      const flushed = await open(path, flags | (flushFolder ? constants.O_DSYNC : 0), FILE_MODE)
      return new FinishMarks(file, flushed, slots, idsIn(content))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Tells whether most slots are free: what may take long takes none of the last. */
  get isRoomy(): boolean {
    return this.#free.length > this.#slots / 2
  }

  /**
   * Marks a delivery, flushed; gives its slot. Where all are taken it waits for one. Rejects with the system's error,
   * and as `fail` says.
   */
  async set(deliveryId: string): Promise<number> {
    const slot = this.#free.pop() ?? (await this.#wait())
    const content = Buffer.alloc(SLOT_BYTES)
    content.write(deliveryId)
    try {
      await this.#flushed.write(content, 0, SLOT_BYTES, slot * SLOT_BYTES)
      return slot
    } catch (error) {
      this.#release(slot)
      throw error
    }
  }

  /** Takes a mark away. It is not flushed: one that comes back is looked at again. Rejects with the system's error. */
  async clear(slot: number): Promise<void> {
    try {
      await this.#file.write(NOTHING, 0, SLOT_BYTES, slot * SLOT_BYTES)
    } finally {
      this.#release(slot)
    }
  }

  /** Nobody waits for a slot any more: what holds the slots cannot be written. */
  fail(cause: unknown): void {
    const detail = 'too many finishes wait for the disk'
    for (const { failed } of this.#waiting.splice(0)) failed(new UploadError('disk_full', { cause, detail }))
  }

  /** Ends after what is being written. */
  async close(): Promise<void> {
    await Promise.all([this.#file.close(), this.#flushed.close()])
  }

  #release(slot: number): void {
    const next = this.#waiting.shift()
    if (next) next.granted(slot)
    else this.#free.push(slot)
  }

  #wait(): Promise<number> {
    return new Promise((granted, failed) => this.#waiting.push({ granted, failed }))
  }
}

function wholeSlots(content: Buffer): number {
  return Math.ceil(content.length / SLOT_BYTES)
}

function idsIn(content: Buffer): string[] {
  return Array.from({ length: wholeSlots(content) }, (_, slot) => {
    const text = content.toString('latin1', slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)
    const id = text.split('\0', 1)[0] ?? ''
    return END_OF_ID.test(id) && isUploadId(uploadOfDelivery(id)) ? id : ''
  })
}
