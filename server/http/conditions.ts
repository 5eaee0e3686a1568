import type { IncomingHttpHeaders } from 'node:http'
import { UploadError } from '../errors.js'
import type { Answer, HeaderFields } from '../model/answer.js'

/** Headers that describe the body of a 200, which a 304 has not (RFC 9110, section 15.4.5). */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  ...['Content-Type', 'Content-Length', 'Content-Disposition', 'Content-Security-Policy', 'Repr-Digest'],
  ...['X-Content-Type-Options', 'Accept-Ranges'],
])

const MONTHS = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
const TIME = String.raw`\d\d:\d\d:\d\d`
/** The three forms of a date (RFC 9110, section 5.6.7). The third is in UTC too, but does not say so. */
const DATES = [
  new RegExp(String.raw`^\w{3}, \d\d ${MONTHS} \d{4} ${TIME} GMT$`),
  new RegExp(String.raw`^\w{6,9}, \d\d-${MONTHS}-\d\d ${TIME} GMT$`),
]
const ASCTIME = new RegExp(String.raw`^\w{3} ${MONTHS} [ \d]\d ${TIME} \d{4}$`)

/**
 * Tells by the conditions of a GET or HEAD whether the client has the file already, in the order of RFC 9110, section
 * 13.2.2. `fields` are the headers of the file. Throws precondition_failed.
 */
export function isUnchanged(asked: IncomingHttpHeaders, fields: HeaderFields): boolean {
  const etag = fields.ETag ?? ''
  const modifiedMs = dateOf(fields['Last-Modified'])
  const isSince = (date: string | undefined): boolean | undefined => {
    const dateMs = dateOf(date)
    return dateMs === undefined || modifiedMs === undefined ? undefined : modifiedMs > dateMs
  }
  const match = asked['if-match']
  if (match !== undefined ? !names(match, etag, 'strong') : isSince(asked['if-unmodified-since']))
    throw new UploadError('precondition_failed')
  const noneMatch = asked['if-none-match']
  if (noneMatch !== undefined) return names(noneMatch, etag, 'weak')
  return isSince(asked['if-modified-since']) === false
}

/** The Range header of a GET, undefined where it does not count: If-Range names another version of the file. */
export function rangeHeader(asked: IncomingHttpHeaders, fields: HeaderFields): string | undefined {
  const ifRange = asked['if-range']
  if (typeof ifRange !== 'string') return asked.range
  const dateMs = dateOf(ifRange)
  const isSame =
    dateMs === undefined ? ifRange.trim() === fields.ETag : dateMs === dateOf(fields['Last-Modified'])
  return isSame ? asked.range : undefined
}

/** The answer to a client that has the file already. */
export function unchanged(headers: HeaderFields): Answer {
  return {
    status: 304,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_BODY.has(name))),
  }
}

/** Tells whether a list of entity tags has this one, which is strong; `*` names every one. */
function names(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true
  const tags = list.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some((tag) => tag === etag || (comparison === 'weak' && tag === `W/${etag}`))
}

/** Milliseconds since 1970; undefined where it is no date of HTTP, as one with a 25th hour. */
function dateOf(text: string | undefined): number | undefined {
  const date = text?.trim() ?? ''
  if (!ASCTIME.test(date) && !DATES.some((form) => form.test(date))) return undefined
  const ms = Date.parse(ASCTIME.test(date) ? `${date} GMT` : date)
  return Number.isNaN(ms) ? undefined : ms
}
