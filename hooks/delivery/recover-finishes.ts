import { setTimeout as pause } from 'node:timers/promises'
import type { HookUpload } from '../../server/model/hook.js'
import { hookCall } from '../../server/model/hook-call.js'
import type { Log } from '../../server/model/log.js'
import { createdAtOf, uploadOfDelivery } from './delivery.js'
import type { EndpointQueue } from './endpoint-queue.js'
import type { FinishMarks } from './finish-marks.js'
import type { History } from './history.js'
import type { Spool } from './spool.js'
import { newLine } from './spool-lines.js'

export interface Recovery {
  readonly marks: Pick<FinishMarks, 'left' | 'clear'>
  readonly spool: Pick<Spool, 'look' | 'append'>
  readonly queue: Pick<EndpointQueue, 'wake' | 'isClosed'>
  /** Deliveries that ended. */
  readonly histories: readonly Pick<History, 'find'>[]
  /** An upload by its files; null where it is not finished. Rejects where they cannot be read now. */
  readonly finished: (uploadId: string) => Promise<HookUpload | null>
  readonly log: Log
  /** Between two tries. */
  readonly pauseMs: number
}

/**
 * Writes the events of uploads that were being finished when the process before ended: their files say which of them
 * are finished. Resolves after one try for each; what could not be read or written then is tried again in the
 * background, and keeps no other event back. Never rejects.
 */
export async function recoverFinishes(recovery: Recovery): Promise<void> {
  await recoverEach(recovery)
  void recoverLeft(recovery)
}

async function recoverLeft(recovery: Recovery): Promise<void> {
  while (recovery.marks.left.size > 0 && !recovery.queue.isClosed) {
    await pause(recovery.pauseMs, undefined, { ref: false })
    await recoverEach(recovery)
  }
}

async function recoverEach(recovery: Recovery): Promise<void> {
  for (const [mark, id] of recovery.marks.left) {
    await recover(mark, id, recovery).catch((error: unknown) => {
      recovery.log.error({ err: error, delivery: id }, 'it cannot be seen yet whether an upload was finished')
    })
  }
}

async function recover(
  mark: number,
  id: string,
  { marks, finished, queue, ...known }: Recovery,
): Promise<void> {
  const uploadId = uploadOfDelivery(id)
  const upload = await finished(uploadId)
  if (upload && !(await isKnown(id, uploadId, known))) {
    const call = hookCall('post-finish', upload, null)
    await known.spool.append(uploadId, newLine({ id, createdAt: createdAtOf(id), call }), { flushed: true })
    queue.wake(uploadId)
  }
  await marks.clear(mark)
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
