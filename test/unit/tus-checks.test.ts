import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { bytesHeader, creationHeaders, headerOf, patchHeaders } from '../../server/tus/checks.js'
import { concatOf } from '../../server/tus/concat.js'
import { fakeRequest } from '../helpers/fake-exchange.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

type Fields = Readonly<Record<string, string>>

const MOST = 1000
const BODY = { 'content-type': OFFSET_TYPE, 'content-length': '5' }
const CHUNKS = { 'content-type': OFFSET_TYPE, 'transfer-encoding': 'chunked' }

/** What a check gives, or the code of what it throws. */
function outcome(check: () => unknown): unknown {
  try {
    return check()
  } catch (error) {
    return error instanceof UploadError ? error.code : error
  }
}

const NUMBERS: ReadonlyArray<[text: string, bytes: number | string | undefined]> = [
  ['0', 0],
  ['007', 7],
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', 'header_invalid'],
  ['10000000000000000', 'header_invalid'],
  ['-1', 'header_invalid'],
  ['1.5', 'header_invalid'],
  ['1e3', 'header_invalid'],
  ['0x10', 'header_invalid'],
  ['1, 1', 'header_invalid'],
  ['', undefined],
  [' \t', undefined],
]

for (const [text, bytes] of NUMBERS) {
  test(`"The value MUST be a non-negative integer": "${text}" is ${bytes}`, () => {
    const request = fakeRequest('PATCH', '/', { 'upload-offset': text })
    assert.is(
      outcome(() => bytesHeader(request, 'upload-offset')),
      bytes,
    )
  })
}

const CREATIONS: ReadonlyArray<[title: string, headers: Fields, checked: Fields | string]> = [
  ['a length', { 'upload-length': '5' }, { 'upload-length': '5' }],
  ['a length of 0', { 'upload-length': '0' }, { 'upload-length': '0' }],
  ['a length that is deferred', { 'upload-defer-length': '1' }, { 'upload-defer-length': '1' }],
  ['a deferred length with another value than 1', { 'upload-defer-length': '0' }, 'header_invalid'],
  ['neither length nor deferral', {}, 'length_needed'],
  ['a length and a deferral', { 'upload-length': '5', 'upload-defer-length': '1' }, 'length_needed'],
  ['a length of Tus-Max-Size', { 'upload-length': '1000' }, { 'upload-length': '1000' }],
  ['a length over Tus-Max-Size', { 'upload-length': '1001' }, 'size_exceeded'],
  ['a body of its length', { 'upload-length': '5', ...BODY }, { 'upload-length': '5', ...BODY }],
  ['a body longer than its length', { 'upload-length': '4', ...BODY }, 'length_exceeded'],
  [
    'a deferred length with a body over Tus-Max-Size',
    { 'upload-defer-length': '1', ...BODY, 'content-length': '1001' },
    'size_exceeded',
  ],
  ['chunks', { 'upload-length': '5', ...CHUNKS }, { 'upload-length': '5', 'content-type': OFFSET_TYPE }],
  [
    'a body of another type, which is ignored',
    { 'upload-length': '5', 'content-type': 'text/plain', 'content-length': '65536' },
    { 'upload-length': '5' },
  ],
  [
    'a body of another type that is too long to be ignored',
    { 'upload-length': '5', 'content-type': 'text/plain', 'content-length': '65537' },
    'content_type_wrong',
  ],
]

for (const [title, headers, checked] of CREATIONS) {
  test(`a creation with ${title}`, () => {
    assert.equal(
      outcome(() => creationHeaders(fakeRequest('POST', '/', headers), MOST)),
      checked,
    )
  })
}

const PATCHES: ReadonlyArray<[title: string, headers: Fields, checked: Fields | string]> = [
  ['its offset', { ...BODY, 'upload-offset': '3' }, { ...BODY, 'upload-offset': '3' }],
  ['no offset', BODY, 'offset_missing'],
  ['an offset that is none', { ...BODY, 'upload-offset': 'x' }, 'header_invalid'],
  ['no content type', { 'upload-offset': '3' }, 'content_type_wrong'],
  ['another content type', { 'upload-offset': '3', 'content-type': 'text/plain' }, 'content_type_wrong'],
  [
    'a content type in other case, with parameters',
    { 'upload-offset': '3', 'content-type': 'Application/Offset+Octet-Stream ; q=1' },
    { 'upload-offset': '3', 'content-type': OFFSET_TYPE },
  ],
  [
    'a length',
    { ...BODY, 'upload-offset': '3', 'upload-length': '8' },
    { ...BODY, 'upload-offset': '3', 'upload-length': '8' },
  ],
  ['a length over Tus-Max-Size', { ...BODY, 'upload-offset': '3', 'upload-length': '1001' }, 'size_exceeded'],
]

for (const [title, headers, checked] of PATCHES) {
  test(`a PATCH with ${title}`, () => {
    assert.equal(
      outcome(() => patchHeaders(fakeRequest('PATCH', '/', headers), MOST)),
      checked,
    )
  })
}

const CONCATS: ReadonlyArray<[header: string, parts: readonly string[] | null | string, more?: Fields]> = [
  ['partial', null],
  ['Partial;', null],
  ['final;/files/a /files/b', ['a', 'b']],
  ['final; http://other.test/x/a?q#f  b ;', ['a', 'b']],
  ['final;a', 'concat_invalid', BODY],
  ['final;a', ['a'], CHUNKS],
  ['final;a', ['a'], { 'content-type': 'text/plain', 'content-length': '65536' }],
  ['final;a', 'concat_invalid', { 'content-type': 'text/plain', 'content-length': '65537' }],
  ['final;', 'concat_invalid'],
  ['final', 'concat_invalid'],
  ['whole', 'concat_invalid'],
  ['final;/files/no', 'part_unknown'],
]

for (const [header, parts, more = {}] of CONCATS) {
  test(`Upload-Concat: ${header}${Object.keys(more).length > 0 ? ' with a body' : ''}`, () => {
    const request = fakeRequest('POST', '/', { 'upload-concat': header, ...more })
    const options = { isUploadId: (text: string) => text !== 'no', client: 'here' }
    const found = outcome(() => concatOf(request, options))
    assert.equal(found, typeof parts === 'string' ? parts : { header, parts, client: 'here' })
  })
}

test('without Upload-Concat, or with an empty one, an upload is one of its own', () => {
  const options = { isUploadId: () => true, client: '' }
  assert.is(concatOf(fakeRequest('POST', '/'), options), null)
  assert.is(concatOf(fakeRequest('POST', '/', { 'upload-concat': ' ' }), options), null)
})

test('a doubled header is its values joined by a comma', () => {
  const request = Object.assign(fakeRequest('POST', '/'), { headers: { 'upload-length': ['1', '2'] } })
  assert.is(headerOf(request, 'upload-length'), '1, 2')
})

test.run()
