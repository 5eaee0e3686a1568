import type { EventEmitter } from 'node:events'

/**
 * Every error a client can be told: one code word, its status, one sentence that says what to do.
 * The README's table is held against this one by a test.
 */
export const ERRORS = {
  // The front door
  version_unsupported: {
    status: 412,
    text: 'Send Tus-Resumable: 1.0.0; this server speaks no other version',
  },
  not_found: { status: 404, text: 'There is nothing at this address' },
  method_not_allowed: { status: 405, text: 'This address does not take that method; see Allow' },
  header_invalid: { status: 400, text: 'A header has a value that the tus protocol does not allow' },
  offset_missing: { status: 400, text: 'A PATCH needs Upload-Offset; ask HEAD for it' },
  content_type_wrong: { status: 415, text: 'Send the body as application/offset+octet-stream' },
  length_needed: { status: 400, text: 'Send exactly one of Upload-Length and Upload-Defer-Length: 1' },
  length_conflict: {
    status: 400,
    text: 'Upload-Length is not the one that is already known, or is less than the bytes stored',
  },
  checksum_invalid: {
    status: 400,
    text: 'Upload-Checksum is not an algorithm of Tus-Checksum-Algorithm and a Base64 digest of its length, or comes twice',
  },
  concat_invalid: {
    status: 400,
    text: 'Upload-Concat is neither partial nor final; and URLs of partial uploads, or final comes with a body',
  },
  part_unknown: {
    status: 400,
    text: 'A URL in Upload-Concat is not that of a partial upload of this server',
  },
  metadata_too_large: { status: 400, text: 'Upload-Metadata is longer than 8 KiB' },
  request_malformed: { status: 400, text: 'The request is not valid HTTP' },
  expectation_unknown: { status: 417, text: 'The only expectation this server meets is 100-continue' },
  headers_too_large: { status: 431, text: 'The headers of the request are too large' },

  // The upload
  upload_unknown: { status: 404, text: 'This upload does not exist; create a new one' },
  upload_expired: { status: 410, text: 'This upload has expired; create a new one' },
  offset_conflict: { status: 409, text: 'Upload-Offset is not the current offset; ask HEAD for it' },
  size_exceeded: { status: 413, text: 'The upload is larger than this server accepts; see Tus-Max-Size' },
  length_exceeded: { status: 413, text: 'The body is longer than the Upload-Length that was declared' },
  final_unpatchable: { status: 403, text: 'A final upload is joined from its parts; it takes no PATCH' },
  checksum_mismatch: {
    status: 460,
    text: 'The body does not match Upload-Checksum; nothing of it was kept, send it again',
  },
  upload_locked: { status: 423, text: 'Another request holds this upload; try again shortly' },
  upload_taken_over: {
    status: 423,
    text: 'A newer request for this upload ended this one; ask HEAD for the offset',
  },
  upload_unfinished: {
    status: 404,
    text: 'This upload is not finished; only finished uploads can be downloaded',
  },

  // The limits
  type_refused: { status: 415, text: 'Files of this type are not accepted here' },
  slots_full: { status: 503, text: 'All upload slots are taken; try again shortly' },
  downloads_full: { status: 503, text: 'Too many downloads run; try again shortly' },
  finals_full: {
    status: 503,
    text: 'Too many final uploads of yours wait for their parts; try again shortly',
  },
  starting: {
    status: 503,
    text: 'The server has just started and cannot tell yet what became of a part; try again shortly',
  },
  files_exhausted: {
    status: 503,
    text: 'The server has as many files open as the system allows; try again shortly',
  },
  connections_full: { status: 503, text: 'All connections of this server are taken; try again shortly' },
  unfinished_full: { status: 503, text: 'Too many uploads are unfinished already; try again later' },
  shutting_down: { status: 503, text: 'The server is shutting down; try again shortly' },
  disk_full: { status: 507, text: 'The server has no room for this upload; try again later' },
  internal: { status: 500, text: 'Something went wrong on the server; try again' },
} as const satisfies Record<string, { status: number; text: string }>

export type ErrorCode = keyof typeof ERRORS

/**
 * An error whose code word decides what a client is told; `cause` and `detail` are for the log alone. `sentence`
 * says more to the client than the table's sentence does, and holds nothing that a client wrote.
 */
export class UploadError extends Error {
  readonly code: ErrorCode
  readonly detail: string | undefined
  readonly sentence: string

  constructor(code: ErrorCode, options: { cause?: unknown; detail?: string; sentence?: string } = {}) {
    const sentence = options.sentence ?? ERRORS[code].text
    super(options.detail ? `${sentence} (${options.detail})` : sentence, { cause: options.cause })
    this.name = 'UploadError'
    this.code = code
    this.detail = options.detail
    this.sentence = sentence
  }

  /** The HTTP status of the answer. */
  get status(): number {
    return ERRORS[this.code].status
  }

  /** The text of the answer: the code word, then the sentence; never a path or a stack. */
  get text(): string {
    return `${this.code}: ${this.sentence}\n`
  }
}

const SYSTEM_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EMFILE: 'files_exhausted',
  ENFILE: 'files_exhausted',
  // From the digest thread; see its OpenFiles.
  DAMAGED: 'offset_conflict',
  REPLACED: 'offset_conflict',
  MISSING: 'upload_unknown',
}

/**
 * The code of a system's error. Errors lose their `code` on their way between threads, so it is read from
 * the message, which begins with it. Empty for every other error.
 */
export function systemCodeOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /^[A-Z][A-Z0-9_]+(?=: )/.exec(text)?.[0] ?? ''
}

/** Any failure as an UploadError: what the system said has its code word, and everything else is `internal`. */
export function asUploadError(error: unknown): UploadError {
  if (error instanceof UploadError) return error
  return new UploadError(SYSTEM_ERRORS[systemCodeOf(error)] ?? 'internal', { cause: error })
}

const FAULTS: ReadonlySet<string> = new Set(['internal', 'disk_full', 'files_exhausted'])

/** Tells whether the server is at fault; all other refusals are what clients cause. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof UploadError)) return false
  return FAULTS.has(error.code) || isFault(error.cause)
}

/** What our own code threw in a handler of an event or of a timer; the `cause` has it. */
export class Fault extends Error {
  constructor(cause: unknown) {
    super('a handler threw', { cause })
  }
}

/**
 * A handler of an event or of a timer that never throws: what `handler` throws goes to `threw`. Nothing is above
 * such a handler but the process, and a fault in one request's path must end its connection alone.
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

/** Where a guarded handler's error goes that serves a request: its connection listens, and ends. */
export function faultOf(request: EventEmitter): (error: unknown) => void {
  return (error) => void request.emit('error', new Fault(error))
}
