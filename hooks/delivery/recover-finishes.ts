import type { HookUpload } from '../../server/model/hook.js'
import { hookCall } from '../../server/model/hook-call.js'
import { createdAtOf, uploadOfDelivery } from './delivery.js'
import type { FinishMarks } from './finish-marks.js'
import type { History } from './history.js'
import type { Spool } from './spool.js'
import { newLine } from './spool-lines.js'

export interface Recovery {
  readonly marks: Pick<FinishMarks, 'left' | 'clear'>
  readonly spool: Pick<Spool, 'look' | 'append'>
  /** Deliveries that ended. */
  readonly histories: readonly Pick<History, 'find'>[]
  /** An upload by its files; null where it is not finished. Rejects where they cannot be read now. */
  readonly finished: (uploadId: string) => Promise<HookUpload | null>
}

/**
 * Writes the events of uploads that were being finished when the process before ended: their files say which of them
 * are finished. Rejects with the system's error; what is left then may be tried again.
 */
export async function recoverFinishes({ marks, finished, ...known }: Recovery): Promise<void> {
  for (const [mark, id] of marks.left) {
    const uploadId = uploadOfDelivery(id)
    const upload = await finished(uploadId)
    if (upload && !(await isKnown(id, uploadId, known))) {
      const call = hookCall('post-finish', upload, null)
      await known.spool.append(uploadId, newLine({ id, createdAt: createdAtOf(id), call }), { flushed: true })
    }
    await marks.clear(mark)
  }
}

/** Tells whether the event was written before the process ended, and perhaps sent. */
async function isKnown(
  id: string,
  uploadId: string,
  { spool, histories }: Pick<Recovery, 'spool' | 'histories'>,
): Promise<boolean> {
  if ((await spool.look(uploadId)).some((pending) => pending.id === id)) return true
  for (const history of histories) if (await history.find(id)) return true
  return false
}
