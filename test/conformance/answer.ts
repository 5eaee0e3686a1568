/** One answer as it came, with its headers in their order and number. */
export class Answer {
  readonly status: number
  readonly reason: string
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Method and path of the request, for reports. */
  readonly request: string

  constructor(
    head: { status: number; reason: string; fields: readonly (readonly [string, string])[] },
    body: Buffer,
    request: string,
  ) {
    this.status = head.status
    this.reason = head.reason
    this.fields = head.fields
    this.body = body
    this.request = request
  }

  /** A header's value, doubled ones joined as RFC 9110 section 5.3 joins them; undefined where there is none. */
  get(name: string): string | undefined {
    const values = this.fields.filter(([each]) => each.toLowerCase() === name.toLowerCase())
    return values.length === 0 ? undefined : values.map(([, value]) => value).join(', ')
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** Whether it says that the request was at fault. */
  get refuses(): boolean {
    return this.status >= 400 && this.status < 500
  }

  /** The request, the status and what concerns tus of the headers, on one line. */
  toString(): string {
    const telling = /^(tus-|upload-|location$|cache-control$|connection$)/i
    const headers = this.fields
      .filter(([name]) => telling.test(name))
      .map(([name, value]) => `${name}: ${value}`)
    const tail = headers.length === 0 ? 'without a header of tus' : `with ${headers.join(' · ')}`
    return `${this.request} → ${this.status} ${this.reason} ${tail}`.replaceAll('  ', ' ')
  }
}

/** What was read of one answer, and the bytes behind it. */
export interface Taken {
  readonly answer: Answer
  readonly rest: Buffer
}

const END_OF_HEAD = '\r\n\r\n'

/**
 * The first whole answer in what was received; undefined where more has to come. `ended` says that nothing
 * will, which is the end of a body without a length. Throws an Error where it is not HTTP/1.
 */
export function takeAnswer(
  received: Buffer,
  ended: boolean,
  method: string,
  request: string,
): Taken | undefined {
  const end = received.indexOf(END_OF_HEAD)
  if (end < 0) return undefined
  const head = readHead(received.subarray(0, end).toString('latin1'))
  const rest = received.subarray(end + END_OF_HEAD.length)
  const bodyless = method === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304
  const body = bodyless ? { bytes: Buffer.alloc(0), length: 0 } : takeBody(head.fields, rest, ended)
  if (body === undefined) return undefined
  return { answer: new Answer(head, body.bytes, request), rest: rest.subarray(body.length) }
}

function readHead(text: string): { status: number; reason: string; fields: [string, string][] } {
  const [line = '', ...fields] = text.split('\r\n')
  const [, status, reason = ''] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(line) ?? []
  if (status === undefined) throw new Error(`the answer begins with ${JSON.stringify(line.slice(0, 80))}`)
  return { status: Number(status), reason, fields: fields.map(readField) }
}

function readField(field: string): [string, string] {
  const at = field.indexOf(':')
  return [field.slice(0, at), field.slice(at + 1).trim()]
}

type Body = { readonly bytes: Buffer; readonly length: number } | undefined

function takeBody(fields: readonly (readonly [string, string])[], rest: Buffer, ended: boolean): Body {
  const value = (name: string) => fields.find(([each]) => each.toLowerCase() === name)?.[1]
  if (/\bchunked$/i.test(value('transfer-encoding') ?? '')) return takeChunks(rest)
  const length = value('content-length')
  if (length === undefined) return ended ? { bytes: rest, length: rest.length } : undefined
  if (rest.length < Number(length)) return undefined
  return { bytes: rest.subarray(0, Number(length)), length: Number(length) }
}

function takeChunks(rest: Buffer): Body {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString('latin1'), 16)
    if (Number.isNaN(size)) throw new Error('the answer has a chunk without a size')
    if (size === 0) {
      const end = endOfTrailers(rest, lineEnd)
      return end === undefined ? undefined : { bytes: Buffer.concat(parts), length: end }
    }
    const from = lineEnd + 2
    if (rest.length < from + size + 2) return undefined
    parts.push(rest.subarray(from, from + size))
    at = from + size + 2
  }
}

/** The line of the last chunk ends at `from`; behind it are trailers, if any, and an empty line. */
function endOfTrailers(rest: Buffer, from: number): number | undefined {
  const end = rest.indexOf(END_OF_HEAD, from)
  return end < 0 ? undefined : end + END_OF_HEAD.length
}
