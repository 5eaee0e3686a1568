import { offsetAfterCrash } from './offset-after-crash.js'
import { SNIFF_BYTES } from './sniff-bytes.js'
import type { StoredFacts, UploadFacts } from './upload-facts.js'

const UNFINISHED = { sha256: null, finishedAt: null }

/** What an engine finds beside the facts of an upload. */
export interface Stored {
  readonly storedBytes: number
  /** When bytes were last stored; milliseconds since 1970. */
  readonly storedAtMs: number
  /** The machine has not crashed since the facts were saved. */
  readonly sameBoot: boolean
  /** See StoredFacts. */
  readonly isCurrent: boolean
}

/** An upload from its facts and its bytes as a crash may have left them: what cannot be proven does not count. */
export function storedFacts(facts: UploadFacts, stored: Stored): StoredFacts {
  const { storedBytes, storedAtMs, sameBoot, isCurrent } = stored
  const isFinal = facts.parts !== null
  const offset = offsetAfterCrash({ ...facts, sameBoot, storedBytes, isFinal })
  const finished = facts.sha256 !== null && offset === facts.length && storedBytes === offset
  return {
    ...facts,
    ...(finished ? {} : UNFINISHED),
    checkpoints: facts.checkpoints.filter((checkpoint) => checkpoint.offset <= offset),
    // The type was seen in bytes that may not be there any more.
    type: offset < SNIFF_BYTES && !finished ? null : facts.type,
    offset,
    touchedAtMs: Math.max(storedAtMs, Date.parse(facts.createdAt)),
    isCurrent,
  }
}
