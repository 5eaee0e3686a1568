import { isUploadId } from '../files/paths.js'
import { readUpload } from '../files/reader.js'
import type { UploadRow } from './upload.js'
import type { Uploads } from './uploads.js'

export interface FindTools {
  readonly uploads: Pick<Uploads, 'peek'>
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRow | undefined>
  readonly dataDir: string
  readonly bootId: string
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/** An upload's progress from memory; of one that is not there, its record, or what its sidecar says. */
export async function findUpload(id: string, tools: FindTools): Promise<object | undefined> {
  if (!isUploadId(id)) return undefined
  const live = tools.uploads.peek(id)
  if (live) {
    const bytesPerSecond = live.body ? live.rate.perSecond(tools.monotonic()) : 0
    return { ...live.toRow(live.changedAtMs), bytesPerSecond }
  }
  const row = await tools.row(id).catch((error: unknown) => {
    tools.log.warn({ err: error, id }, 'the index could not answer; the sidecar does')
    return undefined
  })
  if (row) return { ...row, bytesPerSecond: 0 }
  const found = await readUpload(tools.dataDir, id, tools.bootId)
  if (found.kind !== 'upload') return undefined
  return { ...found.upload.toRow(found.upload.changedAtMs), bytesPerSecond: 0 }
}
