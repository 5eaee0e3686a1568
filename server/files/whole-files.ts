import * as fs from 'node:fs'
import { basename, dirname } from 'node:path'
import { promisify } from 'node:util'
import { isMissing, systemCodeOf } from '../errors.js'
import { BytesFault } from '../model/engine-error.js'
import { FolderFlushes } from './folder-flushes.js'
import type { OpenFiles } from './open-files.js'
import { SmallFlushes } from './small-flushes.js'
import type { CreateTask, RemoveTask, ReplaceTask } from './writer-tasks.js'

/** What a thread does with whole files: makes, replaces and removes them. */

const FILE_MODE = 0o640
const FOLDER_MODE = 0o750

/** The flush of a file of so many bytes is a small one. */
const SMALL_BYTES = 1024 * 1024

const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)
const small = new SmallFlushes(() => performance.now())

/** Flushes a file that is small, or a folder. Rejects with the system's error. */
function fsyncSmall(fd: number): Promise<void> {
  return small.run(
    () => fs.fsyncSync(fd),
    () => fsync(fd),
  )
}

/** Writes all of `bytes` at `position` and returns where they end. Throws the system's error. */
export function writeWhole(fd: number, bytes: Uint8Array, position: number): number {
  let done = 0
  while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
  return position + done
}

/** Creates an empty file and its sidecar, both or none. Rejects with the system's error. */
export async function create(task: CreateTask, files: OpenFiles): Promise<void> {
  const folder = dirname(task.path)
  fs.closeSync(openNew(task.path, folder))
  const { sidecarPath: path, sidecarText: text, durable } = task
  try {
    // Also after a creation that failed between the making of a folder and its flush.
    flushNewFolders()
    await replace({ kind: 'replace', path, text, durable, bytesPath: null }, files)
  } catch (error) {
    await remove({ paths: [task.path, path], durable: false })
    throw error
  }
}

function openNew(path: string, folder: string): number {
  try {
    return fs.openSync(path, 'wx', FILE_MODE)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
    makeFolder(folder)
    return fs.openSync(path, 'wx', FILE_MODE)
  }
}

/** Folders that list a new one and could not be flushed yet. */
const unflushed = new Set<string>()

/** Makes the folders of a day, once a day, and flushes those they are listed in: an upload may not vanish with them. */
function makeFolder(folder: string): void {
  const first = fs.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
  for (let made = folder; first !== undefined && made.length >= first.length; made = dirname(made))
    unflushed.add(dirname(made))
}

function flushNewFolders(): void {
  for (const folder of unflushed) {
    if (fs.existsSync(folder)) flushFolderNow(folder)
    unflushed.delete(folder)
  }
}

function flushFolderNow(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Replaces a small file at once or not at all. Rejects with the system's error, and with BytesFault where the
 * upload's own file is not as it must be.
 */
export async function replace(task: ReplaceTask, files: OpenFiles): Promise<void> {
  const { bytesPath } = task
  if (task.durable && bytesPath !== null && !task.areFlushed)
    await flush(bytesPath, files, task.finishedBytes)
  const temporary = `${task.path}.tmp`
  try {
    const fd = fs.openSync(temporary, 'w', FILE_MODE)
    try {
      writeWhole(fd, Buffer.from(task.text), 0)
      if (task.durable) await fsyncSmall(fd)
    } finally {
      fs.closeSync(fd)
    }
    // Checked last: a later change of the file would be recorded as finished.
    if (bytesPath !== null && task.finishedBytes !== undefined) files.check(bytesPath, task.finishedBytes)
    fs.renameSync(temporary, task.path)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    // Without its folder the upload has no bytes either.
    if (!fs.existsSync(dirname(task.path))) throw new BytesFault('MISSING', 'the folder is gone')
    throw error
  }
  if (bytesPath !== null && task.finishedBytes !== undefined) files.close(basename(bytesPath))
  if (task.durable) await folders.flush(dirname(task.path))
}

/** Opened for each flush: a descriptor that is kept could be that of a folder that was replaced. */
const folders = new FolderFlushes(async (folder) => {
  const fd = fs.openSync(folder, 'r')
  try {
    await fsyncSmall(fd)
  } finally {
    fs.closeSync(fd)
  }
})

/** Flushes a file's bytes, and is quicker where it is known that they are few. Rejects with the system's error. */
export async function flush(path: string, files: OpenFiles, bytes = Number.POSITIVE_INFINITY): Promise<void> {
  await files.use(path, (fd) => {
    const beside = (): Promise<void> => fdatasync(fd)
    return bytes <= SMALL_BYTES ? small.run(() => fs.fdatasyncSync(fd), beside) : beside()
  })
}

/**
 * Removes files in their order; one that is not there is no error. Rejects with the system's error; nothing is
 * removed where a folder that must be flushed cannot be opened.
 */
export async function remove({ paths, durable }: Pick<RemoveTask, 'paths' | 'durable'>): Promise<void> {
  const folders = durable ? openFolders(paths) : []
  try {
    for (const path of paths) removeFile(path)
    for (const fd of folders) await fsync(fd)
  } finally {
    for (const fd of folders) fs.closeSync(fd)
  }
}

function openFolders(paths: readonly string[]): number[] {
  const opened: number[] = []
  try {
    for (const folder of new Set(paths.map((path) => dirname(path)))) {
      if (fs.existsSync(folder)) opened.push(fs.openSync(folder, 'r'))
    }
  } catch (error) {
    for (const fd of opened) fs.closeSync(fd)
    throw error
  }
  return opened
}

function removeFile(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
