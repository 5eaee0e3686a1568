import type { UploadKind } from '../model/next-step.js'
import type { UploadRecord } from '../model/record.js'

/** The reason in the record of an upload that its client has terminated. */
export const TERMINATED = 'terminated by the client'

/** What the record of a removed upload says. */
export interface RecordEnd {
  readonly state: 'refused' | 'expired' | 'terminated'
  readonly reason: string
  /** The id of the final upload that has a part's bytes. */
  readonly joinedInto?: string | undefined
}

/** An upload as far as its record shows it. */
type Recorded = Omit<UploadRecord, 'path' | 'updatedAt' | 'reason' | 'concat' | 'joinedInto'> & {
  readonly address: string
  readonly kind: UploadKind
  readonly terminatedAt: string | null
}

/** An upload's record as of a time, in milliseconds since 1970; `end` for one that is being removed. */
export function recordOf(upload: Recorded, nowMs: number, end: RecordEnd | undefined): UploadRecord {
  return {
    id: upload.id,
    state: end?.state ?? upload.state,
    filename: upload.filename,
    type: upload.type,
    declaredType: upload.declaredType,
    length: upload.length,
    offset: upload.offset,
    sha256: upload.sha256,
    metadata: upload.metadata,
    path: upload.address,
    createdAt: upload.createdAt,
    updatedAt: new Date(nowMs).toISOString(),
    finishedAt: upload.finishedAt,
    reason: end?.reason ?? (upload.terminatedAt === null ? null : TERMINATED),
    concat: upload.kind === 'single' ? null : upload.kind,
    joinedInto: end?.joinedInto ?? null,
    owner: upload.owner,
    grantId: upload.grantId,
  }
}
