import type { ActiveUpload, UploadState } from '../model/upload-state.js'
import type { Uploads } from './uploads.js'

/** The uploads that receive now, and have slots for that; `nowMs` is of a monotonic clock. */
export function activeUploads(uploads: Pick<Uploads, 'receiving'>, nowMs: number): ActiveUpload[] {
  const active: ActiveUpload[] = []
  for (const { id, filename, type, offset, length, body, rate } of uploads.receiving())
    if (body) active.push({ id, filename, type, offset, length, bytesPerSecond: rate.perSecond(nowMs) })
  return active
}

/** The same of uploads that another node receives. */
export function activeElsewhere(states: readonly UploadState[]): ActiveUpload[] {
  // What is being joined has no slot.
  const receiving = states.filter(({ state, concat }) => state === 'receiving' && concat !== 'final')
  return receiving.map(({ id, filename, type, offset, length, bytesPerSecond }) => {
    return { id, filename, type, offset, length, bytesPerSecond }
  })
}
