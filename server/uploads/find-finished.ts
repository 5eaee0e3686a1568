import type { Engine } from '../model/engine.js'
import type { FileView } from '../model/file-headers.js'
import type { HookUpload } from '../model/hook.js'
import { hookUpload } from '../model/hook-call.js'
import { isWhole } from '../model/next-step.js'
import type { Owned } from '../model/principal.js'
import { loadUpload } from './load-upload.js'

/**
 * A finished upload as a download shows it; undefined where there is none, 'unfinished' where it is not finished.
 * Reads none of its bytes.
 */
export async function findFinished(
  id: string,
  tools: { engine: Pick<Engine, 'load' | 'addressOf'>; isThere: (upload: Owned) => boolean },
): Promise<FileView | 'unfinished' | undefined> {
  const found = await loadUpload(tools.engine, id)
  if (found.kind !== 'upload' || !tools.isThere(found.upload)) return undefined
  const { sha256, length, type, filename, finishedAt } = found.upload
  if (sha256 === null || length === null) return 'unfinished'
  return { length, type: type ?? 'application/octet-stream', filename, sha256, finishedAt }
}

/**
 * An upload by its files, for hooks; null where it is not finished, or is a part that is not whole. Rejects where they
 * cannot be read now, or are torn.
 */
export async function finishedForHooks(
  id: string,
  engine: Pick<Engine, 'load' | 'addressOf'>,
): Promise<HookUpload | null> {
  const found = await loadUpload(engine, id)
  if (found.kind === 'torn') throw new Error('the sidecar is torn')
  if (found.kind !== 'upload') return null
  const { upload } = found
  if (upload.kind === 'partial' ? !isWhole(upload) : upload.sha256 === null) return null
  return hookUpload(upload.toRecordAtRest(), upload.parts)
}
