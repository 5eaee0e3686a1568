import type { S3Bucket } from './bucket.js'

/** Ends all multipart uploads of a key without an object. Rejects as the bucket does. */
export async function abortAll(bucket: Pick<S3Bucket, 'multiparts' | 'abort'>, key: string): Promise<void> {
  for await (const { key: found, id } of bucket.multiparts(key))
    if (found === key) await bucket.abort(key, id)
}
