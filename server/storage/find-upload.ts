import { type AccessRule, type Principal, UNOWNED } from '../model/principal.js'
import { isUploadId } from './paths.js'
import { readUpload } from './reader.js'
import type { UploadRow } from './upload.js'
import type { Uploads } from './uploads.js'

export interface FindTools {
  readonly uploads: Pick<Uploads, 'peek'>
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRow | undefined>
  readonly mayAccess: AccessRule
  readonly dataDir: string
  readonly bootId: string
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * An upload's progress from memory; of one that is not there, its record, or what its sidecar says. Undefined where
 * there is no such upload for the principal.
 */
export async function findUpload(
  id: string,
  principal: Principal,
  tools: FindTools,
): Promise<object | undefined> {
  if (!isUploadId(id)) return undefined
  const live = tools.uploads.peek(id)
  if (live && !tools.mayAccess(principal, live)) return undefined
  if (live) {
    const bytesPerSecond = live.body ? live.rate.perSecond(tools.monotonic()) : 0
    return { ...live.toRow(live.changedAtMs), bytesPerSecond }
  }
  const row = await tools.row(id).catch((error: unknown) => {
    tools.log.warn({ err: error, id }, 'the index could not answer; the sidecar does')
    return undefined
  })
  if (row && !tools.mayAccess(principal, UNOWNED)) return undefined
  if (row) return { ...row, bytesPerSecond: 0 }
  const found = await readUpload(tools.dataDir, id, tools.bootId)
  if (found.kind !== 'upload' || !tools.mayAccess(principal, found.upload)) return undefined
  return { ...found.upload.toRow(found.upload.changedAtMs), bytesPerSecond: 0 }
}
