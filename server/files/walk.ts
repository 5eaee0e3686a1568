import { opendir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { StoredUpload, UploadRow } from '../uploads/upload.js'
import { isUploadId, pathsOf } from './paths.js'
import { readUpload, unlessMissing } from './reader.js'

/** Names that are read from a folder at once; it is never held in memory whole. */
const NAMES_AT_ONCE = 1024

/**
 * The names in all day folders, newest day first, in batches of the same folder.
 *
 * @param fromDay the oldest day, as `YYYY/MM/DD`; every day without it
 */
export async function* walk(dataDir: string, fromDay = ''): AsyncGenerator<readonly string[]> {
  const root = join(dataDir, 'uploads')
  for (const year of await digits(root, 4)) {
    for (const month of await digits(join(root, year), 2)) {
      for (const day of await digits(join(root, year, month), 2)) {
        if (`${year}/${month}/${day}` >= fromDay) yield* namesIn(join(root, year, month, day))
      }
    }
  }
}

async function* namesIn(path: string): AsyncGenerator<readonly string[]> {
  const folder = await unlessMissing(opendir(path, { bufferSize: NAMES_AT_ONCE }))
  if (!folder) return
  let names: string[] = []
  for await (const entry of folder) {
    names.push(entry.name)
    if (names.length < NAMES_AT_ONCE) continue
    yield names
    names = []
  }
  yield names
}

/** The records of all uploads for a reindex, as their sidecars tell them. */
export async function* rowsOnDisk(dataDir: string, bootId: string): AsyncGenerator<UploadRow> {
  for await (const names of walk(dataDir)) {
    for (const name of names) {
      const found = await readUpload(dataDir, name, bootId)
      if (found.kind === 'upload') yield rowOf(found.upload)
    }
  }
}

/** The record of an upload that nobody changes now. */
export function rowOf(upload: StoredUpload): UploadRow {
  return upload.toRow(upload.changedAtMs)
}

/** The upload that a name in a day folder belongs to; undefined for any other name. */
export function idOfName(name: string): string | undefined {
  const id = name.replace(/\.json(?:\.tmp)?$/, '')
  return isUploadId(id) ? id : undefined
}

/** Tells whether an upload still has its files; rows of others are removed by a reindex. */
export async function isOnDisk(dataDir: string, id: string): Promise<boolean> {
  if (!isUploadId(id)) return false
  return (await unlessMissing(stat(pathsOf(dataDir, id).file)))?.isFile() === true
}

/** The names of so many digits in a folder, the latest first. */
async function digits(folder: string, length: number): Promise<string[]> {
  const names = (await unlessMissing(readdir(folder))) ?? []
  return names
    .filter((name) => name.length === length && /^\d+$/.test(name))
    .sort()
    .reverse()
}
