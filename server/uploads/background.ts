import { setTimeout } from 'node:timers/promises'
import { Expiry } from './expiry.js'
import { betweenMs, Housekeeping, type HousekeepingTools } from './housekeeping.js'
import type { LadingStore } from './store.js'
import { Sweep, type SweepIndex } from './sweep.js'
import type { StorageTools } from './tools.js'
import type { Unfinished } from './unfinished.js'
import type { StoredUpload } from './upload.js'
import { Visit } from './visit.js'

/** After so long a node that lives has written the record of an upload that it finished. */
const RECORDED_AFTER_MS = 20_000

interface BackgroundNeeds {
  readonly tools: Pick<
    StorageTools,
    'engine' | 'log' | 'now' | 'row' | 'announce' | 'isReceiving' | 'expireAfterMs' | 'keepPartialsMs'
  >
  readonly store: Pick<LadingStore, 'uploads' | 'handleDue' | 'expire' | 'foundFinished' | 'firstSweepEnded'>
  readonly unfinished: Unfinished
  readonly records: SweepIndex & HousekeepingTools['records']
  readonly indexIsWhole: (sinceMs: number) => boolean
  /** Null where there are no other nodes. */
  readonly turns: HousekeepingTools['turns']
  readonly locks: {
    tryWith(id: string, work: () => Promise<void>): Promise<void>
    waitWith(id: string, work: () => Promise<void>): Promise<void>
    tryWithAll(ids: readonly string[], work: (free: readonly string[]) => Promise<void>): Promise<void>
  }
}

/** Puts together what goes on in the background; nothing runs before its `start`. */
export function createBackground(needs: BackgroundNeeds): Housekeeping {
  const { tools, store, unfinished, records, locks, turns, indexIsWhole } = needs
  const { engine, log, now, row, isReceiving, expireAfterMs, keepPartialsMs } = tools
  const terms = { expireAfterMs, keepPartialsMs }
  const inMemory = (id: string): StoredUpload | undefined => store.uploads.peek(id)
  const handleDue = (id: string): Promise<string> => store.handleDue(id)
  const visit = new Visit({
    ...{ engine, log, now, terms, unfinished, inMemory, handleDue, indexIsWhole, row },
    startedAtMs: now(),
    ifFree: (id, work) => locks.tryWith(id, work),
    whenFree: (id, work) => locks.waitWith(id, work),
  })
  const sweep = new Sweep({
    ...{ engine, visit, log, now, expireAfterMs, isReceiving },
    index: records,
    announce: tools.announce,
    recordOf: async (finished) => {
      if (turns) await untilRecorded(finished, now())
      return row(finished.id)
    },
    foundFinished: (finished) => store.foundFinished(finished),
    foundAll: () => store.firstSweepEnded(),
  })
  const expiry = new Expiry({
    ...{ engine, log, now, terms, unfinished, inMemory, handleDue, isReceiving },
    underLocks: (ids, work) => locks.tryWithAll(ids, work),
    expire: (uploads) => store.expire(uploads),
    againMs: betweenMs(terms),
  })
  return new Housekeeping({ ...{ sweep, expiry, records, turns, log, now, expireAfterMs, keepPartialsMs } })
}

/** Another node may have finished the upload just now, and have yet to write its record. */
async function untilRecorded({ finishedAt }: StoredUpload, nowMs: number): Promise<void> {
  const leftMs = Date.parse(finishedAt ?? '') + RECORDED_AFTER_MS - nowMs
  if (leftMs > 0) await setTimeout(Math.min(leftMs, RECORDED_AFTER_MS), undefined, { ref: false })
}
