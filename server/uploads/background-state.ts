import type { StoredFacts } from '../model/upload-facts.js'

/** The writes of an upload's facts and the flushes of its bytes; Saver's own. */
export interface Saves {
  /** The last write; the next waits for it. */
  last: Promise<void>
  underWay: number
  /** A write in the background waits for its turn; so does a flush. */
  isDue: boolean
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
    isFlushDue: false,
    lastFlush: never,
    verifiedTo,
    isCurrent,
  }
}
