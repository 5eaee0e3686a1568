import type { HeaderFields } from './answer.js'

/** A finished file as a client sees it. */
export interface FileView {
  readonly length: number
  readonly type: string
  readonly filename: string | null
  /** Lower-case hex. */
  readonly sha256: string
}

/** The headers of a finished file, for GET and HEAD: an attachment that no browser shows or runs. */
export function fileHeaders({ type, length, filename, sha256 }: FileView): HeaderFields {
  const name = encodeURIComponent(filename ?? 'download').replaceAll("'", '%27')
  return {
    'Content-Type': type,
    'Content-Length': String(length),
    'Content-Disposition': `attachment; filename*=UTF-8''${name}`,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Repr-Digest': reprDigest(sha256),
  }
}

/** The value of Repr-Digest (RFC 9530) for a SHA-256 given in hex. */
export function reprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
}
