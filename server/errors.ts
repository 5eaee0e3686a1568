import type { EventEmitter } from 'node:events'
import type { HeaderFields } from './model/answer.js'
import type { HookAnswer } from './model/hook.js'

/**
 * Every error that a client can get: a code word, its status, and one sentence that says what is wrong or what to
 * do. A test compares this table with the README's.
 */
export const ERRORS = {
  // The request
  version_unsupported: {
    status: 412,
    text: 'Send Tus-Resumable: 1.0.0; this server supports no other version',
  },
  not_found: { status: 404, text: 'Nothing exists at this address' },
  method_not_allowed: { status: 405, text: 'This address does not support the method; see Allow' },
  header_invalid: { status: 400, text: 'A header has a value that the tus protocol does not allow' },
  offset_missing: {
    status: 400,
    text: 'A PATCH needs the header Upload-Offset; send HEAD to get the offset',
  },
  content_type_wrong: { status: 415, text: 'Send the body as application/offset+octet-stream' },
  length_needed: { status: 400, text: 'Send either Upload-Length or Upload-Defer-Length: 1' },
  length_conflict: {
    status: 400,
    text: 'Upload-Length differs from the length declared before, or is less than the bytes already stored',
  },
  checksum_invalid: {
    status: 400,
    text: 'Send one Upload-Checksum: an algorithm of Tus-Checksum-Algorithm, a space and the Base64 digest',
  },
  concat_invalid: {
    status: 400,
    text: 'Upload-Concat must be `partial`, or `final;` and the URLs of partial uploads; a final upload has no body',
  },
  part_unknown: {
    status: 400,
    text: 'A URL in Upload-Concat does not name a partial upload of this server',
  },
  query_invalid: { status: 400, text: 'A query parameter has a value that this address does not know' },
  metadata_too_large: { status: 400, text: 'Upload-Metadata is longer than 8 KiB' },
  request_malformed: { status: 400, text: 'The request is not valid HTTP' },
  expectation_unknown: {
    status: 417,
    text: 'The only value of Expect that this server supports is 100-continue',
  },
  precondition_failed: {
    status: 412,
    text: 'The file is not the one that If-Match or If-Unmodified-Since names',
  },
  range_unsatisfiable: {
    status: 416,
    text: 'The file has none of the bytes that Range asks for; see Content-Range',
  },
  headers_too_large: { status: 431, text: 'The headers of the request are too large' },

  // Who is asking
  token_missing: { status: 401, text: 'Send a token in the header Authorization: Bearer' },
  token_invalid: { status: 401, text: 'The token is not valid here' },
  token_expired: {
    status: 401,
    text: 'The token has expired; it can only continue unfinished uploads of its owner',
  },
  auth_unavailable: {
    status: 503,
    text: 'The keys that verify tokens cannot be loaded now; try again shortly',
  },
  admin_key_needed: { status: 401, text: 'Send the admin key in the header Authorization: Bearer' },
  admin_only: {
    status: 403,
    text: 'Without an admin key, this address answers only to requests from the machine itself',
  },
  too_many_refusals: {
    status: 429,
    text: 'Too many requests from this network address were refused; try again shortly',
  },

  body_invalid: { status: 400, text: 'The body is not the JSON that this address takes' },
  grant_used: { status: 403, text: 'This grant has been used for all the uploads that it allows' },

  // The upload
  upload_unknown: { status: 404, text: 'This upload does not exist; create a new one' },
  delivery_unknown: { status: 404, text: 'This delivery does not exist, or is not kept any more' },
  upload_expired: { status: 410, text: 'This upload has expired; create a new one' },
  offset_conflict: { status: 409, text: 'Upload-Offset is not the current offset; send HEAD to get it' },
  size_exceeded: { status: 413, text: 'The upload is larger than this server accepts; see Tus-Max-Size' },
  length_exceeded: { status: 413, text: 'The body is longer than the declared Upload-Length' },
  upload_exists: { status: 409, text: 'An upload with this id exists already' },
  final_unpatchable: {
    status: 403,
    text: 'A final upload is joined from partial uploads and cannot be patched',
  },
  checksum_mismatch: {
    status: 460,
    text: 'The body does not match Upload-Checksum and was discarded; send it again',
  },
  upload_locked: { status: 423, text: 'Another request is using this upload; try again shortly' },
  upload_taken_over: {
    status: 423,
    text: 'A newer request for this upload ended this one; send HEAD to get the offset',
  },
  upload_unfinished: {
    status: 404,
    text: 'This upload is not finished; only finished uploads can be downloaded',
  },
  downloads_disabled: { status: 405, text: 'This server does not give files back' },

  // The hooks of this server's owner; a hook may name another status and another text
  access_rejected: { status: 403, text: 'This server does not let you use this upload' },
  upload_rejected: { status: 400, text: 'This server does not take this upload' },
  upload_stopped: { status: 400, text: 'This server has stopped and removed this upload' },
  termination_rejected: { status: 400, text: 'This server does not let you remove this upload' },
  hook_failed: { status: 500, text: 'The server could not ask whether this is allowed; try again' },

  // The limits
  type_refused: { status: 415, text: 'Files of this type are not accepted here' },
  slots_full: { status: 503, text: 'All upload slots are taken; try again shortly' },
  owner_slots_full: {
    status: 503,
    text: 'All upload slots of this owner are taken; try again shortly',
  },
  owner_bytes_used: {
    status: 429,
    text: 'The bytes that this owner may send in a day are used up; try again tomorrow (UTC)',
  },
  downloads_full: { status: 503, text: 'Too many downloads are running; try again shortly' },
  finals_full: {
    status: 503,
    text: 'Too many final uploads from this client wait for their parts; try again shortly',
  },
  starting: {
    status: 503,
    text: 'The server has just started and is still looking for a partial upload; try again shortly',
  },
  event_streams_full: { status: 503, text: 'Too many event streams are open; try again shortly' },
  index_unavailable: {
    status: 503,
    text: 'The index of uploads cannot be asked now; try again shortly',
  },
  files_exhausted: {
    status: 503,
    text: 'The server has reached its limit of open files; try again shortly',
  },
  connections_full: { status: 503, text: 'All connections of this server are taken; try again shortly' },
  unfinished_full: { status: 503, text: 'Too many uploads are unfinished; try again later' },
  shutting_down: { status: 503, text: 'The server is shutting down; try again shortly' },
  storage_unavailable: { status: 503, text: 'The storage cannot be reached now; try again shortly' },
  disk_full: { status: 507, text: 'The server has no space for this upload; try again later' },
  internal: { status: 500, text: 'Something went wrong on the server; try again' },
} as const satisfies Record<string, { status: number; text: string }>

export type ErrorCode = keyof typeof ERRORS

/**
 * An error that a client gets as an answer. `code` selects the status and the sentence. `cause` and `detail` only go
 * to the log. `sentence` replaces the table's sentence with a more exact one, without any text from a client.
 * `headers` go with the answer. `answer` is what a hook of the server's owner wants the client to get instead.
 */
export class UploadError extends Error {
  readonly code: ErrorCode
  readonly detail: string | undefined
  readonly sentence: string
  readonly headers: HeaderFields
  readonly answer: HookAnswer | undefined

  constructor(
    code: ErrorCode,
    options: {
      cause?: unknown
      detail?: string
      sentence?: string
      headers?: HeaderFields
      answer?: HookAnswer
    } = {},
  ) {
    const sentence = options.sentence ?? ERRORS[code].text
    super(options.detail ? `${sentence} (${options.detail})` : sentence, { cause: options.cause })
    this.name = 'UploadError'
    this.code = code
    this.detail = options.detail
    this.sentence = sentence
    this.headers = options.headers ?? {}
    this.answer = options.answer
  }

  /** The HTTP status of the answer. */
  get status(): number {
    return this.answer?.status ?? ERRORS[this.code].status
  }

  /** The text of the answer: the code word, then the sentence, unless a hook says another; never a path or a stack. */
  get text(): string {
    return this.answer?.body ?? `${this.code}: ${this.sentence}\n`
  }
}

const SYSTEM_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EMFILE: 'files_exhausted',
  ENFILE: 'files_exhausted',
  // Codes of BytesFault: the stored bytes are gone, or are not as they were left.
  DAMAGED: 'offset_conflict',
  REPLACED: 'offset_conflict',
  MISSING: 'upload_unknown',
}

/**
 * The code of a system error, such as ENOSPC; '' for any other error. It is read from the start of the message,
 * because an error that is sent between threads loses its property `code`.
 */
export function systemCodeOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /^[A-Z][A-Z0-9_]+(?=: )/.exec(text)?.[0] ?? ''
}

/** Tells whether a system call failed because there is no such file, or no folder on the way to it. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error))
}

/** For `catch`: nothing in place of a file or folder that is not there. Throws any other error. */
export function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}

/** Any failure as an UploadError: a system error gets its code word, and every other error is `internal`. */
export function asUploadError(error: unknown): UploadError {
  if (error instanceof UploadError) return error
  return new UploadError(SYSTEM_ERRORS[systemCodeOf(error)] ?? 'internal', { cause: error })
}

const FAULTS: ReadonlySet<string> = new Set([
  'internal',
  'storage_unavailable',
  'disk_full',
  'files_exhausted',
])

/** Tells whether the server is at fault; all other refusals are what clients cause. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof UploadError)) return false
  return FAULTS.has(error.code) || isFault(error.cause)
}

/** Our own code threw in a handler of an event or a timer. `cause` is what it threw. */
export class Fault extends Error {
  constructor(cause: unknown) {
    super('a handler threw', { cause })
  }
}

/**
 * Makes a handler of an event or a timer that never throws: `threw` gets what `handler` throws. An exception that
 * leaves such a handler would end the process, but a fault in one request must only end its connection.
 */
export function guarded<A extends unknown[]>(
  handler: (...given: A) => void,
  threw: (error: unknown) => void,
): (...given: A) => void {
  return (...given) => {
    try {
      handler(...given)
    } catch (error) {
      threw(error)
    }
  }
}

/** For the `threw` of `guarded`: emits the error on the request, whose connection listens for it and ends. */
export function faultOf(request: EventEmitter): (error: unknown) => void {
  return (error) => void request.emit('error', new Fault(error))
}
