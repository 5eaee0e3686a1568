import { join } from 'node:path'
import { isDatedId, isUploadId } from '../model/upload-id.js'

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

/** The folder of uploads that were adopted from another server, under `uploads`: their ids have no day. */
export const ADOPTED_FOLDER = 'adopted'

/**
 * Where an upload's bytes are under the data folder, with `/`: `uploads/YYYY/MM/DD/<id>`, the day being that in its id,
 * and `uploads/adopted/<id>` where the id has none.
 */
export function relativePathOf(id: string): string {
  if (!isUploadId(id)) throw new Error('not an upload id')
  if (!isDatedId(id)) return `uploads/${ADOPTED_FOLDER}/${id}`
  return `uploads/${id.slice(0, 4)}/${id.slice(4, 6)}/${id.slice(6, 8)}/${id}`
}

/** The upload that a name in a folder, such as `2026/11/23`, belongs to; undefined where it belongs to none there. */
export function idOfName(name: string, folder: string): string | undefined {
  const id = name.replace(/\.json(?:\.tmp)?$/, '')
  return isUploadId(id) && relativePathOf(id) === `uploads/${folder}/${id}` ? id : undefined
}
