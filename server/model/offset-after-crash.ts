import type { Checkpoint } from './checkpoint.js'

/** What is stored of an upload after a crash, as plain values. */
export interface Found {
  readonly length: number | null
  readonly sha256: string | null
  readonly checkpoints: readonly Checkpoint[]
  /** The machine has not crashed since this was written. */
  readonly sameBoot: boolean
  readonly storedBytes: number
  /** Bytes behind this belong to a request whose checksum was not verified; null where there is none. */
  readonly verifiedTo: number | null
  /** It is to be joined from parts: no byte of it counts before that is done. */
  readonly isFinal: boolean
}

/**
 * The offset from which an upload may go on, in bytes; the file is cut there.
 *
 * After a crash of the process the system still had every byte that was written: the size of the file
 * counts. After a crash of the machine only what was flushed before a checkpoint does.
 */
export function offsetAfterCrash(found: Found): number {
  if (found.sha256 !== null && found.storedBytes === found.length) return found.storedBytes
  if (found.isFinal) return 0
  const most = Math.min(
    found.storedBytes,
    found.length ?? found.storedBytes,
    found.verifiedTo ?? found.storedBytes,
  )
  if (found.sameBoot && found.sha256 === null) return most
  return found.checkpoints.reduce((best, { offset }) => (offset <= most && offset > best ? offset : best), 0)
}
