import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { CreateTask, ReplaceTask, TruncateTask } from './thread-tasks.js'

/** What the digest thread does with whole files: makes, replaces, cuts and removes them. */

const FILE_MODE = 0o640
const FOLDER_MODE = 0o750

const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)

/** A descriptor to write with, or what the system said. */
export function openToWrite(path: string): number | { code: string; message: string } {
  try {
    return fs.openSync(path, 'r+')
  } catch (error) {
    return describe(error)
  }
}

/** Writes all of `bytes` at `position` and returns where they end. Throws the system's error. */
export function writeWhole(fd: number, bytes: Uint8Array, position: number): number {
  let done = 0
  while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
  return position + done
}

/** An error as plain values: what the thread answers is copied. */
export function describe(error: unknown): { code: string; message: string } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
  return { code, message: error instanceof Error ? error.message : String(error) }
}

/** Creates an empty file and its sidecar, both or none. Rejects with the system's error. */
export async function create(task: CreateTask): Promise<void> {
  const folder = dirname(task.path)
  fs.closeSync(openNew(task.path, folder))
  try {
    await replace({
      kind: 'replace',
      path: task.sidecarPath,
      text: task.sidecarText,
      durable: task.durable,
      bytesPath: null,
    })
  } catch (error) {
    remove([task.path, task.sidecarPath])
    throw error
  }
}

function openNew(path: string, folder: string): number {
  try {
    return fs.openSync(path, 'wx', FILE_MODE)
  } catch (error) {
    if (describe(error).code !== 'ENOENT') throw error
    makeFolder(folder)
    return fs.openSync(path, 'wx', FILE_MODE)
  }
}

/** Makes the folders of a day, once a day, and flushes those they are listed in: an upload may not vanish with them. */
function makeFolder(folder: string): void {
  const first = fs.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const fd = fs.openSync(dirname(made), 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
}

/** Replaces a small file at once or not at all. Rejects with the system's error. */
export async function replace(task: ReplaceTask): Promise<void> {
  if (task.durable && task.bytesPath !== null) await flush(task.bytesPath)
  const temporary = `${task.path}.tmp`
  try {
    const fd = fs.openSync(temporary, 'w', FILE_MODE)
    try {
      writeWhole(fd, Buffer.from(task.text), 0)
      if (task.durable) await fsync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(temporary, task.path)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  if (task.durable) await flushFolder(dirname(task.path))
}

async function flushFolder(folder: string): Promise<void> {
  const fd = fs.openSync(folder, 'r')
  try {
    await fsync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Flushes a file's bytes. Rejects with the system's error. */
export async function flush(path: string): Promise<void> {
  const fd = fs.openSync(path, 'r+')
  try {
    await fdatasync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Cuts a file. Throws the system's error. */
export function truncate(task: TruncateTask): void {
  fs.truncateSync(task.path, task.length)
}

/** Removes files; one that is not there is no error. */
export function remove(paths: readonly string[]): void {
  for (const path of paths) fs.rmSync(path, { force: true })
}
