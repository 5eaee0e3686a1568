import type { UploadRecord } from '../../server/model/record.js'
import { bytesOf } from '../../server/records/queue.js'

export const AT = '2026-11-23T10:00:00.000Z'

/** What one of the records made here takes in the queue. */
export const RECORD_BYTES = bytesOf(record(0))

/** A record of an upload; its id has the number. */
export function record(number: number, changes: Partial<UploadRecord> = {}): UploadRecord {
  const id = `20261123-${String(number).padStart(32, '0')}`
  return {
    id,
    state: 'receiving',
    filename: 'photo.jpg',
    type: 'image/jpeg',
    declaredType: 'image/jpeg',
    length: 5_000_000_000,
    offset: 0,
    sha256: null,
    metadata: 'filename cGhvdG8uanBn',
    path: `uploads/2026/11/23/${id}`,
    createdAt: AT,
    updatedAt: AT,
    finishedAt: null,
    reason: null,
    concat: null,
    joinedInto: null,
    owner: null,
    grantId: null,
    ...changes,
  }
}

/** What a walk over the disk gives a reindex. */
export async function* sidecars(...records: UploadRecord[]): AsyncGenerator<UploadRecord> {
  yield* records
}
