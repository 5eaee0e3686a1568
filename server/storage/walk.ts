import { opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isUploadId } from './paths.js'
import { readUpload, unlessMissing } from './reader.js'
import type { StoredUpload, UploadRow } from './upload.js'

/** The names in all day folders, one at a time, oldest day first; a folder is never held in memory whole. */
export async function* walk(dataDir: string): AsyncGenerator<string> {
  const root = join(dataDir, 'uploads')
  for (const year of await digits(root, 4)) {
    for (const month of await digits(join(root, year), 2)) {
      for (const day of await digits(join(root, year, month), 2)) {
        const folder = await unlessMissing(opendir(join(root, year, month, day)))
        if (folder) for await (const entry of folder) yield entry.name
      }
    }
  }
}

/**
 * The records of all uploads for a reindex, as their sidecars tell them; one that is in memory is told as it
 * is there. It is not left out: a request that only read it into memory will never write its record.
 */
export async function* rowsOnDisk(
  dataDir: string,
  bootId: string,
  inMemory: (id: string) => StoredUpload | undefined,
): AsyncGenerator<UploadRow> {
  for await (const name of walk(dataDir)) {
    if (!isUploadId(name)) continue
    const found = inMemory(name) ? undefined : await readUpload(dataDir, name, bootId)
    // It may have come into memory, or gone from there as a finished one, while the disk was read.
    const upload = inMemory(name) ?? (found?.kind === 'upload' ? found.upload : undefined)
    if (upload && !upload.gone) yield upload.toRow(upload.changedAtMs)
  }
}

/** Tells whether an upload still has its files; rows of others are removed by a reindex. */
export async function isOnDisk(dataDir: string, id: string, bootId: string): Promise<boolean> {
  return (await readUpload(dataDir, id, bootId)).kind !== 'missing'
}

async function digits(folder: string, length: number): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code)))
      return []
    throw error
  })
  return names.filter((name) => name.length === length && /^\d+$/.test(name)).sort()
}
