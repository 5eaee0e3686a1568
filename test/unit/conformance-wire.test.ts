import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { takeAnswer } from '../conformance/answer.js'
import { Client, chunks } from '../conformance/client.js'
import { pairsOf } from '../conformance/groups/metadata.js'

const test = suite('conformance: the wire')

const OK = 'HTTP/1.1 200 OK\r\n'

/** Answers, the method they answer, and their bodies. */
const WHOLE: readonly (readonly [text: string, method: string, body: string])[] = [
  [`${OK}Content-Length: 5\r\n\r\nhello`, 'GET', 'hello'],
  [`${OK}Content-Length: 5\r\n\r\n`, 'HEAD', ''],
  ['HTTP/1.1 204 No Content\r\nUpload-Offset: 5\r\n\r\n', 'PATCH', ''],
  ['HTTP/1.1 100 Continue\r\n\r\n', 'POST', ''],
  ['HTTP/1.1 400\r\ncontent-length: 0\r\n\r\n', 'POST', ''],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n${chunks(['he', 'llo'])}`, 'GET', 'hello'],
  [`${OK}Transfer-Encoding: chunked\r\n\r\n${chunks(['hello'], ['A: b', 'C: d'])}`, 'GET', 'hello'],
]

function taken(text: string, method: string, ended = false) {
  return takeAnswer(Buffer.from(text), ended, method, method)
}

test('an answer is taken when its last byte has come, and not before', () => {
  for (const [text, method, body] of WHOLE) {
    for (let length = 0; length < text.length; length++)
      assert.is(taken(text.slice(0, length), method), undefined, `${text} cut at ${length}`)
    const { answer, rest } = taken(`${text}HTTP/1.1 `, method) ?? {}
    assert.is(answer?.body.toString(), body)
    assert.is(rest?.toString(), 'HTTP/1.1 ', text)
  }
})

test('a body without a length ends with the connection', () => {
  assert.is(taken(`${OK}\r\nhello`, 'GET'), undefined)
  assert.is(taken(`${OK}\r\nhello`, 'GET', true)?.answer.body.toString(), 'hello')
})

test('what is not HTTP is an error', () => {
  for (const text of [
    'SSH-2.0\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    `${OK}Transfer-Encoding: chunked\r\n\r\nno\r\n`,
  ])
    assert.throws(() => taken(text, 'GET'), /the answer/)
})

test('doubled headers are seen, whatever the case of their letters', () => {
  const answer = taken(
    'HTTP/1.1 204 No Content\r\nUpload-Offset: 5\r\nupload-offset:7\r\n\r\n',
    'HEAD',
  )?.answer
  assert.is(answer?.get('UPLOAD-OFFSET'), '5, 7')
  assert.is(answer?.get('Upload-Length'), undefined)
})

test('an unknown URL has the form of the known one and is another', () => {
  const url = new URL('http://127.0.0.1/files')
  const client = new Client({ url, headers: [], extensions: [], maxSize: undefined, algorithms: [] })
  const known = ['/files/20261123-00ff99aa', '/f/x', '/f/a1b2+c3d4', '/f/id/', '/f?id=abc', '/f/Zz9.bin']
  for (const path of known) {
    const unknown = client.unknownLike(new URL(path, url)).href
    assert.is.not(unknown, new URL(path, url).href)
    assert.is(unknown.length, new URL(path, url).href.length)
  }
})

test('Upload-Metadata is read as the specification says, or not at all', () => {
  assert.equal([...(pairsOf('a YQ==,b,c ,__proto__ YWJj') ?? [])].join(' '), 'a,YQ== b, c, __proto__,YWJj')
  for (const wrong of ['', 'a  YQ==', 'a YQ=', 'a YQ==,a', ',a', 'a YQ== YQ==', 'ä YQ==', 'a *'])
    assert.is(pairsOf(wrong), undefined, wrong)
})

test.run()
