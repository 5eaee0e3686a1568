/** The states of an upload whose files are on the disk. */
export const STATES_WITH_FILES = ['receiving', 'paused', 'finished'] as const
/** The states of an upload whose files are removed. Its record is kept for some time and says why. */
export const STATES_WITHOUT_FILES = ['refused', 'expired', 'terminated'] as const

export type RecordState = (typeof STATES_WITH_FILES)[number] | (typeof STATES_WITHOUT_FILES)[number]

/**
 * What is known of one upload: a row of the table `uploads`, with the names of its columns in camelCase.
 * Lengths and offsets are bytes; times are ISO 8601 in UTC with milliseconds.
 */
export interface UploadRecord {
  readonly id: string
  readonly state: RecordState
  /** Decoded from the metadata's `filename` (or `name`). */
  readonly filename: string | null
  /** The type that the first bytes show; null before it is decided. */
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
  /** Why an upload was refused, expired or terminated, in words for people; null otherwise. */
  readonly reason: string | null
  /** What Upload-Concat made of it; null for an upload of its own. A partial upload is not a file. */
  readonly concat: 'partial' | 'final' | null
  /** The id of the final upload that a removed part was joined into; null otherwise. */
  readonly joinedInto: string | null
  /** Who created it; null where uploads have no owner. */
  readonly owner: string | null
  /** The grant that it was created with; null for none. */
  readonly grantId: string | null
}

/** Tells whether an upload in this state may still receive bytes. */
export function isUnfinished(state: RecordState): boolean {
  return state === 'receiving' || state === 'paused'
}
