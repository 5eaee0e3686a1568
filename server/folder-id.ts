import { randomUUID } from 'node:crypto'
import { link, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCodeOf } from './errors.js'

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * The id of a data folder, in its file `lading.id`; made where there is none. A database that is not in the folder has it
 * too, so that the index of one folder is never taken for another's. Rejects with the system's error, and where the file
 * has no id.
 */
export async function folderId(dataDir: string): Promise<string> {
  const path = join(dataDir, 'lading.id')
  await makeId(dataDir, path)
  const id = (await readFile(path, 'utf8')).trim()
  if (!ID.test(id))
    throw new Error(
      `${path} has no id. Remove it; then give its database to no other folder, or a new database to this`,
    )
  return id
}

/** Whole or not at all: a file without an id would be that of every such folder. */
async function makeId(dataDir: string, path: string): Promise<void> {
  const made = `${path}.${randomUUID()}`
  try {
    await writeFile(made, `${randomUUID()}\n`, { flag: 'wx', mode: 0o640 })
    await flush(made)
    await link(made, path)
    await flush(dataDir)
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(made, { force: true })
  }
}

/** Flushes a file, or the names of a folder. */
async function flush(path: string): Promise<void> {
  const opened = await open(path, 'r')
  await opened.sync().finally(() => opened.close())
}
