import type { FileRequest } from './range-requests.js'

/** A kind of request that nginx 1.22 answers in another way than the specification says. */
interface Deviation {
  readonly reason: string
  isOf(request: FileRequest): boolean
  /** A request that means the same by the specification, and that nginx answers as it must. */
  plain(request: FileRequest): FileRequest
}

const RANGE = 'Range'

const rangeOf = ({ headers }: FileRequest): string => headers[RANGE]?.[0] ?? ''
const has = ({ headers }: FileRequest, ...names: readonly string[]): boolean =>
  names.every((name) => headers[name] !== undefined)

function without(request: FileRequest, name: string): FileRequest {
  const { [name]: _, ...headers } = request.headers
  return { ...request, headers }
}

function withRange(request: FileRequest, range: string): FileRequest {
  return { ...request, headers: { ...request.headers, [RANGE]: [range] } }
}

/** Every known one. A request may show several. */
const DEVIATIONS: readonly Deviation[] = [
  {
    reason:
      'nginx answers a HEAD with Range by 206; ranges are defined for GET alone (RFC 9110, section 14.2)',
    isOf: (request) => request.method === 'HEAD' && has(request, RANGE),
    plain: (request) => without(request, RANGE),
  },
  {
    reason:
      'nginx takes the first of repeated Range headers; together they are no range (RFC 9110, section 5.3)',
    isOf: ({ headers }) => (headers[RANGE]?.length ?? 0) > 1,
    plain: (request) => without(request, RANGE),
  },
  {
    reason: 'nginx looks at If-Modified-Since beside If-None-Match (RFC 9110, section 13.1.3: it is ignored)',
    isOf: (request) => has(request, 'If-None-Match', 'If-Modified-Since'),
    plain: (request) => without(request, 'If-Modified-Since'),
  },
  {
    reason: 'nginx looks at If-Unmodified-Since beside If-Match (RFC 9110, section 13.1.4: it is ignored)',
    isOf: (request) => has(request, 'If-Match', 'If-Unmodified-Since'),
    plain: (request) => without(request, 'If-Unmodified-Since'),
  },
  {
    reason:
      'nginx answers 412 to an If-Unmodified-Since that is no date (RFC 9110, section 13.1.4: it is ignored)',
    isOf: ({ headers }) => headers['If-Unmodified-Since']?.[0] === 'never',
    plain: (request) => without(request, 'If-Unmodified-Since'),
  },
  {
    reason: 'nginx refuses empty elements of a list (RFC 9110, section 5.6.1.2: they are ignored)',
    isOf: (request) => /^bytes=.*?\d.*/i.test(rangeOf(request)) && /[=,]\s*(,|$)/.test(rangeOf(request)),
    plain: (request) => {
      const [unit = '', list = ''] = rangeOf(request).split('=')
      return withRange(request, `${unit}=${list.split(',').filter((each) => each.trim() !== '')}`)
    },
  },
  {
    reason: 'nginx refuses numbers of more than 63 bits (RFC 9110, section 14.1.1 has no such limit)',
    isOf: (request) => /\d{19}/.test(rangeOf(request)),
    plain: (request) => withRange(request, rangeOf(request).replaceAll(/\d{19,}/g, '999999999')),
  },
]

/** A request as nginx answers it by the specification, and why it is not the same as before. */
export function forNginx(request: FileRequest): {
  readonly request: FileRequest
  readonly reasons: readonly string[]
} {
  const reasons: string[] = []
  let plain = request
  for (const each of DEVIATIONS) {
    if (!each.isOf(plain)) continue
    reasons.push(each.reason)
    plain = each.plain(plain)
  }
  return { request: plain, reasons }
}
