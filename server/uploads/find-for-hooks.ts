import type { Engine } from '../model/engine.js'
import type { HookUpload } from '../model/hook.js'
import { hookUpload } from '../model/hook-call.js'
import type { AccessRule, Principal } from '../model/principal.js'
import { loadUpload } from './load-upload.js'
import type { StoredUpload } from './upload.js'

interface FindTools {
  readonly engine: Pick<Engine, 'load' | 'addressOf'>
  readonly mayAccess: AccessRule
  readonly uploads: { peek(id: string): StoredUpload | undefined }
}

/** An upload that is there for a principal, as `pre-access` gets it; asked without its lock. Rejects with the disk's error. */
export async function findForHooks(
  id: string,
  principal: Principal,
  { engine, mayAccess, uploads }: FindTools,
): Promise<HookUpload | undefined> {
  const live = uploads.peek(id)
  const found = live ? undefined : await loadUpload(engine, id)
  const upload = live ?? (found?.kind === 'upload' ? found.upload : undefined)
  if (!upload || upload.terminatedAt !== null || !mayAccess(principal, upload)) return undefined
  return hookUpload(upload.toRecordAtRest(), upload.parts)
}
