import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { parseMetadata, textOf } from '../../server/http/metadata.js'

const RIGHT = [
  ['filename d29ybGQ=', { filename: 'world' }],
  ['a,b Yg==', { a: '', b: 'b' }],
  ['a ,b Yg==', { a: '', b: 'b' }],
  ['constructor eA==,__proto__ eQ==,toString eg==', { constructor: 'x', ['__proto__']: 'y', toString: 'z' }],
  ["a!#$&'()*+-./:;<=>?@[]^_`{|}~ eA==", { "a!#$&'()*+-./:;<=>?@[]^_`{|}~": 'x' }],
] as const

for (const [raw, wanted] of RIGHT) {
  test(`accepts ${raw}`, () => {
    const { values } = parseMetadata(raw)
    assert.equal([...values.keys()], Object.keys(wanted))
    for (const [key, text] of Object.entries(wanted)) assert.is(values.get(key)?.toString(), text)
  })
}

const WRONG = [
  '',
  ' ',
  ',',
  'a YQ==,',
  'a YQ==,a Yg==',
  'a  YQ==',
  'a YQ',
  'a Y*==',
  'ä YQ==',
  'a YQ== more',
  'a b c',
]
WRONG.push('a =', 'a ====', `a ${'A'.repeat(16 * 1024)}`)

for (const raw of WRONG) {
  test(`refuses ${JSON.stringify(raw.slice(0, 30))}`, () => {
    assert.throws(
      () => parseMetadata(raw),
      (error: unknown) => error instanceof UploadError && error.code === 'metadata_invalid',
    )
  })
}

test('the first key that has a value counts, and what Uppy means by "null" is none', () => {
  const metadata = parseMetadata('name bnVsbA==,filename YQ==,empty')
  assert.is(textOf(metadata, ['empty', 'name', 'filename']), 'a')
  assert.is(textOf(metadata, ['name']), null)
  assert.is(textOf(null, ['name']), null)
})

test.run()
