import type { S3Place } from '../model/s3-place.js'
import { isDatedId } from '../model/upload-id.js'

/** The key of an upload's object, with the UTC day of its creation, as in the data folder. */
export function keyOf({ prefix }: S3Place, id: string): string {
  if (!isDatedId(id)) return `${prefix}uploads/adopted/${id}`
  return `${prefix}uploads/${id.slice(0, 4)}/${id.slice(4, 6)}/${id.slice(6, 8)}/${id}`
}

/** What the keys of all tails begin with. */
export function tailsOf({ prefix }: S3Place): string {
  return `${prefix}tails/`
}
