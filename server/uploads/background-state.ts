import type { StoredFacts } from '../model/upload-facts.js'

/** The writes of an upload's facts and the flushes of its bytes; Saver's own. */
export interface Saves {
  /** The last write; the next waits for it. */
  last: Promise<void>
  underWay: number
  /** A write in the background waits for its turn; so does a flush. */
  isDue: boolean
  /** Ends the pause before a write in the background; `isNeeded` says whether that write is still needed. */
  endPause: ((isNeeded: boolean) => void) | null
  isFlushDue: boolean
  lastFlush: Promise<void>
  /** `verifiedTo` as last written. */
  verifiedTo: number | null
  /** The facts were saved since the machine started; see StoredFacts. */
  isCurrent: boolean
}

/** The reading of an upload's prefix after a restart; Prover's own. */
export interface Proof {
  running: Promise<void> | null
  /** It is not tried again before the upload is finished. */
  hasFailed: boolean
}

/** Nothing was written since these facts were loaded. */
export function newSaves({ verifiedTo, isCurrent }: StoredFacts): Saves {
  const never = Promise.resolve()
  return {
    last: never,
    underWay: 0,
    isDue: false,
    endPause: null,
    isFlushDue: false,
    lastFlush: never,
    verifiedTo,
    isCurrent,
  }
}

/** Resolves after so many milliseconds, or once the pause is ended, with whether the write behind it is needed. */
export function pause(saves: Saves, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isNeeded: boolean): void => {
      clearTimeout(timer)
      saves.endPause = null
      resolve(isNeeded)
    }
    const timer = setTimeout(() => end(true), ms)
    saves.endPause = end
  })
}

/** Resolves once what is being written is written; a write that pauses begins now. Rejects with the disk's error. */
export function lastSaved(saves: Saves): Promise<void> {
  saves.endPause?.(true)
  return saves.last
}
