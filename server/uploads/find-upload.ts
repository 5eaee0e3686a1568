import type { Engine } from '../model/engine.js'
import type { AccessRule, Principal } from '../model/principal.js'
import type { UploadRecord } from '../model/record.js'
import { isUploadId } from '../model/upload-id.js'
import { type LiveUploads, restView, type UploadState } from '../model/upload-state.js'
import { loadUpload } from './load-upload.js'

interface FindTools {
  readonly live: Pick<LiveUploads, 'peek'>
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRecord | undefined>
  readonly mayAccess: AccessRule
  readonly engine: Pick<Engine, 'load' | 'addressOf'>
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * An upload's newest state; of one that only the index has, its record, or what its sidecar says. Undefined where there
 * is no such upload for the principal.
 */
export async function findUpload(
  id: string,
  principal: Principal,
  tools: FindTools,
): Promise<UploadState | undefined> {
  if (!isUploadId(id)) return undefined
  const live = tools.live.peek(id)
  if (live && !tools.mayAccess(principal, live)) return undefined
  if (live) return live
  const row = await tools.row(id).catch((error: unknown) => {
    tools.log.warn({ err: error, id }, 'the index could not answer; the sidecar does')
    return undefined
  })
  if (row && !tools.mayAccess(principal, row)) return undefined
  if (row) return restView(row)
  const found = await loadUpload(tools.engine, id)
  if (found.kind !== 'upload' || !tools.mayAccess(principal, found.upload)) return undefined
  return restView(found.upload.toRecordAtRest())
}
