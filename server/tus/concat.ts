import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import type { Concat } from '../model/creation.js'
import { bringsBody, headerOf, isOffsetType, MOST_IGNORED_BYTES } from './checks.js'

export interface ConcatOptions {
  readonly isUploadId: (text: string) => boolean
  /** The network address that asks. */
  readonly client: string
}

/**
 * What a creation says of concatenation (tus 1.0.0, concatenation); null where it says nothing. A URL counts
 * by the id at its end: behind a proxy this server does not know its own name. A length of a final upload is
 * ignored: clients must not send one, some do, and its parts have the right one. Throws concat_invalid, and
 * part_unknown where a URL cannot be that of an upload here.
 */
export function concatOf(request: IncomingMessage, options: ConcatOptions): Concat | null {
  const header = headerOf(request, 'upload-concat')
  if (header === undefined) return null
  const { client } = options
  const value = header.trim()
  if (/^partial\s*;?$/i.test(value)) return { header, parts: null, client }
  const [, list] = /^final\s*;\s*(\S.*?)[\s;]*$/i.exec(value) ?? []
  if (list === undefined) throw new UploadError('concat_invalid')
  if (bringsBytes(request)) throw new UploadError('concat_invalid', { detail: 'a body' })
  const parts = list.split(/\s+/).map(idOf)
  if (!parts.every(options.isUploadId)) throw new UploadError('part_unknown')
  return { header, parts, client }
}

/** Tells whether a final upload's creation has bytes that cannot be ignored. A chunked body is checked when it ends. */
function bringsBytes(request: IncomingMessage): boolean {
  const bytes = Number(request.headers['content-length'] ?? 0)
  return bringsBody(request) && bytes > (isOffsetType(request) ? 0 : MOST_IGNORED_BYTES)
}

function idOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? ''
  // Copied: a slice would keep the whole header in memory for as long as the id is kept.
  return Buffer.from(path.slice(path.lastIndexOf('/') + 1)).toString()
}
