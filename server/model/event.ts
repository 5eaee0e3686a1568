import type { HookRequest } from './hook.js'
import type { UploadRecord } from './record.js'

/**
 * What happened to an upload: it was created, its offset or length changed, it was finished, or it was removed
 * because it was refused, expired, or was terminated. `restated`: nothing happened to it, its record is made right.
 *
 * A process announces `finished` once for each upload. Where a crash comes before the index has the record, the next
 * process announces it again.
 */
export type EventKind =
  | 'created'
  | 'progress'
  | 'finished'
  | 'refused'
  | 'expired'
  | 'terminated'
  | 'restated'

/** One event, with the upload's record as it is from then on. */
interface UploadEvent {
  readonly kind: EventKind
  readonly record: UploadRecord
  /** The ids of a final upload's parts, in order. */
  readonly parts: readonly string[] | null
  /** The request that made it happen; null where there was none, or no hook listens. */
  readonly request: HookRequest | null
}

/** Called with every event, in order; never waits. */
export type EventListener = (event: UploadEvent) => void
