import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { UploadError } from '../errors.js'
import { BucketError, bucketError, saidS3 } from './bucket-errors.js'

/** A stream cannot be sent again by the SDK: these tries are ours. */
const TRIES = 3
const RETRY_AFTER_MS = 200

/** Bytes to be sent: each try makes a new stream of them. */
export interface Sent {
  readonly bytes: number
  readonly stream: () => Readable
  /** Aborts the try that runs; there is no other one. */
  readonly signal?: AbortSignal
}

/** Asks S3. Rejects as S3Bucket does. */
export async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw bucketError(error)
  }
}

/** The same; undefined where S3 has no such object or multipart upload. */
export async function orMissing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await asked(ask)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** The same of a multipart upload: Ceph's gateway says of one that is gone that there is no such key. */
export async function ofUpload<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw saidS3(error, 'missing') ? new BucketError('no_upload', { cause: error }) : error
  }
}

/** Sends bytes, again where S3 does not answer. Rejects as S3Bucket does, and as the stream of the bytes does. */
export async function sending<T>(
  sent: Sent,
  send: (body: Readable, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const body = sent.stream()
    // The SDK does not notice where the bytes cannot be read: it would wait for S3, which waits for them.
    const abort = new AbortController()
    let unread: Error | undefined
    const end = (): void => abort.abort()
    body.on('error', (error: Error) => {
      unread ??= error
      end()
    })
    sent.signal?.addEventListener('abort', end)
    if (sent.signal?.aborted) end()
    try {
      return await asked(() => send(body, { abortSignal: abort.signal }))
    } catch (error) {
      if (unread) throw unread
      const isAway = error instanceof UploadError && error.code === 'storage_unavailable'
      if (!isAway || tries === TRIES) throw error
    } finally {
      sent.signal?.removeEventListener('abort', end)
      body.destroy()
    }
    await setTimeout(RETRY_AFTER_MS * tries, undefined, { signal: sent.signal })
  }
}

function isGone(error: unknown): boolean {
  return saidS3(error, 'missing', 'no_upload')
}
