import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY_FOLDER = '/dev/shm'
const CHUNK = Buffer.alloc(2 ** 20, 'warm')

/** A folder for one benchmark, removed when the process ends, however it ends. */
export class Workspace {
  readonly folder: string
  readonly parent: string
  #count = 0

  constructor(parent: string) {
    this.parent = parent
    this.folder = mkdtempSync(join(parent, 'lading-bench-'))
    process.on('exit', () => rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 }))
  }

  /** A new empty folder. */
  async fresh(): Promise<string> {
    this.#count += 1
    const folder = join(this.folder, String(this.#count))
    await mkdir(folder)
    return folder
  }

  async remove(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  /**
   * Writes and frees as much memory as the next case needs. In a virtual machine the host serves the first
   * touch of a page. That costs more than all the rest, and whoever came first would pay for it.
   */
  async warm(bytes: number): Promise<void> {
    const path = join(this.folder, 'warm')
    const file = await open(path, 'w')
    try {
      for (let written = 0; written < bytes; written += CHUNK.length) await file.write(CHUNK)
    } finally {
      await file.close()
      await rm(path)
    }
  }
}

/** Bytes free for files in a folder. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** The tmpfs if it has room for `bytes`, else the folder for temporary files. */
export function defaultFolder(bytes: number): string {
  try {
    return freeBytes(MEMORY_FOLDER) > bytes ? MEMORY_FOLDER : tmpdir()
  } catch {
    // Not every system has one.
    return tmpdir()
  }
}
