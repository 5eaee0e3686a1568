import type { LiveUploads, UploadState } from '../model/upload-state.js'
import type { StoredUpload } from './upload.js'
import type { Uploads } from './uploads.js'

/** An upload in memory as the API shows it; `nowMs` is of a monotonic clock. */
export function liveView(upload: StoredUpload, nowMs: number): UploadState {
  return { ...upload.toRecordAtRest(), bytesPerSecond: upload.body ? upload.rate.perSecond(nowMs) : 0 }
}

/** The uploads that this process has in memory; `monotonic` gives milliseconds of a monotonic clock. */
export function uploadsInMemory(
  uploads: Pick<Uploads, 'peek' | 'receiving'>,
  monotonic: () => number,
): LiveUploads {
  const receiving = () => uploads.receiving().map((upload) => liveView(upload, monotonic()))
  return {
    receiving,
    peek: (id) => {
      const upload = uploads.peek(id)
      return upload && liveView(upload, monotonic())
    },
    // Their records are written when a request ends: until then the index says `paused`.
    newer: () => new Map(receiving().map((state) => [state.id, state])),
  }
}
