/** An upload's standing, as plain values; times in milliseconds since 1970. */
interface Standing {
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
  /** Its own `expireAfterMs`, which replaces that of the terms. */
  readonly expireAfterMs?: number | null
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
  const expireAfterMs = upload.expireAfterMs ?? terms.expireAfterMs
  return upload.touchedAtMs + (hasBytes ? expireAfterMs : firstByteWithinMs({ expireAfterMs }))
}

/** How long an upload waits for its first byte, in milliseconds. */
export function firstByteWithinMs({ expireAfterMs }: Pick<Terms, 'expireAfterMs'>): number {
  return Math.min(expireAfterMs, FIRST_BYTE_WITHIN_MS)
}

/** What is to be done with an upload: nothing more, wait for bytes, finish or join it, or remove it as expired. */
type NextStep = 'keep' | 'wait' | 'finish' | 'join' | 'expire'

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
