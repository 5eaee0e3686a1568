import { Readable } from 'node:stream'
import type {
  ListMultipartUploadsCommandOutput,
  ListObjectsV2CommandOutput,
  ListPartsCommandOutput,
  S3,
} from '@aws-sdk/client-s3'
import { BucketError, saidS3 } from './bucket-errors.js'
import { asked, ofUpload, orMissing, type Sent, sending } from './calls.js'
import type { Multipart, Part } from './ledger.js'

export interface BucketOptions {
  readonly bucket: string
  /** Null for Amazon's own. */
  readonly endpoint: string | null
  /** Null: from the environment or the profile, as the SDK finds it. */
  readonly region: string | null
}

/** What is known of an object without reading it. */
export interface Head {
  readonly etag: string
  readonly bytes: number
  /** See Multipart. */
  readonly mark: string | undefined
}

/** A part as S3 lists it. */
type ListedPart = Omit<Part, 'position'>

const CONNECT_WITHIN_MS = 5_000
/** A connection over which nothing comes or goes for so long is given up. */
const IDLE_AFTER_MS = 30_000
const MARK = 'lading'
/** What fails is in our own log. */
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const KEYS_AT_ONCE = 1_000

/**
 * One bucket. Every call rejects with BucketError where the answer is one that the engine acts on, with
 * storage_unavailable where S3 does not answer, and otherwise with the SDK's error.
 */
export class S3Bucket {
  readonly #s3: S3
  readonly #bucket: string

  private constructor(s3: S3, bucket: string) {
    this.#s3 = s3
    this.#bucket = bucket
  }

  /** Loads the SDK; nothing is asked of S3. */
  static async open({ bucket, endpoint, region }: BucketOptions): Promise<S3Bucket> {
    const sdk = await import('@aws-sdk/client-s3')
    // The slots bound them. What waited for one would count as a connection that takes too long.
    const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }
    const s3 = new sdk.S3({
      // Every store has path style; names of hosts for buckets need DNS.
      ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
      // Other stores take any region, but the signature needs one.
      ...(region === null && endpoint === null ? {} : { region: region ?? 'us-east-1' }),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      expectContinueHeader: false,
      logger: SILENT,
      requestHandler: {
        connectionTimeout: CONNECT_WITHIN_MS,
        socketTimeout: IDLE_AFTER_MS,
        httpAgent: agent,
        httpsAgent: agent,
      },
    })
    return new S3Bucket(s3, bucket)
  }

  /** Stores an object, and resolves with its ETag. Rejects with `changed` or `missing` unless it is new, or replaces that ETag. */
  async put(
    key: string,
    sent: Sent,
    { mark, isNew, replaces }: { mark?: string; isNew: boolean; replaces?: string },
  ): Promise<string> {
    const object = {
      ...{ ...this.#at(key), ContentLength: sent.bytes },
      ...(mark === undefined ? {} : { Metadata: { [MARK]: mark } }),
      ...(isNew ? { IfNoneMatch: '*' } : {}),
      // Without quotes: Ceph's gateway compares them with the ETag here, and not in GET. Amazon takes both.
      ...(replaces === undefined ? {} : { IfMatch: replaces }),
    }
    const { ETag } = await sending(sent, (Body, options) => this.#s3.putObject({ ...object, Body }, options))
    return tagOf(ETag)
  }

  /** Reads bytes of the object that has this ETag. Rejects with `missing` or `changed` where it is not there. */
  async get(key: string, etag: string, { from, to }: { from: number; to: number }): Promise<Readable> {
    const { Body } = await asked(() =>
      this.#s3.getObject({ ...this.#at(key), IfMatch: quoted(etag), Range: `bytes=${from}-${to - 1}` }),
    )
    if (Body instanceof Readable) return Body
    throw new Error('S3 answered without a body')
  }

  /** What is known of an object; undefined where there is none. */
  async head(key: string): Promise<Head | undefined> {
    const found = await orMissing(() => this.#s3.headObject(this.#at(key)))
    if (!found) return undefined
    return { etag: tagOf(found.ETag), bytes: found.ContentLength ?? 0, mark: found.Metadata?.[MARK] }
  }

  /** Removes objects; one that is not there is no error. */
  async remove(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
      const Objects = keys.slice(from, from + KEYS_AT_ONCE).map((Key) => ({ Key }))
      const { Errors = [] } = await asked(() =>
        this.#s3.deleteObjects({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }),
      )
      const [failed] = Errors
      if (failed) throw new Error(`S3 did not remove ${failed.Key}: ${failed.Code}`)
    }
  }

  /** Begins a multipart upload, and resolves with its id. */
  async begin(key: string, mark: string): Promise<string> {
    const begun = await asked(() =>
      this.#s3.createMultipartUpload({ ...this.#at(key), Metadata: { [MARK]: mark } }),
    )
    return known(begun.UploadId)
  }

  /** Stores a part, and resolves with its ETag. Rejects with `no_upload` where the multipart upload is gone. */
  async putPart(key: string, uploadId: string, number: number, sent: Sent): Promise<string> {
    const part = { ...this.#at(key), UploadId: uploadId, PartNumber: number, ContentLength: sent.bytes }
    const { ETag } = await ofUpload(() =>
      sending(sent, (Body, options) => this.#s3.uploadPart({ ...part, Body }, options)),
    )
    return tagOf(ETag)
  }

  /** Copies bytes of an object that has this ETag into a part, and resolves with the part's ETag. */
  async copyPart(
    key: string,
    uploadId: string,
    number: number,
    source: { key: string; etag: string; from: number; to: number },
  ): Promise<string> {
    const { CopyPartResult } = await asked(() =>
      this.#s3.uploadPartCopy({
        ...{ ...this.#at(key), UploadId: uploadId, PartNumber: number },
        CopySource: encodeURI(`${this.#bucket}/${source.key}`),
        CopySourceIfMatch: quoted(source.etag),
        CopySourceRange: `bytes=${source.from}-${source.to - 1}`,
      }),
    )
    return tagOf(CopyPartResult?.ETag)
  }

  /**
   * Makes an object of parts, and resolves with its ETag. Rejects with `no_upload`, with `bad_parts` where S3 has other
   * parts, and with `changed` where `isNew` and there is an object. Where the upload is gone Ceph's gateway may also say
   * that it does not work now.
   */
  async complete(
    key: string,
    { id, mark }: Multipart,
    parts: readonly { readonly number: number; readonly etag: string }[],
    isNew: boolean,
  ): Promise<string> {
    const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: quoted(etag) }))
    const upload = { ...this.#at(key), UploadId: id, MultipartUpload: { Parts } }
    const condition = isNew ? { IfNoneMatch: '*' } : {}
    const { ETag } = await ofUpload(() =>
      asked(() => this.#s3.completeMultipartUpload({ ...upload, ...condition })),
    )
    if (ETag) return tagOf(ETag)
    // Ceph's gateway does not say it.
    const made = await this.head(key)
    if (made?.mark !== mark) throw new BucketError('changed')
    return made.etag
  }

  /** Tells whether a multipart upload is neither completed nor aborted. */
  async isRunning(key: string, uploadId: string): Promise<boolean> {
    try {
      await this.parts(key, uploadId, 1)
      return true
    } catch (error) {
      if (saidS3(error, 'no_upload')) return false
      throw error
    }
  }

  /** Ends a multipart upload without an object; one that is gone is no error. */
  async abort(key: string, uploadId: string): Promise<void> {
    await orMissing(() => this.#s3.abortMultipartUpload({ ...this.#at(key), UploadId: uploadId }))
  }

  /** The parts that S3 has, in order; of many, the first `most`. Rejects with `no_upload`. */
  async parts(
    key: string,
    uploadId: string,
    most = Number.POSITIVE_INFINITY,
  ): Promise<readonly ListedPart[]> {
    const listed: ListedPart[] = []
    for (let after: string | undefined = '0'; after !== undefined && listed.length < most; ) {
      const next = { ...this.#at(key), UploadId: uploadId, PartNumberMarker: after }
      const page: ListPartsCommandOutput = await ofUpload(() =>
        asked(() => this.#s3.listParts({ ...next, MaxParts: Math.min(most, KEYS_AT_ONCE) })),
      )
      for (const { PartNumber = 0, Size = 0, ETag } of page.Parts ?? [])
        listed.push({ number: PartNumber, bytes: Size, etag: tagOf(ETag) })
      after = page.IsTruncated ? page.NextPartNumberMarker : undefined
    }
    return listed
  }

  /** Objects whose keys begin with `prefix`, and when each was made; milliseconds since 1970. */
  async *objects(prefix: string): AsyncGenerator<{ readonly key: string; readonly madeAtMs: number }> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const page: ListObjectsV2CommandOutput = await asked(() =>
        this.#s3.listObjectsV2({
          ...{ Bucket: this.#bucket, Prefix: prefix },
          ...(after ? { ContinuationToken: after } : {}),
        }),
      )
      for (const { Key, LastModified } of page.Contents ?? [])
        if (Key !== undefined && LastModified) yield { key: Key, madeAtMs: LastModified.getTime() }
      after = page.IsTruncated ? page.NextContinuationToken : undefined
    }
  }

  /** Multipart uploads of keys that begin with `prefix`, and when each was begun; milliseconds since 1970. */
  async *multiparts(
    prefix: string,
  ): AsyncGenerator<{ readonly key: string; readonly id: string; readonly begunAtMs: number }> {
    for (let last: ListMultipartUploadsCommandOutput | undefined; last === undefined || last.IsTruncated; ) {
      const marker = last ? { KeyMarker: last.NextKeyMarker, UploadIdMarker: last.NextUploadIdMarker } : {}
      const page: ListMultipartUploadsCommandOutput = await asked(() =>
        this.#s3.listMultipartUploads({ Bucket: this.#bucket, Prefix: prefix, ...marker }),
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
        if (Key !== undefined && UploadId !== undefined && Initiated)
          yield { key: Key, id: UploadId, begunAtMs: Initiated.getTime() }
      last = page
    }
  }

  /** Rejects where the bucket does not answer, or is not there. */
  async check(): Promise<void> {
    const found = await orMissing(() => this.#s3.headBucket({ Bucket: this.#bucket }))
    if (!found) throw new Error(`there is no bucket ${this.#bucket}`)
  }

  /** Closes the connections. */
  end(): void {
    this.#s3.destroy()
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: key }
  }
}

function known(text: string | undefined): string {
  if (text === undefined) throw new Error('S3 answered without what was asked for')
  return text
}

/** Without quotes: Ceph's gateway leaves them out of some answers. */
function tagOf(text: string | undefined): string {
  return known(text).replaceAll('"', '')
}

function quoted(etag: string): string {
  return `"${etag}"`
}
