import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import type { HeaderFields } from '../model/answer.js'
import { type FileView, fileHeaders } from '../model/file-headers.js'
import { isUnchanged, rangeHeader } from './conditions.js'
import { type ByteRange, rangesOf } from './ranges.js'

/** A range of the file, and the text that stands before it in the body; '' where the body is nothing else. */
export interface DownloadPart extends ByteRange {
  readonly head: string
}

/** What a request for a file is answered. */
export interface DownloadPlan {
  readonly status: 200 | 206 | 304
  readonly headers: HeaderFields
  readonly parts: readonly DownloadPart[]
  /** The text behind the last part. */
  readonly end: string
}

type Asked = Pick<IncomingMessage, 'method' | 'headers'>

/** Plans the answer to a GET or a HEAD. Throws precondition_failed or range_unsatisfiable. */
export function planDownload({ method, headers: asked }: Asked, file: FileView): DownloadPlan {
  const headers = fileHeaders(file)
  if (isUnchanged(asked, headers)) return { status: 304, headers, parts: [], end: '' }
  const whole = { status: 200, headers, parts: [{ from: 0, to: file.length, head: '' }], end: '' } as const
  // Ranges are defined for GET alone (RFC 9110, section 14.2).
  const range = method === 'HEAD' ? undefined : rangeHeader(asked, headers)
  const ranges = range === undefined ? undefined : rangesOf(range, file.length)
  if (ranges === undefined) return whole
  if (ranges === 'none') {
    const own = { 'Content-Range': `bytes */${file.length}`, 'Accept-Ranges': 'bytes' }
    throw new UploadError('range_unsatisfiable', { headers: own })
  }
  const [first, ...more] = ranges
  if (first && more.length === 0) return onePart(first, file.length, headers)
  return severalParts(ranges, file, headers)
}

function onePart(range: ByteRange, length: number, headers: HeaderFields): DownloadPlan {
  const own = {
    'Content-Length': String(range.to - range.from),
    'Content-Range': contentRange(range, length),
  }
  return { status: 206, headers: { ...headers, ...own }, parts: [{ ...range, head: '' }], end: '' }
}

/** A multipart/byteranges body (RFC 9110, section 14.6). */
function severalParts(
  ranges: readonly ByteRange[],
  { type, length }: FileView,
  headers: HeaderFields,
): DownloadPlan {
  const boundary = randomBytes(16).toString('hex')
  const parts = ranges.map((range, at) => {
    const fields = `Content-Type: ${type}\r\nContent-Range: ${contentRange(range, length)}`
    return { ...range, head: `${at === 0 ? '' : '\r\n'}--${boundary}\r\n${fields}\r\n\r\n` }
  })
  const end = `\r\n--${boundary}--\r\n`
  const bytes = parts.reduce(
    (sum, { head, from, to }) => sum + Buffer.byteLength(head) + to - from,
    end.length,
  )
  const own = {
    'Content-Type': `multipart/byteranges; boundary=${boundary}`,
    'Content-Length': String(bytes),
  }
  return { status: 206, headers: { ...headers, ...own }, parts, end }
}

function contentRange({ from, to }: ByteRange, length: number): string {
  return `bytes ${from}-${to - 1}/${length}`
}
