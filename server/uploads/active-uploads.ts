import type { Uploads } from './uploads.js'

/** An upload that has a slot, as `GET /api/status` shows it. */
interface ActiveUpload {
  readonly id: string
  readonly filename: string | null
  readonly type: string | null
  readonly offset: number
  readonly length: number | null
  readonly bytesPerSecond: number
}

/** The uploads that receive now, and have slots for that; `nowMs` is of a clock that nobody sets. */
export function activeUploads(uploads: Pick<Uploads, 'receiving'>, nowMs: number): ActiveUpload[] {
  const active: ActiveUpload[] = []
  for (const { id, filename, type, offset, length, body, rate } of uploads.receiving())
    if (body) active.push({ id, filename, type, offset, length, bytesPerSecond: rate.perSecond(nowMs) })
  return active
}
