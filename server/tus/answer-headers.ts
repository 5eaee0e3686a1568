import type { HeaderFields } from '../model/answer.js'
import type { Arrival } from '../model/arrival.js'
import { fileHeaders, reprDigest } from '../model/file-headers.js'
import type { UploadRequest } from '../model/request.js'
import type { UploadView } from '../model/upload-view.js'
import { isOffsetType } from './checks.js'
import type { HeaderValues } from './protocol.js'

/** The headers that are passed on from @tus/server's answer. */
const PASSED = ['Upload-Offset', 'Upload-Length', 'Upload-Defer-Length', 'Cache-Control']
const PASSED_OF_FINAL = ['Cache-Control']

interface HeaderOptions {
  readonly basePath: string
  /** GET is refused, and HEAD has no headers of it. */
  readonly disableDownload: boolean
  /** When an unfinished upload expires; milliseconds since 1970. */
  readonly expiresAtMs: (upload: UploadView) => number
}

/** The headers of an answer that is a success; `answered` are those of @tus/server. */
export function answerHeaders(
  request: UploadRequest,
  arrival: Arrival,
  answered: HeaderValues,
  { expiresAtMs, basePath, disableDownload }: HeaderOptions,
): HeaderFields {
  const { upload, method } = request
  const id = upload?.id ?? request.id
  const headers: HeaderFields = {}
  for (const name of upload?.kind === 'final' ? PASSED_OF_FINAL : PASSED) {
    const text = answered.get(name)
    if (text !== null) headers[name] = text
  }
  const { principal } = arrival
  const query = principal.kind === 'grant' ? principal.locationQuery(id) : ''
  if (method === 'POST') headers.Location = `${arrival.origin}${basePath}/${id}${query}`
  if (!upload || method === 'DELETE') return headers
  // The answer to a creation that may bring bytes says how many are stored, also where it brings none.
  const hasOffset = method === 'POST' && isOffsetType(arrival.request) && upload.kind !== 'final'
  if (hasOffset) headers['Upload-Offset'] = String(upload.offset)
  return Object.assign(
    headers,
    uploadHeaders(upload, { isHead: method === 'HEAD', expiresAtMs, disableDownload }),
  )
}

/**
 * Headers that describe the upload. HEAD of a finished one has all headers of a download, Content-Length included
 * (RFC 9110, section 9.3.2).
 */
function uploadHeaders(
  upload: UploadView,
  asked: Omit<HeaderOptions, 'basePath'> & { readonly isHead: boolean },
): HeaderFields {
  const { isHead, expiresAtMs, disableDownload } = asked
  const headers: HeaderFields = {}
  if (upload.kind === 'final') Object.assign(headers, finalHeaders(upload))
  if (isHead && upload.concat !== null) headers['Upload-Concat'] = upload.concat
  if (isHead && upload.metadata !== null) headers['Upload-Metadata'] = upload.metadata
  const { sha256, length, filename, finishedAt } = upload
  if (sha256 === null || length === null) {
    headers['Upload-Expires'] = new Date(expiresAtMs(upload)).toUTCString()
    return headers
  }
  if (!isHead || disableDownload) return Object.assign(headers, { 'Repr-Digest': reprDigest(sha256) })
  const type = upload.type ?? 'application/octet-stream'
  return Object.assign(headers, fileHeaders({ type, length, filename, sha256, finishedAt }))
}

/** A final upload has an offset once it is joined, and not before (tus 1.0.0, concatenation). */
function finalHeaders({ sha256, length }: UploadView): HeaderFields {
  if (length === null) return {}
  const known = { 'Upload-Length': String(length) }
  return sha256 === null ? known : { ...known, 'Upload-Offset': String(length) }
}
