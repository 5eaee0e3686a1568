import type { IncomingMessage } from 'node:http'
import type { HeaderFields } from '../model/answer.js'

const ALLOW_HEADERS = [
  'Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata',
  'Upload-Defer-Length, Upload-Concat, Upload-Checksum, Upload-Complete, Upload-Draft-Interop-Version',
  'X-HTTP-Method-Override, X-Request-ID, X-Requested-With, Repr-Digest, Content-Digest, Want-Repr-Digest',
  'Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Last-Event-ID',
].join(', ')
const EXPOSE_HEADERS = [
  'Location, Retry-After, Repr-Digest, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Defer-Length',
  'Upload-Concat, Upload-Expires, Upload-Complete, Upload-Limit, Upload-Draft-Interop-Version, Tus-Resumable',
  'Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, WWW-Authenticate',
  'Accept-Ranges, Content-Disposition, Content-Range, ETag',
].join(', ')
const ALLOW_METHODS = 'GET, HEAD, POST, PATCH, DELETE, OPTIONS'
const MAX_AGE_S = '86400'

export interface CorsSettings {
  readonly corsOrigins: readonly string[]
  /** Beside ALLOW_HEADERS. */
  readonly corsAllowHeaders: readonly string[]
  /** Only beside named origins. */
  readonly corsAllowCredentials: boolean
}

/**
 * The CORS headers of every answer; an origin that is not allowed gets none. Without CORS, as by an `<img>`, other pages
 * may use files where any origin may, and else those of the same site.
 */
export function corsHeaders(
  request: IncomingMessage,
  { corsOrigins, corsAllowCredentials }: CorsSettings,
): HeaderFields {
  const exposed = { 'Access-Control-Expose-Headers': EXPOSE_HEADERS }
  if (corsOrigins.includes('*'))
    return { 'Access-Control-Allow-Origin': '*', ...exposed, 'Cross-Origin-Resource-Policy': 'cross-origin' }
  const origin = request.headers.origin
  const own = { Vary: 'Origin', 'Cross-Origin-Resource-Policy': 'same-site' }
  if (origin === undefined || !corsOrigins.includes(origin)) return own
  const credentials = corsAllowCredentials ? { 'Access-Control-Allow-Credentials': 'true' } : {}
  return { 'Access-Control-Allow-Origin': origin, ...credentials, ...own, ...exposed }
}

/** What a preflight asks for besides. */
export function preflightHeaders({ corsAllowHeaders }: CorsSettings): HeaderFields {
  return {
    'Access-Control-Allow-Methods': ALLOW_METHODS,
    'Access-Control-Allow-Headers': [ALLOW_HEADERS, ...corsAllowHeaders].join(', '),
    'Access-Control-Max-Age': MAX_AGE_S,
  }
}
