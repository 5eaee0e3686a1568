import type { UploadRecord } from '../model/record.js'

/** Each field of a record and its column, in every database. */
export const COLUMNS = {
  id: 'id',
  state: 'state',
  filename: 'filename',
  type: 'type',
  declaredType: 'declared_type',
  length: 'length',
  offset: 'offset',
  sha256: 'sha256',
  metadata: 'metadata',
  path: 'path',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  finishedAt: 'finished_at',
  reason: 'reason',
  concat: 'concat',
  joinedInto: 'joined_into',
  owner: 'owner',
  grantId: 'grant_id',
} as const satisfies Record<keyof UploadRecord, string>
