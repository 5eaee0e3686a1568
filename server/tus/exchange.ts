import type { Checked, Unannounced } from './checksum.js'
import type { Concat } from './concat.js'
import type { FileFacts } from './metadata.js'

/** A body that can be ended from outside. */
export interface Stoppable {
  stop(reason: 'taken_over' | 'shutting_down'): void
}

/** The upload a request found or made, as far as an answer tells of it. */
export interface UploadView {
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
  /** The joining of a final upload, while that lasts; rejects with why it is refused. */
  readonly joining: Promise<void> | null
  /** It was removed meanwhile. */
  readonly gone: boolean
  /** Tells that the client has been given its address. */
  told(): void
}

export type TusMethod = 'POST' | 'HEAD' | 'PATCH' | 'DELETE'

interface Facts<B> {
  readonly id: string
  readonly method: TusMethod
  readonly headers: Readonly<Record<string, string>>
  readonly body: B | null
  readonly checksum: Checked | null
  readonly trailing: Unannounced | null
  readonly creation: Creation | null
}

interface Creation extends FileFacts {
  readonly concat: Concat | null
}

/** One checked request and what became of it, from the front door to the store and back. */
export class Exchange<B extends Stoppable> {
  readonly id: string
  readonly method: TusMethod
  readonly headers: Readonly<Record<string, string>>
  readonly body: B | null
  readonly checksum: Checked | null
  readonly trailing: Unannounced | null
  readonly creation: Creation | null
  declaredLength: number | null = null
  bodyEnd: string | null = null
  upload: UploadView | null = null

  constructor(facts: Facts<B>) {
    this.id = facts.id
    this.method = facts.method
    this.headers = facts.headers
    this.body = facts.body
    this.checksum = facts.checksum
    this.trailing = facts.trailing
    this.creation = facts.creation
  }

  /** The store tells which upload it found or made. */
  found(upload: UploadView): void {
    this.upload = upload
  }

  /** The store tells how the body ended. */
  ended(end: string): void {
    this.bodyEnd = end
  }

  /** A newer request wants the upload: what is being received ends here. */
  interrupt(): void {
    this.body?.stop('taken_over')
  }
}
