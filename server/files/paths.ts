import { join } from 'node:path'
import { isUploadId } from '../model/upload-id.js'

/** The file of an upload's bytes, and the sidecar beside it. */
export interface UploadPaths {
  readonly file: string
  readonly sidecar: string
}

/** The paths of an upload under the data folder. Throws on anything but an id. */
export function pathsOf(dataDir: string, id: string): UploadPaths {
  const file = join(dataDir, relativePathOf(id))
  return { file, sidecar: `${file}.json` }
}

/** Where an upload's bytes are under the data folder, with `/`: `uploads/YYYY/MM/DD/<id>`, the day being that in its id. */
export function relativePathOf(id: string): string {
  if (!isUploadId(id)) throw new Error('not an upload id')
  return `uploads/${id.slice(0, 4)}/${id.slice(4, 6)}/${id.slice(6, 8)}/${id}`
}

/** The upload that a name in a day folder belongs to; undefined for any other name. */
export function idOfName(name: string): string | undefined {
  const id = name.replace(/\.json(?:\.tmp)?$/, '')
  return isUploadId(id) ? id : undefined
}
