import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from '../errors.js'
import type { Entry } from '../model/engine.js'
import { idOfName } from './paths.js'
import { kindOf } from './stored-files.js'

const NAMES_AT_ONCE = 1024

/** A file in the folder of uploads; `entry` is undefined where it belongs to no upload. */
export interface FoundName {
  /** Under the data folder, with `/`. */
  readonly path: string
  readonly entry: Entry | undefined
}

/** Every file in the folder of uploads, those included that belong to none. No list of them is held. */
export async function* everyName(dataDir: string, folder = ''): AsyncGenerator<FoundName> {
  const root = join(dataDir, 'uploads', folder)
  const opened = await opendir(root, { bufferSize: NAMES_AT_ONCE }).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (!opened) return
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
