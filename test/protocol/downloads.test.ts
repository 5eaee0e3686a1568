import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { bodyParts } from '../helpers/multipart.js'
import { RawConnection } from '../helpers/raw.js'
import { askOf } from '../helpers/routes.js'
import { idOf, type TestAnswer } from '../helpers/server.js'
import { uploaded } from '../helpers/uploaded.js'
import { base64 } from '../helpers/wire.js'

const test = suite('downloads')

const BYTES = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff))
const SHA256 = createHash('sha256').update(BYTES).digest()
const ETAG = `"${SHA256.toString('hex')}"`
const DIGEST = `sha-256=:${SHA256.toString('base64')}:`

let app: TestApp
/** A finished upload of BYTES. */
let path: string

const askApp = askOf(() => app.origin)

test.before(async () => {
  app = await startApp()
  path = await uploaded(askApp, { bytes: BYTES, metadata: `filename ${base64('a.bin')}` })
})
test.after(() => app.close())

const get = (headers: object = {}, from = path) => askApp('GET', from, headers)

/** The headers of a file, without those of the connection. */
function fields({ headers }: TestAnswer, names: readonly string[]): object {
  return Object.fromEntries(names.map((name) => [name, headers[name]]))
}

test('"ETag is the SHA-256, Repr-Digest on 200 and 206", and whoever may read a file may ask for ranges', async () => {
  for (const [headers, status] of [
    [{}, 200],
    [{ Range: 'bytes=5-9' }, 206],
    [{ Range: 'bytes=5-9,20-29' }, 206],
  ] as const) {
    const answer = await get(headers)
    assert.is(answer.status, status)
    assert.is(answer.headers.etag, ETAG)
    assert.is(answer.headers['repr-digest'], DIGEST)
    assert.is(answer.headers['accept-ranges'], 'bytes')
    const record = JSON.parse((await askApp('GET', `/api/uploads/${idOf(path)}`, {})).text)
    assert.is(answer.headers['last-modified'], new Date(record.finishedAt).toUTCString())
    assert.is(answer.headers['x-content-type-options'], 'nosniff')
    assert.match(String(answer.headers['content-security-policy']), /^sandbox; default-src 'none'/)
    assert.is(answer.headers['cross-origin-resource-policy'], 'cross-origin')
    assert.is(answer.headers['cache-control'], 'no-cache')
  }
})

test('"a HEAD of a finished upload carries both the tus and the download headers"', async () => {
  const whole = await get()
  for (const own of [
    {},

    { Range: 'bytes=0-1' },
    { Range: 'bytes=999999-' },
  ]) {
    const head = await askApp('HEAD', path, own)
    assert.is(head.status, 200)
    assert.is(head.text, '')
    const names = [
      'content-type',
      'content-length',
      'content-disposition',
      'accept-ranges',
      'etag',
      'last-modified',
    ]
    const more = ['x-content-type-options', 'content-security-policy', 'repr-digest', 'content-range']
    assert.equal(fields(head, [...names, ...more]), fields(whole, [...names, ...more]))
    assert.is(head.headers['upload-offset'], String(BYTES.length))
    assert.is(head.headers['upload-length'], String(BYTES.length))
    assert.is(head.headers['tus-resumable'], '1.0.0')
  }
  const byOverride = await askApp('HEAD', path, { 'X-HTTP-Method-Override': 'GET', Range: 'bytes=0-1' })
  assert.is(byOverride.status, 200, 'ranges are defined for GET alone (RFC 9110, section 14.2)')
  assert.is(byOverride.headers['content-length'], String(BYTES.length))
})

test('one range is 206 with Content-Range and the very bytes', async () => {
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    ['bytes=65530-131080', 65_530, 131_081],
    ['bytes=199990-', 199_990, 200_000],
    ['bytes=-7', 199_993, 200_000],
    ['bytes=0-', 0, 200_000],
    ['bytes=5-9,300000-', 5, 10],
  ] as const) {
    const answer = await get({ Range: range })
    assert.is(answer.status, 206, range)
    assert.is(answer.headers['content-range'], `bytes ${from}-${to - 1}/${BYTES.length}`)
    assert.is(answer.headers['content-length'], String(to - from))
    assert.ok(answer.bytes.equals(BYTES.subarray(from, to)), range)
  }
})

test('several ranges are multipart/byteranges, in the order of the request', async () => {
  const ranges = [
    [70_000, 140_000],
    [0, 1],
    [199_999, 200_000],
    [100, 200],
    [150, 250],
  ] as const
  const answer = await get({ Range: `bytes=${ranges.map(([from, to]) => `${from}-${to - 1}`).join(', ')}` })
  assert.is(answer.status, 206)
  assert.is(answer.headers['content-range'], undefined)
  assert.is(answer.headers['content-length'], String(answer.bytes.length))
  const parts = bodyParts(String(answer.headers['content-type']), answer.bytes)
  assert.is(parts.length, ranges.length)
  for (const [at, [from, to]] of ranges.entries()) {
    assert.is(parts[at]?.range, `bytes ${from}-${to - 1}/${BYTES.length}`)
    assert.is(parts[at]?.type, 'application/octet-stream')
    assert.ok(parts[at]?.bytes.equals(BYTES.subarray(from, to)), `part ${at}`)
  }
})

test('"416 (with Content-Range: bytes */N)"', async () => {
  for (const range of ['bytes=200000-', 'bytes=-0', 'bytes=a-b', 'bytes=9-5']) {
    const answer = await get({ Range: range })
    assert.is(answer.status, 416, range)
    assert.is(answer.headers['content-range'], `bytes */${BYTES.length}`)
    assert.match(answer.text, /^range_unsatisfiable: /)
  }
})

test('what a Range header cannot ask for is ignored, and an empty file is sent whole', async () => {
  for (const range of [
    'lines=1-2',
    `bytes=${Array.from({ length: 17 }, (_, at) => `${at}-${at}`)}`,
    'bytes=0-,0-',
  ]) {
    const answer = await get({ Range: range })
    assert.equal([answer.status, answer.bytes.length], [200, BYTES.length], range)
  }
  const empty = await uploaded(askApp, { bytes: '' })
  for (const [range, status] of [
    ['bytes=0-', 200],
    ['bytes=-5', 200],
    ['bytes=1-', 416],
  ] as const)
    assert.is((await get({ Range: range }, empty)).status, status, range)
  assert.is((await get({}, empty)).bytes.length, 0)
})

test('If-Range: a range is sent only of the version that it names', async () => {
  const date = String((await get()).headers['last-modified'])
  for (const [ifRange, status] of [
    [ETAG, 206],
    [date, 206],
    [`W/${ETAG}`, 200],
    ['"other"', 200],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 200],
  ] as const)
    assert.is((await get({ Range: 'bytes=0-1', 'If-Range': ifRange })).status, status, ifRange)
})

test('304 for a client that has the file, on GET and on HEAD, and the connection goes on', async () => {
  const raw = await RawConnection.open(app.port)
  const date = String((await get()).headers['last-modified'])
  for (const condition of [
    `If-None-Match: ${ETAG}`,
    'If-None-Match: "a", W/"b", *"'.replace('*"', `W/${ETAG}`),
    'If-None-Match: *',
    `If-Modified-Since: ${date}`,
  ]) {
    for (const [method, ...more] of [['GET'], ['HEAD'], ['HEAD', 'X-HTTP-Method-Override: GET']] as const) {
      await raw.head(`${method} ${path}`, [condition, 'Range: bytes=0-1', ...more])
      const answer = await raw.answer(undefined, true)
      assert.is(answer.status, 304, `${method} ${condition}`)
      assert.is(answer.headers.get('etag'), ETAG)
      for (const absent of [
        'content-length',
        'content-type',
        'content-range',
        'transfer-encoding',
        'repr-digest',
      ])
        assert.is(answer.headers.get(absent), undefined, absent)
      assert.is(answer.headers.get('access-control-allow-origin'), '*')
      const isTus = method === 'HEAD' && more.length === 0
      assert.is(answer.headers.get('upload-offset'), isTus ? String(BYTES.length) : undefined)
    }
  }
  await raw.head(`GET ${path}`, ['Range: bytes=999999-'])
  assert.is((await raw.answer()).status, 416)
  await raw.head(`GET ${path}`, ['If-Match: "other"'])
  assert.is((await raw.answer()).status, 412)
  await raw.head(`HEAD ${path}`, ['If-Match: "other"'])
  assert.is((await raw.answer(undefined, true)).status, 412)
  await raw.head(`GET ${path}`, ['Range: bytes=0-1'])
  assert.is((await raw.answer()).status, 206)
  raw.cut()
})

test('HTTP/1.0 and repeated headers get whole answers', async () => {
  const socket = connect(app.port, '127.0.0.1')
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  socket.write(`GET ${path} HTTP/1.0\r\nRange: bytes=10-19\r\n\r\n`)
  await once(socket, 'close')
  const text = Buffer.concat(parts).toString('latin1')
  assert.match(text, /^HTTP\/1\.\d 206 /)
  assert.is(text.slice(text.indexOf('\r\n\r\n') + 4), BYTES.toString('latin1', 10, 20))
  const raw = await RawConnection.open(app.port)
  await raw.head(`GET ${path}`, ['Range: bytes=0-1', 'Range: bytes=4-5'])
  assert.is((await raw.answer()).status, 200)
  await raw.head(`GET ${path}`, ['If-None-Match: "a"', `If-None-Match: ${ETAG}`])
  assert.is((await raw.answer(undefined, true)).status, 304)
  raw.cut()
})

test.run()
