import { UploadError } from '../errors.js'
import { BytesFault } from '../model/engine-error.js'
import type { S3Bucket } from './bucket.js'
import { bucketError, saidS3 } from './bucket-errors.js'
import type { Kept } from './ledger.js'

/** A connection that breaks is tried again where it stopped; so often without a byte in between. */
const TRIES = 3

/** An object that has not changed, and a range of it. */
interface ObjectRange {
  readonly key: string
  readonly etag: string
  readonly from: number
  readonly to: number
}

/** Bytes of an upload that stand in objects, from one place to another; what is in parts cannot be read. */
export async function* storedBytes(
  kept: Pick<Kept, 'base' | 'tails'>,
  key: string,
  bucket: S3Bucket,
  range: { readonly from: number; readonly to: number },
): AsyncGenerator<Buffer> {
  const { base, tails } = kept
  let at = range.from
  if (base && at < base.bytes) {
    const to = Math.min(range.to, base.bytes)
    yield* objectBytes(bucket, { key, etag: base.etag, from: at, to })
    at = to
  }
  for (const { key: tail, etag, position, bytes } of tails) {
    const to = Math.min(range.to, position + bytes)
    if (at >= to) continue
    if (position > at)
      throw new BytesFault('DAMAGED', 'bytes of an upload are in parts, which cannot be read')
    yield* objectBytes(bucket, { key: tail, etag, from: at - position, to: to - position })
    at = to
  }
}

async function* objectBytes(bucket: S3Bucket, range: ObjectRange): AsyncGenerator<Buffer> {
  let { from: at } = range
  for (let tries = 1; at < range.to; tries++) {
    const before = at
    try {
      for await (const piece of await bucket.get(range.key, range.etag, { from: at, to: range.to })) {
        at += piece.length
        yield piece
      }
    } catch (thrown) {
      const error = asFault(thrown)
      const isAway = error instanceof UploadError && error.code === 'storage_unavailable'
      if (!isAway || (tries >= TRIES && at === before)) throw error
    }
    if (at > before) tries = 0
    else if (tries >= TRIES) throw new BytesFault('DAMAGED', 'an object is shorter than it was')
  }
}

function asFault(thrown: unknown): Error {
  if (saidS3(thrown, 'missing')) return new BytesFault('MISSING', 'an object is gone')
  if (saidS3(thrown, 'changed')) return new BytesFault('REPLACED', 'another object is in its place')
  return thrown instanceof UploadError ? thrown : bucketError(thrown)
}
