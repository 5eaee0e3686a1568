/** A point at which the digest of everything before it is known. */
export interface Checkpoint {
  readonly offset: number
  readonly sha256: string
}

/** What is found on the disk of an upload, as plain values. */
export interface Found {
  readonly length: number | null
  readonly sha256: string | null
  readonly checkpoints: readonly Checkpoint[]
  /** Written in the boot that runs now. */
  readonly sameBoot: boolean
  readonly fileBytes: number
}

/**
 * The offset from which an upload may go on, in bytes; the file is cut there.
 *
 * After a crash of the process the system still had every byte that was written: the size of the file
 * counts. After a crash of the machine only what was flushed before a checkpoint does.
 */
export function settleOffset(found: Found): number {
  const most = Math.min(found.fileBytes, found.length ?? Number.MAX_SAFE_INTEGER)
  if (found.sha256 !== null && found.fileBytes === found.length) return most
  if (found.sameBoot && found.sha256 === null) return most
  return found.checkpoints.reduce((best, { offset }) => (offset <= most && offset > best ? offset : best), 0)
}

/** An upload's standing, as plain values; times in milliseconds since 1970. */
export interface Standing {
  readonly length: number | null
  readonly offset: number
  readonly sha256: string | null
  /** When it last got bytes, or was created. */
  readonly touchedAtMs: number
}

/** What is to be done with an upload: nothing more, wait for bytes, finish it, or remove it as expired. */
export type NextStep = 'keep' | 'wait' | 'finish' | 'expire'

/** The one rule that the end of a request, the start of the server and the sweep all ask. */
export function nextStep(upload: Standing, nowMs: number, expireAfterMs: number): NextStep {
  const whole = upload.length !== null && upload.offset === upload.length
  if (whole) return upload.sha256 === null ? 'finish' : 'keep'
  return nowMs - upload.touchedAtMs >= expireAfterMs ? 'expire' : 'wait'
}

const MOST_CHECKPOINTS = 64

/**
 * Adds a checkpoint to a list in the order of offsets. The list has a limit: at 64 every second one
 * but the newest is dropped, so that a fall-back may cost more bytes, and a sidecar stays small.
 */
export function addCheckpoint(list: readonly Checkpoint[], added: Checkpoint): Checkpoint[] {
  const before = list.filter(({ offset }) => offset < added.offset)
  const thinned = before.length >= MOST_CHECKPOINTS ? before.filter((_, i) => i % 2 === 0) : before
  return [...thinned, added]
}
