import type { Owned } from './principal.js'

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
  /** It was removed meanwhile. */
  readonly gone: boolean
  /** Notes that an answer gives the client this upload's address. */
  markLocationSent(): void
}
