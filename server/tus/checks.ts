import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import { TUS_VERSION } from './version.js'

const OFFSET_TYPE = 'application/offset+octet-stream'
const BLANK = /^[ \t]*$/

/** A body that belongs to no upload is read and ignored up to so many bytes. */
export const MOST_IGNORED_BYTES = 64 * 1024

/**
 * The one value of a header; undefined where it is missing or empty, because clients in use send a header
 * of which they have no value. Of a doubled one, the values joined by a comma.
 */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  const text = Array.isArray(value) ? value.join(', ') : value
  return text === undefined || BLANK.test(text) ? undefined : text
}

/**
 * A header that is a number of bytes: plain decimal digits, at most 2^53-1 (tus 1.0.0, core).
 * Undefined where it is missing. Throws header_invalid.
 */
export function bytesHeader(request: IncomingMessage, name: string): number | undefined {
  const text = headerOf(request, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
    throw new UploadError('header_invalid', { detail: name })
  }
  return value
}

/**
 * Throws version_unsupported where a request is of another version than 1.0.0 (tus 1.0.0, core), and where it names
 * none unless that `mayBeMissing`.
 */
export function checkVersion(request: IncomingMessage, mayBeMissing: boolean): void {
  const version = headerOf(request, 'tus-resumable') ?? (mayBeMissing ? TUS_VERSION : undefined)
  if (version !== TUS_VERSION) throw new UploadError('version_unsupported')
}

/** Tells whether a request brings a body: bytes, or chunks whose number is not known yet. */
export function bringsBody(request: IncomingMessage): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  )
}

/** Tells whether the body is announced as offset bytes; parameters and case do not matter. */
export function isOffsetType(request: IncomingMessage): boolean {
  return headerOf(request, 'content-type')?.split(';')[0]?.trim().toLowerCase() === OFFSET_TYPE
}

/** The length a creation declares; null where it is deferred. Throws length_needed or header_invalid. */
export function creationLength(request: IncomingMessage): number | null {
  const length = bytesHeader(request, 'upload-length')
  const deferred = headerOf(request, 'upload-defer-length')
  if ((length === undefined) === (deferred === undefined)) throw new UploadError('length_needed')
  if (deferred !== undefined && deferred !== '1') throw new UploadError('header_invalid', { detail: 'defer' })
  return length ?? null
}

/** The headers of a final upload's creation in the form @tus/server takes: its length is that of its parts. */
export const FINAL_HEADERS = { 'upload-defer-length': '1' }

/** The headers of a creation in the form @tus/server takes. Throws the refusal. */
export function creationHeaders(request: IncomingMessage, maxSizeBytes: number): Record<string, string> {
  const length = creationLength(request)
  const takesBody = bringsBody(request) && isOffsetType(request)
  const bodyBytes = Number(request.headers['content-length'] ?? 0)
  if (!takesBody && bodyBytes > MOST_IGNORED_BYTES) throw new UploadError('content_type_wrong')
  const uploadBytes = takesBody ? bodyBytes : 0
  if ((length ?? uploadBytes) > maxSizeBytes) throw new UploadError('size_exceeded')
  if (length !== null && uploadBytes > length) throw new UploadError('length_exceeded')
  const declared: Record<string, string> =
    length === null ? { 'upload-defer-length': '1' } : { 'upload-length': String(length) }
  return takesBody ? Object.assign(declared, bodyHeaders(request)) : declared
}

/** The headers of a PATCH in the form @tus/server takes. Throws the refusal. */
export function patchHeaders(request: IncomingMessage, maxSizeBytes: number): Record<string, string> {
  if (!isOffsetType(request)) throw new UploadError('content_type_wrong')
  const offset = bytesHeader(request, 'upload-offset')
  if (offset === undefined) throw new UploadError('offset_missing')
  const length = bytesHeader(request, 'upload-length')
  if (length !== undefined && length > maxSizeBytes) throw new UploadError('size_exceeded')
  const headers: Record<string, string> = { 'upload-offset': String(offset) }
  if (length !== undefined) headers['upload-length'] = String(length)
  return Object.assign(headers, bodyHeaders(request))
}

function bodyHeaders(request: IncomingMessage): Record<string, string> {
  const length = request.headers['content-length']
  return { 'content-type': OFFSET_TYPE, ...(length === undefined ? {} : { 'content-length': length }) }
}
