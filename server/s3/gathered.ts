import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../errors.js'
import type { Sent } from './calls.js'
import { FileBody } from './file-body.js'

/** Bytes in the scratch folder that are sent together. */
export class Gathered {
  readonly #path: string
  readonly #file: FileHandle
  #bytes = 0

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  /** An empty one. Rejects with the system's error. */
  static async begin(folder: string): Promise<Gathered> {
    const path = join(folder, `gathered-${randomUUID()}`)
    return new Gathered(path, await open(path, 'wx', 0o640))
  }

  /** Adds bytes. Rejects with the system's error. */
  async add(bytes: Uint8Array): Promise<void> {
    await this.#file.writeFile(bytes)
    this.#bytes += bytes.length
  }

  /** All that was added, to be sent. */
  get sent(): Sent {
    const range = { path: this.#path, from: 0, to: this.#bytes }
    return { bytes: this.#bytes, stream: () => new FileBody([range]) }
  }

  /** Removes it. */
  async remove(): Promise<void> {
    await this.#file.close().catch(() => {})
    await unlink(this.#path).catch(unlessMissing)
  }
}
