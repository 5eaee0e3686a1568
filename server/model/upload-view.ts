import type { HookAnswer, HookRequest } from './hook.js'
import type { Owned } from './principal.js'

/** What hooks need of an upload in memory, and leave there. */
export interface HookContext {
  /** The request that has the upload now. */
  request: HookRequest | null
  /** What `pre-finish` adds to the last answer. */
  answer: HookAnswer | null
  /** When `post-receive` was sent last; milliseconds of a monotonic clock. */
  noticedAtMs: number | null
}

/** An upload as far as the answer to a request shows it. */
export interface UploadView extends Owned {
  readonly id: string
  readonly sha256: string | null
  readonly length: number | null
  readonly offset: number
  readonly metadata: string | null
  /** The type that was seen in the bytes. */
  readonly type: string | null
  readonly filename: string | null
  readonly touchedAtMs: number
  /** When a partial upload was joined into a final one. */
  readonly joinedAtMs: number | null
  readonly kind: 'single' | 'partial' | 'final'
  /** Upload-Concat as it was sent. */
  readonly concat: string | null
  /** The join of a final upload, while it runs; rejects with why the final upload is refused. */
  readonly joining: Promise<void> | null
  /** Milliseconds without new bytes after which it expires, where a hook said so. */
  readonly expireAfterMs: number | null
  readonly hooks: HookContext
  /** It was removed meanwhile. */
  readonly gone: boolean
  /** The request that has it is answered. */
  endHookRequest(): void
  /** Notes that an answer gives the client this upload's address. */
  markLocationSent(): void
}
