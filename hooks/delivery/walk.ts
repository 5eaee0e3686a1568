import { setTimeout } from 'node:timers/promises'
import type { EndpointQueue } from './endpoint-queue.js'
import type { Spool } from './spool.js'

interface WalkTools {
  readonly queue: Pick<EndpointQueue, 'agenda' | 'wake' | 'isClosed'>
  readonly spool: Pick<Spool, 'ids' | 'dueMs'>
  readonly now: () => number
  readonly pauseMs: number
}

/** How often a full agenda is asked for room. */
const ROOM_ASKED_MS = 50
/** The walks over the disk take at most this part of the time. */
const SHARE_OF_TIME = 10

/**
 * Finds the uploads in a spool that are not in the agenda. After a start each is tried once; afterwards those that are
 * due, whenever one of them was left to the disk. Resolves when the queue is closed; rejects with the system's error.
 */
export async function walkSpool({ queue, spool, now, pauseMs }: WalkTools): Promise<void> {
  const { agenda } = queue
  for (let isFirst = true; !queue.isClosed; isFirst = false) {
    let tookMs = -now()
    agenda.beginWalk()
    for await (const id of spool.ids()) {
      if (agenda.has(id)) continue
      const dueMs = isFirst ? 0 : await spool.dueMs(id)
      while (dueMs <= now() && !agenda.hasRoom(now()) && !queue.isClosed) {
        tookMs -= ROOM_ASKED_MS
        await pause(ROOM_ASKED_MS)
      }
      if (queue.isClosed) return
      if (isFirst) queue.wake(id, { extra: 'restart', isRetry: true })
      else queue.wake(id, { dueMs: Math.max(dueMs, now()), isRetry: true })
    }
    tookMs += now()
    do await pause(Math.max(pauseMs, tookMs * SHARE_OF_TIME))
    while (agenda.leftMs > now() && !queue.isClosed)
  }
}

async function pause(ms: number): Promise<void> {
  await setTimeout(ms, undefined, { ref: false })
}
