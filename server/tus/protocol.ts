import { Readable } from 'node:stream'
import { Server } from '@tus/server'
import { asUploadError, UploadError } from '../errors.js'
import type { UploadMethod, UploadRequest } from '../model/request.js'
import type { UploadLocks } from './locker.js'

/** Stands where @tus/server's stores expect a stream; nobody reads it. */
const NO_STREAM = Readable.from([])

type Options = ConstructorParameters<typeof Server>[0]

/** What is read of headers; Headers has it. */
export interface HeaderValues {
  get(name: string): string | null
}

export interface TusAnswer {
  readonly status: number
  readonly headers: HeaderValues
}

export interface ProtocolOptions {
  readonly datastore: Options['datastore']
  readonly locks: UploadLocks
  readonly maxSizeBytes: number
}

/**
 * What @tus/server reads of a request. A whole Request costs 30 µs and memory that only a full collection
 * takes back, for each of thousands of small uploads a second; Headers alone 2 µs.
 */
interface WebRequest {
  readonly method: string
  readonly url: string
  readonly headers: HeaderValues
  readonly body: unknown
}

interface Handler {
  send(request: WebRequest, context: typeof CONTEXT, headers: Headers): Promise<TusAnswer>
}

/** Headers that every answer has besides; a handler would make some for each request. */
const NO_HEADERS = new Headers()

/** Nothing cancels a request this way: the locks end a body, and its own limits do. */
const CONTEXT = { signal: new AbortController().signal, abort: () => {}, cancel: () => {} }

/**
 * tus 1.0.0 as @tus/server decides it: lock, offset, length. Each method goes straight to its handler, because
 * the headers were checked before. What a handler throws comes out as an UploadError.
 *
 * No body passes through @tus/server. It would build five streams for each request, which costs a third of the
 * speed of small uploads. Instead `writeToStore` of its handlers calls the store at once, and the store takes the
 * body from the request that holds the lock. Its `write` makes the answer without a Response, whose body would be a
 * stream too: that of a creation costs 45 µs.
 */
export class Protocol {
  readonly #handlers: Readonly<Record<UploadMethod, Handler>>
  readonly #requests = new WeakMap<object, UploadRequest>()

  /** Throws where @tus/server has no `writeToStore` or no `write` any more. */
  constructor({ datastore, locks, maxSizeBytes }: ProtocolOptions) {
    const { handlers } = new Server({
      path: '/files',
      datastore,
      maxSize: maxSizeBytes,
      locker: (web) => locks.lockerFor(this.#request(web)),
      namingFunction: (web) => this.#request(web).id,
      getFileIdFromRequest: (web) => this.#request(web).id,
      generateUrl: (_web, { path, id }) => `${path}/${id}`,
    } satisfies Options)
    const writeToStore = (_body: null, { id, offset }: { id: string; offset: number }): Promise<number> =>
      datastore.write(NO_STREAM, id, offset)
    for (const handler of [handlers.POST, handlers.PATCH]) {
      if (!('writeToStore' in handler && 'write' in handler))
        throw new Error('@tus/server has no writeToStore or no write: see server/tus/protocol.ts')
      Object.assign(handler, { writeToStore, write: answerOf })
    }
    this.#handlers = handlers
  }

  /** Answers a request. Rejects with an UploadError for every answer that is not a success. */
  async handle(request: UploadRequest): Promise<TusAnswer> {
    const { method, headers, id } = request
    const url = `http://lading.invalid/files/${id}`
    const web = { method, url, headers: valuesOf(headers), body: null }
    this.#requests.set(web, request)
    try {
      return await this.#handlers[method].send(web, CONTEXT, NO_HEADERS)
    } catch (error) {
      throw toUploadError(error, request)
    }
  }

  #request(web: object): UploadRequest {
    const request = this.#requests.get(web)
    if (!request)
      throw new UploadError('internal', { detail: '@tus/server asked for a request that it was not given' })
    return request
  }
}

/** An answer of @tus/server; what it says in its body is not passed on. */
function answerOf(status: number, headers: Record<string, string> = {}): TusAnswer {
  return { status, headers: valuesOf(headers) }
}

/** Headers by the very names that they have here, which are those that are asked for. */
function valuesOf(headers: Readonly<Record<string, string>>): HeaderValues {
  return { get: (name) => headers[name] ?? null }
}

/** @tus/server throws plain objects with a status; each status it can reach here has one meaning. */
function toUploadError(error: unknown, { upload }: UploadRequest): UploadError {
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
