import type { Dir } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from '../errors.js'
import type { Entry } from '../model/engine.js'
import { NAMES_AT_ONCE, OF_THE_DISK } from '../model/walked-folder.js'
import { idOfName } from './paths.js'
import { kindOf } from './stored-files.js'

/** A file in the folder of uploads; `entry` is undefined where it belongs to no upload. */
export interface FoundName {
  /** Under the data folder, with `/`. */
  readonly path: string
  readonly entry: Entry | undefined
  /** Why it cannot be read, where it is a folder that cannot. */
  readonly fault?: unknown
}

/**
 * Every file in the folder of uploads, those included that belong to none, and each folder that cannot be read. No list
 * of them is held.
 */
export async function* everyName(dataDir: string, folder = ''): AsyncGenerator<FoundName> {
  const root = join(dataDir, 'uploads', folder)
  let opened: Dir
  try {
    opened = await opendir(root, { bufferSize: NAMES_AT_ONCE })
  } catch (error) {
    if (!isMissing(error) && folder !== OF_THE_DISK)
      yield { path: join('uploads', folder), entry: undefined, fault: error }
    return
  }
  for await (const found of opened) {
    const inside = folder === '' ? found.name : `${folder}/${found.name}`
    if (found.isDirectory()) {
      yield* everyName(dataDir, inside)
      continue
    }
    const id = found.isFile() ? idOfName(found.name, folder) : undefined
    yield {
      path: `uploads/${inside}`,
      entry: id === undefined ? undefined : { id, kind: kindOf(found.name) },
    }
  }
}
