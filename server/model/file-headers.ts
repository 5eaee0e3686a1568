import type { HeaderFields } from './answer.js'
import { contentDisposition } from './file-name.js'
import { isShownInline } from './inline-types.js'

/** A finished file as a client sees it. */
export interface FileView {
  readonly length: number
  readonly type: string
  readonly filename: string | null
  /** Lower-case hex. */
  readonly sha256: string
  /** ISO 8601; null where it is not known. */
  readonly finishedAt: string | null
}

/**
 * Nothing in the file runs, asks for anything, or reaches the origin that it came from. What a browser builds around a
 * picture or a video that it shows itself needs the file, and styles.
 */
const POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"

/** The headers of a finished file, for GET and HEAD. */
export function fileHeaders(file: FileView): HeaderFields {
  const { type, length, filename, sha256 } = file
  return {
    'Content-Type': type,
    'Content-Length': String(length),
    'Content-Disposition': contentDisposition(isShownInline(type) ? 'inline' : 'attachment', filename),
    'Accept-Ranges': 'bytes',
    ...validators(file),
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': POLICY,
    'Repr-Digest': reprDigest(sha256),
  }
}

/** What names this version of the file (RFC 9110, section 8.8). */
export function validators({ sha256, finishedAt }: FileView): HeaderFields {
  const own = { ETag: `"${sha256}"` }
  return finishedAt === null ? own : { ...own, 'Last-Modified': new Date(finishedAt).toUTCString() }
}

/** The value of Repr-Digest (RFC 9530) for a SHA-256 given in hex. */
export function reprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
}
