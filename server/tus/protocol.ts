import { Server } from '@tus/server'
import { asUploadError, UploadError } from '../errors.js'
import type { LockOwner, UploadLocks } from './locker.js'

type Options = ConstructorParameters<typeof Server>[0]

/** A checked request on its way to @tus/server. */
export interface TusRequest extends LockOwner {
  readonly id: string
  readonly method: 'POST' | 'HEAD' | 'PATCH' | 'DELETE'
  /** Headers that have been checked, in the one form @tus/server takes. */
  readonly headers: Readonly<Record<string, string>>
  /** The upload once the store has found or made it; its length is null while it is deferred. */
  readonly upload: { readonly length: number | null } | null
}

export interface TusAnswer {
  readonly status: number
  readonly headers: Headers
}

export interface ProtocolOptions<R extends TusRequest> {
  readonly datastore: Options['datastore']
  readonly locks: UploadLocks<R>
  readonly maxSizeBytes: number
}

/**
 * What @tus/server reads of a request. A whole Request costs 30 µs and memory that only a full collection
 * takes back, for each of thousands of small uploads a second.
 */
interface WebRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: unknown
}

/**
 * tus 1.0.0 as @tus/server decides it: lock, offset, length. What it gets is checked before, what it
 * throws comes out as an UploadError, and bodies do not pass through it: the store takes them from the
 * request that holds the lock.
 */
export class Protocol<R extends TusRequest> {
  readonly #server: { handleWeb(request: WebRequest): Promise<Response> }
  readonly #requests = new WeakMap<object, { request: R; error?: unknown }>()

  constructor(options: ProtocolOptions<R>) {
    this.#server = new Server({
      path: '/files',
      datastore: options.datastore,
      maxSize: options.maxSizeBytes,
      locker: (web) => options.locks.lockerFor(this.#entry(web).request),
      namingFunction: (web) => this.#entry(web).request.id,
      getFileIdFromRequest: (web) => this.#entry(web).request.id,
      generateUrl: (_web, { path, id }) => `${path}/${id}`,
      onResponseError: (web, error) => {
        this.#entry(web).error = error
        return undefined
      },
    } satisfies Options)
  }

  /** Answers a request. Rejects with an UploadError for every answer that is not a success. */
  async handle(request: R): Promise<TusAnswer> {
    const { method, headers, id } = request
    const url = `http://lading.invalid/files/${id}`
    const web = { method, url, headers: new Headers(headers), body: null }
    const entry: { request: R; error?: unknown } = { request }
    this.#requests.set(web, entry)
    const { status, headers: answered } = await this.#server.handleWeb(web)
    if (entry.error !== undefined) throw toUploadError(entry.error, request)
    if (status >= 400) throw new UploadError('internal', { detail: `@tus/server answered ${status}` })
    return { status, headers: answered }
  }

  #entry(web: object): { request: R; error?: unknown } {
    const entry = this.#requests.get(web)
    if (!entry) throw new UploadError('internal', { detail: 'a request that did not come by the front door' })
    return entry
  }
}

/** @tus/server throws plain objects with a status; each status it can reach here has one meaning. */
function toUploadError(error: unknown, { upload }: TusRequest): UploadError {
  if (error instanceof UploadError) return error
  const status = typeof error === 'object' && error !== null && 'status_code' in error ? error.status_code : 0
  if (status === 404) return new UploadError('upload_unknown', { cause: error })
  if (status === 409) return new UploadError('offset_conflict', { cause: error })
  // While the length is deferred only Tus-Max-Size can be passed.
  const exceeded = upload?.length === null ? 'size_exceeded' : 'length_exceeded'
  if (status === 413) return new UploadError(exceeded, { cause: error })
  if (status === 400) return new UploadError('length_conflict', { cause: error })
  return asUploadError(error)
}
