import type { IncomingHttpHeaders } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { asUploadError } from '../../server/errors.js'
import { isUnchanged, rangeHeader } from '../../server/http/conditions.js'

const test = suite('conditions')

const OWN = '"0a1b"'
const FILE = { ETag: OWN, 'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT' }
const SAME = 'Sun, 06 Nov 1994 08:49:37 GMT'
const BEFORE = 'Sun, 06 Nov 1994 08:49:36 GMT'
const AFTER = 'Sun, 06 Nov 1994 08:49:38 GMT'

const statusOf = (headers: IncomingHttpHeaders): number => {
  try {
    return isUnchanged(headers, FILE) ? 304 : 200
  } catch (error) {
    return asUploadError(error).status
  }
}

const CONDITIONS: readonly (readonly [headers: IncomingHttpHeaders, status: number])[] = [
  [{}, 200],
  [{ 'if-none-match': OWN }, 304],
  [{ 'if-none-match': `W/${OWN}` }, 304],
  [{ 'if-none-match': '*' }, 304],
  [{ 'if-none-match': `"other", W/"more",${OWN}` }, 304],
  [{ 'if-none-match': `"with, comma" , W/${OWN}` }, 304],
  [{ 'if-none-match': '"other"' }, 200],
  [{ 'if-none-match': '0a1b' }, 200],
  [{ 'if-none-match': '' }, 200],
  [{ 'if-none-match': '"other"', 'if-modified-since': AFTER }, 200],
  [{ 'if-none-match': OWN, 'if-modified-since': BEFORE }, 304],
  [{ 'if-modified-since': SAME }, 304],
  [{ 'if-modified-since': AFTER }, 304],
  [{ 'if-modified-since': BEFORE }, 200],
  [{ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }, 304],
  [{ 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, 304],
  [{ 'if-modified-since': 'Sun Nov  6 08:49:36 1994' }, 200],
  [{ 'if-modified-since': '1994-11-07' }, 200],
  [{ 'if-modified-since': 'tomorrow' }, 200],
  [{ 'if-modified-since': 'Sun, 99 Nov 2094 08:49:37 GMT' }, 200],
  [{ 'if-modified-since': 'Sun, 06 Nov 2094 25:61:61 GMT' }, 200],
  [{ 'if-modified-since': 'Sun Nov 99 08:49:37 2094' }, 200],
  [{ 'if-match': OWN }, 200],
  [{ 'if-match': '*' }, 200],
  [{ 'if-match': `"other", ${OWN}` }, 200],
  [{ 'if-match': `W/${OWN}` }, 412],
  [{ 'if-match': '"other"' }, 412],
  [{ 'if-match': OWN, 'if-unmodified-since': BEFORE }, 200],
  [{ 'if-match': OWN, 'if-none-match': OWN }, 304],
  [{ 'if-match': '"other"', 'if-none-match': OWN }, 412],
  [{ 'if-unmodified-since': SAME }, 200],
  [{ 'if-unmodified-since': AFTER }, 200],
  [{ 'if-unmodified-since': BEFORE }, 412],
  [{ 'if-unmodified-since': 'yesterday' }, 200],
  [{ 'if-unmodified-since': BEFORE, 'if-modified-since': AFTER }, 412],
]

for (const [headers, status] of CONDITIONS)
  test(`"the recipient cache or origin server MUST evaluate" (RFC 9110, section 13.2.2): ${status} for ${JSON.stringify(headers)}`, () =>
    assert.is(statusOf(headers), status))

const IF_RANGE: readonly (readonly [ifRange: string | undefined, counts: boolean])[] = [
  [undefined, true],
  [OWN, true],
  [`W/${OWN}`, false],
  ['"other"', false],
  [`${OWN}, "other"`, false],
  ['*', false],
  [SAME, true],
  ['Sunday, 06-Nov-94 08:49:37 GMT', true],
  [BEFORE, false],
  [AFTER, false],
  ['soon', false],
]

for (const [ifRange, counts] of IF_RANGE)
  test(`If-Range (RFC 9110, section 13.1.5): ${ifRange} makes Range ${counts ? 'count' : 'ignored'}`, () => {
    const headers = { range: 'bytes=0-1', ...(ifRange === undefined ? {} : { 'if-range': ifRange }) }
    assert.is(rangeHeader(headers, FILE), counts ? 'bytes=0-1' : undefined)
  })

test('a file of which no finish time is known has no dates to compare', () => {
  const fields = { ETag: OWN }
  assert.not(isUnchanged({ 'if-modified-since': AFTER }, fields))
  assert.not(isUnchanged({ 'if-unmodified-since': BEFORE }, fields))
  assert.is(rangeHeader({ range: 'bytes=0-1', 'if-range': SAME }, fields), undefined)
})

test.run()
