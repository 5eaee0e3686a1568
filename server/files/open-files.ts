import * as fs from 'node:fs'
import { basename } from 'node:path'
import { isMissing } from '../errors.js'
import { BytesFault } from '../model/engine-error.js'

/** An upload's file that stays open while a body runs. */
interface OpenFile {
  readonly fd: number
  readonly dev: number
  readonly ino: number
  /** What still uses the descriptor beside the body. */
  uses: number
  closing: boolean
  /** No body runs; it is kept for the next one. */
  resting: boolean
}

/**
 * The files of uploads whose bodies run, by id, which is the file's name: a body that has begun needs no further descriptor for its bytes,
 * also where none is left for others.
 */
export class OpenFiles {
  readonly #files = new Map<string, OpenFile>()

  /**
   * The descriptor of an upload's file, opened where it is not open. Throws BytesFault where the file is not
   * `bytes` long, and the system's error.
   */
  open(path: string, bytes: number): number {
    const known = this.#at(path)
    const fd = known?.fd ?? openPresent(path, 'r+')
    const { size, dev, ino } = fs.fstatSync(fd)
    if (known) known.resting = false
    else this.#files.set(basename(path), { fd, dev, ino, uses: 0, closing: false, resting: false })
    if (size === bytes) return fd
    if (!known) this.close(basename(path))
    throw unlike(size, bytes)
  }

  /** Tells whether an upload's file is open. */
  isOpen(id: string): boolean {
    return this.#files.has(id)
  }

  /** Tells whether an upload's file is open although no body runs. */
  isResting(id: string): boolean {
    return this.#files.get(id)?.resting === true
  }

  /** A body has ended: its upload's file stays open for the next one. */
  rest(id: string): void {
    const file = this.#files.get(id)
    if (file) file.resting = true
  }

  #at(path: string): OpenFile | undefined {
    return this.#files.get(basename(path))
  }

  /** Throws BytesFault unless the file at `path` is `bytes` long and, where the upload is open, the open one. */
  check(path: string, bytes: number): void {
    const found = fs.statSync(path, { throwIfNoEntry: false })
    if (!found) throw new BytesFault('MISSING', 'the file is gone')
    const held = this.#at(path)
    if (held && (found.ino !== held.ino || found.dev !== held.dev))
      throw new BytesFault('REPLACED', 'another file is in its place')
    if (found.size !== bytes) throw unlike(found.size, bytes)
  }

  /** Runs `work` with a descriptor of the file: the open one, or one for this alone. */
  async use<T>(path: string, work: (fd: number) => Promise<T>): Promise<T> {
    const held = this.#at(path)
    if (!held) {
      const fd = openPresent(path, 'r+')
      return await work(fd).finally(() => fs.closeSync(fd))
    }
    held.uses += 1
    try {
      return await work(held.fd)
    } finally {
      held.uses -= 1
      if (held.closing && held.uses === 0) fs.closeSync(held.fd)
    }
  }

  /** Cuts a file to `bytes`. Throws BytesFault where it is shorter: it is not filled with zeros. */
  cut(path: string, bytes: number): void {
    const held = this.#at(path)
    const fd = held?.fd ?? openPresent(path, 'r+')
    try {
      const { size } = fs.fstatSync(fd)
      if (size < bytes) throw unlike(size, bytes)
      if (size > bytes) fs.ftruncateSync(fd, bytes)
    } finally {
      if (!held) fs.closeSync(fd)
    }
  }

  /** Closes an upload's file once nothing uses it; one that is not open is no error. */
  close(id: string): void {
    const file = this.#files.get(id)
    if (!file) return
    this.#files.delete(id)
    file.closing = true
    if (file.uses === 0) fs.closeSync(file.fd)
  }
}

/** Opens a file of an upload. Throws BytesFault where it is gone, and the system's error. */
export function openPresent(path: string, flags: 'r' | 'r+'): number {
  try {
    return fs.openSync(path, flags)
  } catch (error) {
    if (isMissing(error)) throw new BytesFault('MISSING', 'the file is gone')
    throw error
  }
}

function unlike(found: number, bytes: number): BytesFault {
  return new BytesFault('DAMAGED', `the file has ${found} bytes, not ${bytes}`)
}
