import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { systemCodeOf } from '../errors.js'
import { formatSidecar, sidecarOf } from '../model/sidecar.js'
import type { UploadFacts } from '../model/upload-facts.js'
import { flushFolder } from './flush-folder.js'
import { pathsOf } from './paths.js'

const FILE_MODE = 0o640
const FOLDER_MODE = 0o750

interface Adopted {
  readonly facts: UploadFacts
  /** The file to take over. */
  readonly bytesPath: string
  /** The bytes came just now, as far as expiry is concerned. */
  readonly touch: boolean
}

/**
 * Makes files from elsewhere uploads of this data folder, for a command that has the folder for itself. The sidecar is
 * written before the bytes are moved: a crash in between leaves a sidecar alone, which is no upload.
 */
export class Adoption {
  readonly #dataDir: string
  readonly #bootId: string

  constructor(dataDir: string, bootId: string) {
    this.#dataDir = dataDir
    this.#bootId = bootId
  }

  /**
   * Moves a file to its place and writes its sidecar, both flushed. On another file system it is copied, and removed
   * when the copy is flushed. Nothing is done to it behind the move: an upload is adopted whole or not at all. Rejects
   * with the system's error, and where `signal` aborts a copy.
   */
  async adopt({ facts, bytesPath, touch }: Adopted, signal: AbortSignal): Promise<void> {
    const { file, sidecar } = pathsOf(this.#dataDir, facts.id)
    const folder = dirname(file)
    const made = await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    for (let each = folder; made !== undefined && each.length >= made.length; each = dirname(each))
      await flushFolder(dirname(each))
    await flushed(bytesPath)
    const updatedAt = new Date().toISOString()
    const text = formatSidecar(sidecarOf(facts, { updatedAt, bootId: this.#bootId }))
    await replaced(sidecar, text)
    await this.#move(bytesPath, file, touch, signal)
    await flushFolder(folder)
  }

  async #move(from: string, to: string, touch: boolean, signal: AbortSignal): Promise<void> {
    const { dev, mtime } = await stat(from)
    const changedAt = touch ? new Date() : mtime
    try {
      if (dev === (await stat(dirname(to))).dev) await prepared(from, changedAt)
      await rename(from, to)
    } catch (error) {
      if (systemCodeOf(error) !== 'EXDEV') throw error
      await this.#copy(from, to, changedAt, signal)
      await flushFolder(dirname(to))
      await rm(from)
    }
  }

  async #copy(from: string, to: string, changedAt: Date, signal: AbortSignal): Promise<void> {
    const copy = join(this.#dataDir, 'uploads', 'adopting.tmp')
    try {
      await pipeline(createReadStream(from), createWriteStream(copy, { mode: FILE_MODE }), { signal })
      await prepared(copy, changedAt)
      await flushed(copy)
      await rename(copy, to)
    } catch (error) {
      await rm(copy, { force: true })
      throw error
    }
  }
}

/** Gives a file the mode of an upload, and its age. */
async function prepared(path: string, changedAt: Date): Promise<void> {
  await chmod(path, FILE_MODE)
  await utimes(path, changedAt, changedAt)
}

async function flushed(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function replaced(path: string, text: string): Promise<void> {
  const written = `${path}.tmp`
  const file = await open(written, 'w', FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(written, path)
}
