import type { Checkpoint } from '../model/checkpoint.js'
import type { DigestDue, Digested } from '../model/engine.js'
import type { SavedDigest } from '../model/saved-digest.js'

/** What a thread that writes and digests can be asked; one object a task, plain values only. */
export type WriterTask =
  | CreateTask
  | OpenTask
  | AppendTask
  | CommitTask
  | RollBackTask
  | JoinTask
  | ProveTask
  | ResumeTask
  | { readonly kind: 'saveDigest'; readonly id: string }
  | ReplaceTask
  | DigestTask
  | TruncateTask
  | RemoveTask
  | { readonly kind: 'forget'; readonly id: string }
  | FlushTask
  | { readonly kind: 'close'; readonly id: string }

/** A task of one upload; one that removes files may be of several, which are with the same thread. */
export type UploadTask = WriterTask & { readonly id: string }

/**
 * What a thread keeps of an upload from one task to the next: nothing, its digest, its open file and perhaps the digest,
 * or the same between two bodies.
 */
export const KEPT = { nothing: 0, digest: 1, file: 2, resting: 3 } as const

/** Creates an empty file, which must not exist, and its sidecar; `durable` flushes both and their folder. */
export interface CreateTask {
  readonly kind: 'create'
  readonly path: string
  readonly sidecarPath: string
  readonly sidecarText: string
  readonly durable: boolean
}

/** Opens the file of an upload, which must be `bytes` long, for a body; it stays open until a task closes it. */
export interface OpenTask {
  readonly kind: 'open'
  readonly path: string
  readonly bytes: number
}

/**
 * Writes blocks of the arena at `position`, all of them or none, and takes them into the rolling digest. The
 * file must end there: it is opened where `open` has not done so, and stays open until a task closes it.
 */
export interface AppendTask {
  readonly kind: 'append'
  readonly id: string
  readonly path: string
  readonly position: number
  /** Index and filled bytes of each block, in turn. */
  readonly blocks: readonly number[]
  /** Asks for the digest of everything up to the end of these blocks; `final`: the rolling one is dropped. */
  readonly digest: DigestDue
  /** A commit or a roll-back follows, or may follow: they are of a request that has a checksum, or may end with one. */
  readonly isChecked: boolean
  /** The body ends with these blocks: the file is compared with what was written, and rests until the next body or `close`. */
  readonly rests: boolean
  /** These are the first blocks of a request. */
  readonly begins: boolean
}

export interface AppendResult extends Digested {
  /** The system's message, which begins with its code; the file is as it was before. */
  readonly error: string | null
}

/** Computes the checksums of a request from blocks of it, or from its bytes on the disk; done by a thread of its own. */
export interface CheckTask {
  readonly id: string
  /** Index and filled bytes of each block, in turn. */
  readonly blocks: readonly number[]
  /** Bytes that are read back; null for none. */
  readonly stored: { readonly path: string; readonly from: number; readonly to: number } | null
  readonly algorithms: readonly string[]
  /** These are the first blocks of the request, or the last, or both. */
  readonly begins: boolean
  readonly ends: boolean
}

/** Lets the bytes of a checked request count, and closes the file. */
export interface CommitTask {
  readonly kind: 'commit'
  readonly id: string
  readonly path: string
  readonly digest: DigestDue
}

/** Makes an upload what it was before a checked request, and closes the file. */
export interface RollBackTask {
  readonly kind: 'rollBack'
  readonly id: string
  readonly path: string
  /** Where the request began. */
  readonly offset: number
}

/** Takes `bytes` bytes of a part, from byte `from` on, over into a final upload that ends at `position`. */
export interface JoinTask {
  readonly kind: 'join'
  readonly id: string
  readonly path: string
  readonly position: number
  readonly partPath: string
  readonly from: number
  readonly bytes: number
}

/** Reads on from where the digest stands towards `to`, at most `budgetBytes`, comparing with checkpoints. */
export interface ProveTask {
  readonly kind: 'prove'
  readonly id: string
  readonly path: string
  readonly to: number
  readonly checkpoints: readonly Checkpoint[]
  readonly budgetBytes: number
  /** How much further on the bytes stand in the upload than in the file; 0 where it is left out. */
  readonly shift?: number
}

export interface ProveResult {
  /** How far the digest reaches now. */
  readonly offset: number
  /** The offset of the last checkpoint that matched before one that did not; null while all match. */
  readonly damagedAfter: number | null
}

/**
 * Finds where the rolling digest of an upload with `to` bytes stands. If there is none that `saved` is not further than,
 * it gets one whose state can be saved: from `saved` on, or from byte 0.
 */
export interface ResumeTask {
  readonly kind: 'resume'
  readonly id: string
  /** It is not used where the library cannot load it. */
  readonly saved: SavedDigest | null
  /** What `saved` must be the digest of, lower-case hex; null where that is not known. It is not used where it is another. */
  readonly sha256: string | null
  readonly to: number
}

export interface Resumed {
  /** Where the rolling digest stands. */
  readonly offset: number
  /** Its state can be saved. */
  readonly isMovable: boolean
}

/** Replaces a small file at once or not at all: a temporary file, then rename. */
export interface ReplaceTask {
  readonly kind: 'replace'
  readonly path: string
  readonly text: string
  /** Flushes the new file and its folder, and before them the bytes it speaks of (fdatasync). */
  readonly durable: boolean
  readonly bytesPath: string | null
  /** The bytes are flushed already. */
  readonly areFlushed?: boolean
  /** The file at `bytesPath` must have so many bytes before the new text counts; it is closed then. */
  readonly finishedBytes?: number
}

/** Flushes a file's bytes, quicker where it is known that they are few. */
export interface FlushTask {
  readonly kind: 'flush'
  readonly path: string
  readonly bytes?: number
}

/** Removes files in this order; one that is not there is no error. `durable` flushes their folders, each once. */
export interface RemoveTask {
  readonly kind: 'remove'
  readonly paths: readonly string[]
  readonly durable: boolean
}

/** The digest of the first `offset` bytes, where the rolling digest stands there; it is dropped with that. */
export interface DigestTask {
  readonly kind: 'digest'
  readonly id: string
  readonly offset: number
}

export interface TruncateTask {
  readonly kind: 'truncate'
  readonly path: string
  readonly length: number
}
