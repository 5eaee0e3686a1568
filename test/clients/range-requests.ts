import fc from 'fast-check'

/** A request for one of the files; of its headers, `{etag}` and `{date}` stand for those that the server sent. */
export interface FileRequest {
  /** Of the file. */
  readonly length: number
  readonly method: 'GET' | 'HEAD'
  /** The values of each header; several are sent as several headers. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}

/** The lengths of the files: none and one byte, and one that is more than a piece of 64 KiB. */
export const LENGTHS: readonly number[] = [0, 1, 70_001]

const HUGE = '99999999999999999999'

const numbers = (length: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.nat(length + 20).map(String) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        ...[0, 1, length - 1, length, length + 1, 65_535, 65_536].map((n) => `${Math.max(0, n)}`),
      ),
    },
    { weight: 1, arbitrary: fc.nat(60).map(String) },
  )

/** One range: mostly what clients send, now and then what only looks like it. */
const specs = (length: number) => {
  const number = numbers(length)
  return fc.oneof(
    {
      weight: 12,
      arbitrary: fc.tuple(number, number).map(([a, b]) =>
        [a, b]
          .map(Number)
          .sort((x, y) => x - y)
          .join('-'),
      ),
    },
    { weight: 8, arbitrary: fc.tuple(fc.nat(length), fc.nat(40)).map(([a, b]) => `${a}-${a + b}`) },
    { weight: 4, arbitrary: number.map((a) => `${a}-`) },
    { weight: 4, arbitrary: number.map((a) => `-${a}`) },
    { weight: 2, arbitrary: fc.tuple(number, number).map(([a, b]) => `${a}-${b}`) },
    { weight: 1, arbitrary: fc.tuple(number, number).map(([a, b]) => ` ${a} - ${b} `) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('-', '--1', 'a-b', '1', '1-2-3', '0x1-2', '1.5-2', '+1-2', '-0', ''),
    },
    { weight: 1, arbitrary: fc.constantFrom(`0-${HUGE}`, `${HUGE}-`, `-${HUGE}`, '00001-00002') },
  )
}

const ranges = (length: number) => {
  const spec = specs(length)
  const lists = fc.oneof(
    { weight: 6, arbitrary: fc.array(spec, { minLength: 1, maxLength: 1 }) },
    { weight: 5, arbitrary: fc.array(spec, { minLength: 2, maxLength: 5 }) },
    {
      weight: 1,
      arbitrary: fc.array(
        fc.nat(length).map((a) => `${a}-${a}`),
        { minLength: 14, maxLength: 19 },
      ),
    },
  )
  const unit = fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom('bytes=') },
    { weight: 1, arbitrary: fc.constantFrom('Bytes=', 'bytes =', 'items=', 'bytes:', '') },
  )
  const one = fc.tuple(unit, lists).map(([name, list]) => `${name}${list.join(',')}`)
  return fc.oneof(
    { weight: 30, arbitrary: one.map((range) => [range]) },
    { weight: 1, arbitrary: fc.tuple(spec, spec).map((both) => both.map((each) => `bytes=${each}`)) },
  )
}

const tags = fc.constantFrom(
  '{etag}',
  'W/{etag}',
  '*',
  '"other"',
  '"a", {etag}',
  'W/"a" , W/{etag}',
  '"a","b"',
  'bare',
)
const dates = fc.constantFrom(
  ...[
    '{date}',
    '{date}',
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
  ],
  ...['Fri, 01 Jan 2100 00:00:00 GMT', 'never'],
)

const conditions = fc.oneof(
  { weight: 12, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: tags.map((tag) => ({ 'If-None-Match': [tag] })) },
  { weight: 3, arbitrary: dates.map((date) => ({ 'If-Modified-Since': [date] })) },
  { weight: 3, arbitrary: tags.map((tag) => ({ 'If-Match': [tag] })) },
  { weight: 3, arbitrary: dates.map((date) => ({ 'If-Unmodified-Since': [date] })) },
  { weight: 4, arbitrary: fc.oneof(tags, dates).map((text) => ({ 'If-Range': [text] })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tags, dates)
      .map(([tag, date]) => ({ 'If-None-Match': [tag], 'If-Modified-Since': [date] })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tags, dates)
      .map(([tag, date]) => ({ 'If-Match': [tag], 'If-Unmodified-Since': [date] })),
  },
  { weight: 1, arbitrary: fc.tuple(tags, tags).map(([a, b]) => ({ 'If-Match': [a], 'If-None-Match': [b] })) },
)

/** Requests for the files, with ranges and conditions of every kind. */
export const fileRequests: fc.Arbitrary<FileRequest> = fc
  .oneof({ weight: 8, arbitrary: fc.constant(70_001) }, { weight: 2, arbitrary: fc.constantFrom(...LENGTHS) })
  .chain((length) =>
    fc.record({
      length: fc.constant(length),
      method: fc.oneof(
        { weight: 9, arbitrary: fc.constant('GET' as const) },
        { weight: 1, arbitrary: fc.constant('HEAD' as const) },
      ),
      headers: fc
        .tuple(
          fc.oneof(
            { weight: 9, arbitrary: ranges(length).map((range) => ({ Range: range })) },
            { weight: 1, arbitrary: fc.constant({}) },
          ),
          conditions,
        )
        .map(([range, more]) => ({ ...range, ...more })),
    }),
  )
