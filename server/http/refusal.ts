import { STATUS_CODES } from 'node:http'
import type { UploadError } from '../errors.js'
import { type Answer, type HeaderFields, withHeaders } from '../model/answer.js'

/** A client that gets one of these may succeed with the same request a moment later. */
const RETRY_STATUSES: readonly number[] = [503, 423, 429, 507]
const RETRY_AFTER = { 'Retry-After': '5' }
/** A client that has sent nothing learns the scheme alone (RFC 6750, section 3.1). */
const CHALLENGE = 'Bearer realm="lading"'
const CHALLENGES: Readonly<Record<string, string>> = {
  token_missing: CHALLENGE,
  admin_key_needed: CHALLENGE,
}
const INVALID_TOKEN = 'Bearer realm="lading", error="invalid_token"'
const TEXT = { 'Content-Type': 'text/plain; charset=utf-8' }

/** The answer for an error: its status, and its code word and sentence as plain text. Every refusal is built here. */
export function refusalOf(error: UploadError, headers: HeaderFields = {}): Answer {
  const { code, status, text, answer } = error
  const retry = RETRY_STATUSES.includes(status) ? RETRY_AFTER : {}
  const challenge = status === 401 ? { 'WWW-Authenticate': challengeOf(code, answer !== undefined) } : {}
  return {
    status,
    headers: withHeaders(
      { ...TEXT, ...retry, ...challenge, ...headers, ...error.headers },
      answer?.headers ?? {},
    ),
    text,
  }
}

/** A hook may refuse with 401 a client whose token is right. */
function challengeOf(code: string, isHooks: boolean): string {
  return isHooks ? CHALLENGE : (CHALLENGES[code] ?? INVALID_TOKEN)
}

/** The same as bytes for a socket that has no request; the connection closes behind it. */
export function rawRefusalOf(error: UploadError, headers: HeaderFields): string {
  const refusal = refusalOf(error, headers)
  const text = refusal.text ?? ''
  const fields = { ...refusal.headers, 'Content-Length': Buffer.byteLength(text), Connection: 'close' }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  const status = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? 'Error'}`
  return `${[status, ...lines].join('\r\n')}\r\n\r\n${text}`
}
