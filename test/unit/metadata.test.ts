import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { factsOf, parseMetadata, textOf, withFixed } from '../../server/model/metadata.js'

const RIGHT = [
  ['filename d29ybGQ=', { filename: 'world' }],
  ['a,b Yg==', { a: '', b: 'b' }],
  ['a ,b Yg==', { a: '', b: 'b' }],
  ['constructor eA==,__proto__ eQ==,toString eg==', { constructor: 'x', ['__proto__']: 'y', toString: 'z' }],
  ["a!#$&'()*+-./:;<=>?@[]^_`{|}~ eA==", { "a!#$&'()*+-./:;<=>?@[]^_`{|}~": 'x' }],
] as const

function assertPairs(raw: string, wanted: Readonly<Record<string, string>>): void {
  const values = parseMetadata(raw)
  assert.equal([...values.keys()], Object.keys(wanted), raw)
  for (const [key, text] of Object.entries(wanted)) assert.is(values.get(key)?.toString(), text, raw)
}

for (const [raw, wanted] of RIGHT) {
  test(`reads ${raw}`, () => assertPairs(raw, wanted))
}

/** What clients in use send that is no pair; nothing of it is read. */
const NO_PAIRS = [
  ...[
    '',
    ' ',
    ',',
    ',,',
    'a  YQ==',
    'a YQ',
    'a Y*==',
    '\u00e4 YQ==',
    'a YQ== more',
    'a b c',
    'a =',
    'a ====',
  ],
  ...['filename cat.jpg', 'filename my holiday.jpg', 'my key YQ==', 'a\tYQ==', '\u00e9\u00ff \u0080'],
]

for (const raw of NO_PAIRS) {
  test(`skips ${JSON.stringify(raw)}, and reads the pairs beside it`, () => {
    assertPairs(raw, {})
    assertPairs(`before Yg==,${raw},after Yw==`, { before: 'b', after: 'c' })
  })
}

test('of a key that comes twice the first counts', () => {
  assertPairs('a YQ==,b Yg==,a Yw==,b', { a: 'a', b: 'b' })
  assertPairs('a Y*==,a Yw==', { a: 'c' })
})

test('refuses more than 8 KiB, and says so', () => {
  assert.is(parseMetadata(`a ${'A'.repeat(8188)}`).size, 1)
  const isToldSo = (error: unknown): boolean =>
    error instanceof UploadError && error.code === 'metadata_too_large' && error.text.includes('8 KiB')
  for (const long of [`a ${'A'.repeat(8192)}`, ','.repeat(8193)])
    assert.throws(() => parseMetadata(long), isToldSo)
})

test('the first key that has a value counts, and what Uppy means by "null" is none', () => {
  const metadata = parseMetadata('name bnVsbA==,filename YQ==,empty')
  assert.is(textOf(metadata, ['empty', 'name', 'filename']), 'a')
  assert.is(textOf(metadata, ['name']), null)
})

test('a creation without metadata says nothing of its file', () => {
  assert.equal(factsOf(undefined), { metadata: null, filename: null, declaredType: null })
})

test('values that are fixed replace those of the client, and the others stay as they were sent', () => {
  assert.is(withFixed('a YQ==, b Yg==,c', { b: 'x' }), 'a YQ==,c,b eA==')
  assert.is(withFixed('b Yg==', { b: '' }), 'b')
  assert.is(withFixed(undefined, { b: 'x', c: '\u00fc' }), 'b eA==,c w7w=')
  assert.is(withFixed('b Yg==', {}), 'b Yg==')
  assert.is(withFixed(undefined, {}), undefined)
})

test.run()
