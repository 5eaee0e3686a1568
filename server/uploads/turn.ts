import type { StoredUpload } from './upload.js'

/** Blocks of file bytes on their way to the disk. */
export interface Batch {
  readonly index: number
  readonly bytes: number
}

/** What takes batches; see the intake. */
export interface BatchSink {
  readonly wantsFirstBytes: number
  write(blocks: readonly Batch[], last: boolean): Promise<void>
}

/** Why a body was ended from outside. */
export type BodyStop = 'taken_over' | 'shutting_down' | 'idle' | 'slow' | 'disk_full' | 'damaged'

/** How a body ended. */
export type BodyEnd = 'complete' | 'cut' | 'overrun' | BodyStop

/** The connection is gone, or is about to be: no answer reaches the sender. */
export function isUnanswered(end: BodyEnd): boolean {
  return end === 'cut' || end === 'idle' || end === 'slow'
}

/** A request's body as the intake offers it. */
export interface Body {
  /** It was ended from outside, or its connection is gone. */
  readonly isStopped: boolean
  /** Hands the body's bytes on, at most `roomBytes` of them, and resolves with how it ended. */
  drain(sink: BatchSink, roomBytes: number): Promise<BodyEnd>
  stop(reason: BodyStop): void
}

/** What a creation says of its upload. */
export interface Creation {
  /** Upload-Metadata as it was sent. */
  readonly metadata: string | null
  readonly filename: string | null
  readonly declaredType: string | null
  readonly concat: Concat | null
}

/** Upload-Concat of a creation: a partial upload, or a final one of these parts, in order. */
export interface Concat {
  /** The header as it was sent. */
  readonly header: string
  /** The ids of a final upload's parts; null for a partial one. */
  readonly parts: readonly string[] | null
  /** The network address that asks; what is shared is shared between these. */
  readonly client: string
}

/** A digest that a client sent; lower-case hex. */
export interface Checksum {
  readonly algorithm: string
  readonly digest: string
}

/** A checksum that is known once the body is over. */
interface Sent {
  /** The checksum; null for one that counts as none. Throws checksum_invalid where it cannot be read. */
  sent(): Checksum | null
  /** Tells whether it is that of no bytes, or counts as none. Throws as `sent` does. */
  isOfNothing(): boolean
}

/** What a body must match: nothing of it counts before. */
export interface Checked extends Sent {
  /** What is to be computed: one algorithm, or all where only the trailer will name it. */
  readonly algorithms: readonly string[]
}

/** A checksum in a trailer that nothing announced: the body counts while it comes, and is verified at its end. */
export interface Unannounced extends Sent {
  /** Tells whether the body is over and has one. */
  hasCome(): boolean
}

/** The request that holds an upload's lock: what it brings, and what became of it. */
export interface Turn {
  readonly method: string
  /** Headers in the form @tus/server takes. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body | null
  readonly checksum: Checked | null
  /** Null where the body is under a checksum already, or can have no trailer. */
  readonly trailing: Unannounced | null
  readonly creation: Creation | null
  /** Upload-Length that came with a PATCH; it counts once the body is taken up. */
  declaredLength: number | null
  /** Tells the request which upload it found or made. */
  found(upload: StoredUpload): void
  /** Tells the request how its body ended. */
  ended(end: BodyEnd): void
}
