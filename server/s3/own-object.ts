import { randomUUID } from 'node:crypto'
import type { S3Bucket } from './bucket.js'
import { saidS3 } from './bucket-errors.js'
import type { Sent } from './calls.js'
import type { Entry } from './entry.js'
import type { Multipart, Part } from './ledger.js'

/**
 * Stores the object of a whole upload under the upload's own key. Each way names what it may replace, so that a writer
 * that comes late replaces nothing that another one has finished.
 */
export class OwnObject {
  readonly #entry: Entry
  readonly #bucket: S3Bucket

  constructor(entry: Entry, bucket: S3Bucket) {
    this.#entry = entry
    this.#bucket = bucket
  }

  /** Stores it at once, and resolves with its ETag. */
  async put(sent: Sent): Promise<string> {
    const { key, kept } = this.#entry
    const mark = randomUUID()
    const tail = kept.tails.find((each) => each.key === key)
    this.#entry.checkHeld()
    try {
      return await this.#bucket.put(key, sent, { mark, ...inPlaceOf(tail) })
    } catch (error) {
      if (!saidS3(error, 'changed', 'missing')) throw error
      const found = await this.#bucket.head(key)
      // The answer to a try before was lost.
      if (found?.mark === mark) return found.etag
      await this.#entry.confirm()
      return this.#bucket.put(key, sent, { mark, ...inPlaceOf(found) })
    }
  }

  /** Makes it of parts. No object that was finished is replaced: whoever finished it ended the multipart upload. */
  async complete(multipart: Multipart, parts: readonly Pick<Part, 'number' | 'etag'>[]): Promise<string> {
    const { key, hasObject } = this.#entry
    const complete = (isNew: boolean): Promise<string> => this.#bucket.complete(key, multipart, parts, isNew)
    this.#entry.checkHeld()
    try {
      return await complete(!hasObject)
    } catch (error) {
      if (hasObject || !saidS3(error, 'changed')) throw error
      await this.#entry.confirm()
      return complete(false)
    }
  }

  /** The upload was removed while its object was stored: nobody else knows of the object. */
  async remove(): Promise<void> {
    await this.#bucket.remove([this.#entry.key])
  }
}

/** What an object may be stored in place of: this one alone, or none. */
export function inPlaceOf(before: { readonly etag: string } | undefined): {
  isNew: boolean
  replaces?: string
} {
  return before ? { isNew: false, replaces: before.etag } : { isNew: true }
}
