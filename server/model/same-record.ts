import type { UploadRecord } from './record.js'

/** Tells whether the index has an upload as it is. An upload in progress writes its own record, so any one is enough. */
export function isSameRecord(row: UploadRecord, indexed: UploadRecord | undefined): boolean {
  if (row.state === 'receiving' && indexed) return true
  const isSameState =
    row.state === indexed?.state || (row.state === 'paused' && indexed?.state === 'receiving')
  return (
    isSameState &&
    row.offset === indexed?.offset &&
    row.length === indexed.length &&
    row.sha256 === indexed.sha256
  )
}
