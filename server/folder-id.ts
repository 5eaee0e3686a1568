import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The id of a data folder, in its file `lading.id`; made where there is none. A database that is not in the folder has it
 * too, so that the index of one folder is never taken for another's. Rejects with the system's error.
 */
export async function folderId(dataDir: string): Promise<string> {
  const path = join(dataDir, 'lading.id')
  try {
    await writeFile(path, `${randomUUID()}\n`, { flag: 'wx', mode: 0o640 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return (await readFile(path, 'utf8')).trim()
}
