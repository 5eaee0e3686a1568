import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import { bringsBody, headerOf } from './checks.js'

/** Upload-Concat of a creation: a partial upload, or a final one of these parts, in order. */
export interface Concat {
  /** The header as it was sent. */
  readonly header: string
  /** The ids of a final upload's parts; null for a partial one. */
  readonly parts: readonly string[] | null
}

/**
 * What a creation says of concatenation (tus 1.0.0, concatenation); null where it says nothing. A URL counts
 * by the id at its end: behind a proxy this server does not know its own name. Throws concat_invalid, and
 * part_unknown where a URL cannot be that of an upload here.
 */
export function concatOf(request: IncomingMessage, isUploadId: (text: string) => boolean): Concat | null {
  const header = headerOf(request, 'upload-concat')
  if (header === undefined) return null
  if (header === 'partial') return { header, parts: null }
  const [, list] = /^final;\s*(\S.*)$/.exec(header) ?? []
  if (list === undefined) throw new UploadError('concat_invalid')
  const { headers } = request
  const hasLength = headers['upload-length'] !== undefined || headers['upload-defer-length'] !== undefined
  if (hasLength || bringsBody(request)) throw new UploadError('concat_invalid', { detail: 'length or body' })
  const parts = list.split(/\s+/).map(idOf)
  if (!parts.every(isUploadId)) throw new UploadError('part_unknown')
  return { header, parts }
}

function idOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? ''
  return path.slice(path.lastIndexOf('/') + 1)
}
