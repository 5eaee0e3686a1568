import type { UploadRecord } from '../model/record.js'
import type { StoredUpload } from './upload.js'

/** An upload as the API shows it: its record, and its speed while it receives; 0 else. */
export type UploadState = UploadRecord & { readonly bytesPerSecond: number }

/** An upload in memory as the API shows it; `nowMs` is of a clock that nobody sets. */
export function liveView(upload: StoredUpload, nowMs: number): UploadState {
  return { ...upload.toRecordAtRest(), bytesPerSecond: upload.body ? upload.rate.perSecond(nowMs) : 0 }
}

/** An upload that is not in memory, as the API shows it. */
export function restView(record: UploadRecord): UploadState {
  return { ...record, bytesPerSecond: 0 }
}
