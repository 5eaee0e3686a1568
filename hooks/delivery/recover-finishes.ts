import { setTimeout as pause } from 'node:timers/promises'
import type { HookUpload } from '../../server/model/hook.js'
import { hookCall } from '../../server/model/hook-call.js'
import type { Log } from '../../server/model/log.js'
import { uploadOfDelivery } from './delivery.js'
import type { EndpointQueue } from './endpoint-queue.js'
import type { FinishKeeper } from './finish-keeper.js'
import type { History } from './history.js'
import type { Spool } from './spool.js'
import { finishLine } from './spool-lines.js'

export interface Recovery {
  /** The deliveries of marks that the process before has left; one that is known is taken out. */
  readonly left: Map<number, string>
  readonly finishes: Pick<FinishKeeper, 'unmark' | 'written'>
  readonly spool: Pick<Spool, 'look'>
  /** Writes an event, or keeps it in memory until the disk takes it: its upload may be removed meanwhile. Never rejects. */
  readonly keep: (uploadId: string, kept: Parameters<Spool['keep']>[1]) => Promise<void>
  readonly queue: Pick<EndpointQueue, 'isClosed'>
  /** Deliveries that ended. */
  readonly histories: readonly Pick<History, 'which'>[]
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
  while (recovery.left.size > 0 && !recovery.queue.isClosed) {
    await pause(recovery.pauseMs, undefined, { ref: false })
    await recoverEach(recovery)
  }
}

async function recoverEach(recovery: Recovery): Promise<void> {
  const { left, histories, log } = recovery
  const ids = new Set(left.values())
  try {
    const ended = await Promise.all(histories.map((history) => history.which(ids)))
    for (const [mark, id] of left) {
      const isEnded = ended.some((each) => each.has(id))
      await recover(mark, { id, isEnded }, recovery).catch((error: unknown) => {
        log.error({ err: error, delivery: id }, 'it cannot be seen yet whether an upload was finished')
      })
    }
  } catch (error) {
    log.error({ err: error }, 'it cannot be seen yet which deliveries have ended')
  }
}

async function recover(
  mark: number,
  { id, isEnded }: { id: string; isEnded: boolean },
  { left, finishes, finished, keep, spool }: Recovery,
): Promise<void> {
  const uploadId = uploadOfDelivery(id)
  const upload = await finished(uploadId)
  const isKnown = isEnded || (await spool.look(uploadId)).some((pending) => pending.id === id)
  left.delete(mark)
  if (upload && !isKnown) {
    const line = finishLine(id, hookCall('post-finish', upload, null))
    return keep(uploadId, { line, written: () => finishes.written(uploadId, mark) })
  }
  // The event may have been written without a flush before the process ended.
  if (upload) finishes.written(uploadId, mark)
  else await finishes.unmark(mark)
}
