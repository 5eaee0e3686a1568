import { BytesFault } from '../model/engine-error.js'
import type { S3Bucket } from './bucket.js'
import { type Kept, storedBytesOf } from './ledger.js'

/**
 * How many bytes of an upload the bucket has, from the first on, asked of the bucket; undefined where bytes were stored
 * and all are gone, or another object is in the place of a base. Changes nothing. Rejects as the bucket does.
 */
export async function presentBytes(kept: Kept, key: string, bucket: S3Bucket): Promise<number | undefined> {
  const { base, parts, tails, multipart } = kept
  const stored = storedBytesOf(kept)
  const [hasBase, hasParts, ...heads] = await Promise.all([
    base === null || bucket.head(key).then((head) => head?.etag === base.etag),
    parts.length === 0 || multipart === null || bucket.isRunning(key, multipart.id),
    ...tails.map(({ key: tail }) => bucket.head(tail)),
  ])
  // While parts are made an object, the base has gone into it, too.
  const isMade =
    multipart !== null && (!hasBase || !hasParts) && (await isMadeBy(multipart.mark, key, bucket))
  if (!hasBase && !isMade) return stored > 0 ? undefined : 0
  if (!hasParts && !isMade) return base?.bytes
  const lost = tails.findIndex(({ etag }, i) => heads[i]?.etag !== etag)
  const present = lost < 0 ? stored : (tails[lost]?.position ?? 0)
  return present === 0 && lost >= 0 && !heads[lost] ? undefined : present
}

async function isMadeBy(mark: string, key: string, bucket: S3Bucket): Promise<boolean> {
  return (await bucket.head(key))?.mark === mark
}

/** Not as many bytes are stored as expected. */
export function unlike(found: number, bytes: number): BytesFault {
  return new BytesFault('DAMAGED', `${found} bytes are stored, not ${bytes}`)
}
