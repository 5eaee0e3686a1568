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
  /** Bytes behind this belong to a request whose checksum was not verified; null where there is none. */
  readonly verifiedTo: number | null
  /** It is to be joined from parts: before that is done, nothing of it counts. */
  readonly isFinal: boolean
}

/**
 * The offset from which an upload may go on, in bytes; the file is cut there.
 *
 * After a crash of the process the system still had every byte that was written: the size of the file
 * counts. After a crash of the machine only what was flushed before a checkpoint does.
 */
export function settleOffset(found: Found): number {
  if (found.sha256 !== null && found.fileBytes === found.length) return found.fileBytes
  if (found.isFinal) return 0
  const most = Math.min(found.fileBytes, found.length ?? found.fileBytes, found.verifiedTo ?? found.fileBytes)
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
  readonly kind: UploadKind
  /** When a partial upload was joined into a final one. */
  readonly joinedAtMs: number | null
  /** When its client terminated a partial upload that a final one still needed. */
  readonly terminatedAt?: string | null
}

/** An upload of its own, one that is a part of others, or one that is joined from parts (tus 1.0.0, concatenation). */
export type UploadKind = 'single' | 'partial' | 'final'

/** How long uploads are kept without bytes, and partial ones after they were joined; in milliseconds. */
export interface Terms {
  readonly expireAfterMs: number
  readonly keepPartialsMs: number
}

/** What never got a byte waits no longer for its first, however long `--expire-after` is. */
const FIRST_BYTE_WITHIN_MS = 3_600_000

/**
 * When an unfinished upload expires, unless it gets bytes before; milliseconds since 1970. A final upload gets its
 * bytes at the end, from parts that have terms of their own: the first hour does not bind it.
 */
export function expiresAtMs(upload: Standing, terms: Terms): number {
  if (upload.joinedAtMs !== null) return upload.joinedAtMs + terms.keepPartialsMs
  const hasBytes = upload.offset > 0 || upload.kind === 'final'
  return upload.touchedAtMs + (hasBytes ? terms.expireAfterMs : firstByteWithinMs(terms))
}

/** How long an upload waits for its first byte, in milliseconds. */
export function firstByteWithinMs({ expireAfterMs }: Pick<Terms, 'expireAfterMs'>): number {
  return Math.min(expireAfterMs, FIRST_BYTE_WITHIN_MS)
}

/** What is to be done with an upload: nothing more, wait for bytes, finish or join it, or remove it as expired. */
export type NextStep = 'keep' | 'wait' | 'finish' | 'join' | 'expire'

/** The one rule that the end of a request, the start of the server and the sweep all ask. */
export function nextStep(upload: Standing, nowMs: number, terms: Terms): NextStep {
  if (upload.sha256 !== null) return 'keep'
  if (upload.kind === 'single' && isWhole(upload)) return 'finish'
  if (upload.terminatedAt) return 'expire'
  if (nowMs >= expiresAtMs(upload, terms)) return 'expire'
  if (upload.joinedAtMs !== null) return 'wait'
  return upload.kind === 'final' ? 'join' : 'wait'
}

/** When something may be due with an unfinished upload that nobody sends bytes to; milliseconds since 1970. */
export function dueAtMs(upload: Standing, nowMs: number, terms: Terms): number {
  return nextStep(upload, nowMs, terms) === 'wait' ? expiresAtMs(upload, terms) : nowMs
}

/** Tells whether an upload has all its bytes. */
export function isWhole({ length, offset }: Pick<Standing, 'length' | 'offset'>): boolean {
  return length !== null && offset === length
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
