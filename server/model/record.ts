/** The states of an upload's record; the last three outlive the upload's files. */
export type RecordState = 'receiving' | 'paused' | 'finished' | 'refused' | 'expired' | 'terminated'

/**
 * What is known of one upload: the row of SQLite's table `uploads`, in camelCase.
 * Lengths and offsets are bytes; times are ISO 8601 in UTC with milliseconds.
 */
export interface UploadRecord {
  readonly id: string
  readonly state: RecordState
  /** Decoded from the metadata's `filename` (or `name`). */
  readonly filename: string | null
  /** The type that was seen in the first bytes; null before it is decided. */
  readonly type: string | null
  /** The metadata's `filetype` (or `type`), as the client declared it. */
  readonly declaredType: string | null
  /** Null while it is deferred. */
  readonly length: number | null
  readonly offset: number
  /** SHA-256 of the whole file, lower-case hex; null until it is finished. */
  readonly sha256: string | null
  /** Upload-Metadata, byte for byte as the client sent it. */
  readonly metadata: string | null
  /** The file's path under the data folder, e.g. `uploads/2026/11/23/<id>`. */
  readonly path: string
  readonly createdAt: string
  readonly updatedAt: string
  readonly finishedAt: string | null
  /** Why an upload was refused, expired or terminated; null otherwise. */
  readonly reason: string | null
  /** What Upload-Concat made of it; null for an upload of its own. A partial upload is not a file. */
  readonly concat: 'partial' | 'final' | null
}
