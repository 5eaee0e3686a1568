import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rangesOf } from '../../server/http/ranges.js'

const test = suite('ranges')

const text = (header: string, length = 100): string => {
  const ranges = rangesOf(header, length)
  return typeof ranges === 'object'
    ? ranges.map(({ from, to }) => `${from}-${to - 1}`).join(' ')
    : `${ranges}`
}

const RANGES: readonly (readonly [what: string, header: string, ranges: string, length?: number])[] = [
  ['the first byte', 'bytes=0-0', '0-0'],
  ['from a byte on', 'bytes=90-', '90-99'],
  ['the last bytes', 'bytes=-10', '90-99'],
  ['a suffix that is longer than the file', 'bytes=-1000', '0-99'],
  ['an end behind the file', 'bytes=90-1000', '90-99'],
  ['an end of 30 digits', `bytes=90-${'9'.repeat(30)}`, '90-99'],
  ['a suffix of 400 digits', `bytes=-${'9'.repeat(400)}`, '0-99'],
  ['leading zeros', 'bytes=007-0009', '7-9'],
  ['another letter case', 'BYTES=1-2', '1-2'],
  ['blanks around ranges', 'bytes= 1-2 ,\t4-5 ', '1-2 4-5'],
  ['blanks within a range', 'bytes=1 - 2', '1-2'],
  ['empty elements of the list', 'bytes=,1-2,,4-5,', '1-2 4-5'],
  ['several, in their order', 'bytes=50-59,-1,0-9', '50-59 99-99 0-9'],
  ['adjacent', 'bytes=0-9,10-19', '0-9 10-19'],
  ['overlapping', 'bytes=0-9,5-14', '0-9 5-14'],
  ['one of several is behind the file', 'bytes=0-9,200-', '0-9'],
  [
    'sixteen',
    `bytes=${Array.from({ length: 16 }, (_, at) => `${at}-${at}`)}`,
    Array.from({ length: 16 }, (_, at) => `${at}-${at}`).join(' '),
  ],
  [
    '"at most 16": the whole file for more',
    `bytes=${Array.from({ length: 17 }, (_, at) => `${at}-${at}`)}`,
    'undefined',
  ],
  ['more bytes than the file has', 'bytes=0-,0-0', 'undefined'],
  ['another unit', 'lines=0-9', 'undefined'],
  ['no unit', '0-9', 'undefined'],
  ['a blank before the equals sign', 'bytes =0-9', 'undefined'],
  ['a repeated header, as Node joins it', 'bytes=0-9, bytes=20-29', 'undefined'],
  ['the first byte behind the file', 'bytes=100-', 'none'],
  ['a start of 30 digits', `bytes=${'9'.repeat(30)}-`, 'none'],
  ['the last 0 bytes', 'bytes=-0', 'none'],
  ['an end before the start', 'bytes=9-5', 'none'],
  ['a negative start', 'bytes=--5', 'none'],
  ['a negative end', 'bytes=5--1', 'none'],
  ['no number', 'bytes=-', 'none'],
  ['no range', 'bytes=', 'undefined'],
  ['a list of nothing', 'bytes=,', 'none'],
  ['words', 'bytes=a-b', 'none'],
  ['a fraction', 'bytes=0-1.5', 'none'],
  ['a hexadecimal number', 'bytes=0x1-2', 'none'],
  ['an empty file from its beginning', 'bytes=0-', 'undefined', 0],
  ['the last bytes of an empty file', 'bytes=-5', 'undefined', 0],
  ['an empty file from byte 1 on', 'bytes=1-', 'none', 0],
]

for (const [what, header, ranges, length] of RANGES)
  test(`Range (RFC 9110, section 14.2): ${what}`, () => assert.is(text(header, length), ranges))

test('a Range header as long as a head may be is read to its end', () => {
  const most = 64 * 1024
  assert.is(text(`bytes=${'0-0,'.repeat(most / 4)}`), 'undefined')
  assert.is(text(`bytes=${','.repeat(most)}1-2`), '1-2')
  for (const each of [' ', '	', '-', '1 ', '1-'])
    assert.is(text(`bytes=0-${each.repeat(most / each.length)}x`), 'none', each)
})

test.run()
