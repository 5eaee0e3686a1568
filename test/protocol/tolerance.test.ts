import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import { eventually, idOf, locationOf, send, startServer, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import {
  base64,
  bodyHeaders,
  chunk,
  exchange,
  LAST_CHUNK,
  offsetOf,
  patchHeaders,
  VERSION,
} from '../helpers/wire.js'

// What clients in use send that is not quite tus, and does no harm.

const server = serverFor(test, ['--max-size', '1MiB'])

const pathOf = (location: string): string => new URL(location).pathname
const hexOf = (algorithm: string, text: string): string => createHash(algorithm).update(text).digest('hex')

/** A POST written by hand; gives its answer, whose Location is on this server. */
const post = (headers: readonly string[], body = ''): Promise<RawAnswer> =>
  exchange(server, 'POST /files', [VERSION, ...headers], body)

const recordOf = async (location: string) =>
  JSON.parse((await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })).text)

const BLANKS = ['', ' ', ' \t ']

test('an empty tus header is an absent header', async () => {
  const optional = [
    ...[
      'Upload-Metadata',
      'Upload-Defer-Length',
      'Upload-Concat',
      'Upload-Checksum',
      'X-HTTP-Method-Override',
    ],
    ...['Trailer', 'Upload-Offset', 'Content-Type'],
  ]
  for (const blank of BLANKS) {
    const empty = optional.map((name) => `${name}:${blank}`)
    const created = await post(['Upload-Length: 4', 'Content-Length: 0', ...empty])
    assert.is(created.status, 201, JSON.stringify(blank))
    const deferred = await post(['Upload-Defer-Length: 1', `Upload-Length:${blank}`, 'Content-Length: 0'])
    assert.is(deferred.status, 201)
    const path = pathOf(created.headers.get('location') ?? '')
    const more = ['Upload-Length', 'Upload-Checksum', 'Upload-Metadata', 'X-HTTP-Method-Override', 'Trailer']
    const lines = [...patchHeaders(0, 2), ...more.map((name) => `${name}:${blank}`)]
    assert.is((await exchange(server, `PATCH ${path}`, lines, 'ab')).status, 204)
    const head = await exchange(server, `HEAD ${path}`, [
      `Tus-Resumable:${blank}`,
      `X-HTTP-Method-Override:${blank}`,
    ])
    assert.equal([head.status, head.headers.get('upload-offset')], [200, '2'])
    assert.is(head.headers.get('upload-metadata'), undefined)
    assert.is(head.headers.get('upload-concat'), undefined)
    assert.is((await exchange(server, `OPTIONS ${path}`, [`X-HTTP-Method-Override:${blank}`])).status, 204)
  }
})

test('an empty header is still missed where one is needed', async () => {
  const location = locationOf(await tus.create(server, 4))
  for (const blank of BLANKS) {
    for (const method of ['POST', 'PATCH', 'DELETE']) {
      const path = method === 'POST' ? '/files' : pathOf(location)
      const lines = [`Tus-Resumable:${blank}`, 'Upload-Length: 3', 'Upload-Offset: 0']
      assert.is(
        (await exchange(server, `${method} ${path}`, [...lines, 'Content-Length: 0'])).status,
        412,
        method,
      )
    }
    const none = await post([`Upload-Length:${blank}`, `Upload-Defer-Length:${blank}`, 'Content-Length: 0'])
    assert.is(none.status, 400)
    assert.match(none.text, /^length_needed: /)
    const offset = [VERSION, `Upload-Offset:${blank}`, ...bodyHeaders(2)]
    const missed = await exchange(server, `PATCH ${pathOf(location)}`, offset, 'ab')
    assert.match(missed.text, /^offset_missing: /)
  }
})

test('HEAD of a finished upload has the headers of its download', async () => {
  const metadata = `filename ${base64('größe "1".txt')},filetype ${base64('text/plain')}`
  const location = locationOf(await tus.create(server, 600, { 'Upload-Metadata': metadata }))
  const before = await exchange(server, `HEAD ${pathOf(location)}`)
  assert.equal([before.status, before.headers.get('content-length')], [200, '0'])
  assert.is(before.headers.get('content-disposition'), undefined)
  await tus.patch(server, location, 0, 'words '.repeat(100))
  const get = await send(server.origin, { method: 'GET', path: location })
  for (const headers of [{}, { 'Tus-Resumable': '1.0.0' }]) {
    const head = await send(server.origin, { method: 'HEAD', path: location, headers })
    assert.is(head.status, 200)
    assert.is(head.text, '')
    for (const name of [
      ...['content-type', 'content-length', 'content-disposition', 'x-content-type-options'],
      ...['content-security-policy', 'repr-digest', 'tus-resumable', 'access-control-allow-origin'],
    ]) {
      assert.ok(get.headers[name] !== undefined, name)
      assert.is(head.headers[name], get.headers[name], name)
    }
    assert.is(head.headers['upload-offset'], '600')
    assert.is(head.headers['upload-length'], '600')
    assert.is(head.headers['cache-control'], 'no-store')
    assert.is(head.headers['upload-metadata'], metadata)
  }
  // Where another method asks as HEAD there is no body, and so no length of one.
  const raw = await RawConnection.open(server.port)
  await raw.head(`POST ${pathOf(location)}`, [VERSION, 'X-HTTP-Method-Override: HEAD', 'Content-Length: 0'])
  const answer = await raw.answer()
  assert.equal([answer.status, answer.headers.get('content-length'), answer.text], [200, '0', ''])
  await raw.head('GET /healthz')
  assert.is((await raw.answer()).status, 200, 'the connection is in step')
  raw.cut()
})

const ODD_METADATA = [
  ...[
    'filename cat.jpg',
    'filename my holiday.jpg',
    `my key ${base64('x')}`,
    'a YQ==,a Yg==',
    'constructor,constructor',
  ],
  ...[
    ',',
    'a YQ==,',
    ',a YQ==',
    'a YQ==,,b YQ==',
    'a  YQ==',
    'a YQ== YQ==',
    'a\tYQ==',
    'a YQ',
    'a YQ===',
    'a =',
    'a -_==',
  ],
  ...[
    '{"filename":"a.txt"}',
    'filename=a.txt; filetype=text/plain',
    '\u0080\u0081\u00fe\u00ff',
    'a \u00e4\t\u00ff',
  ],
  Buffer.from('filename größe 文件.txt').toString('latin1'),
]

test('metadata that cannot be read is kept as it came, and HEAD gives it back byte for byte', async () => {
  for (const metadata of ODD_METADATA) {
    const created = await tus.create(server, 3, { 'Upload-Metadata': metadata })
    assert.is(created.status, 201, JSON.stringify(metadata))
    const location = locationOf(created)
    const head = await tus.head(server, location)
    assert.is(head.headers['upload-metadata'], metadata)
    await tus.patch(server, location, 0, 'abc')
    assert.is((await tus.head(server, location)).headers['upload-metadata'], metadata, 'of the finished one')
    const record = await recordOf(location)
    assert.equal([record.metadata, record.filename], [metadata, null])
  }
})

test('metadata pairs that can be read are read beside those that cannot', async () => {
  const metadata = `field name x,filename ${base64('a.txt')},raw a.txt,filename ${base64('b.txt')},filetype text/html`
  const location = locationOf(await tus.create(server, 3, { 'Upload-Metadata': metadata }))
  const { filename, declaredType } = await recordOf(location)
  assert.equal([filename, declaredType], ['a.txt', null])
  const doubled = await post([
    'Upload-Length: 3',
    'Content-Length: 0',
    'Upload-Metadata: a YQ==',
    `Upload-Metadata: name ${base64('n')}`,
  ])
  assert.is(doubled.status, 201)
  assert.is((await recordOf(doubled.headers.get('location') ?? '')).filename, 'n')
})

test('metadata over 8 KiB gets 400 that says so, and nothing is created', async () => {
  const before = filesIn(server)
  const most = await tus.create(server, 3, { 'Upload-Metadata': `a ${'A'.repeat(8188)}` })
  assert.is(most.status, 201)
  await tus.remove(server, locationOf(most))
  for (const metadata of [`a ${'A'.repeat(8192)}`, ','.repeat(8193), '\u00ff'.repeat(8193)]) {
    const answer = await tus.create(server, 3, { 'Upload-Metadata': metadata })
    assert.is(answer.status, 400)
    assert.match(answer.text, /^metadata_too_large: .*8 KiB/)
  }
  await unharmed(server, before)
})

for (const algorithm of ['sha1', 'sha256', 'sha512', 'md5']) {
  test(`a ${algorithm} in bare hex, and under its name in another case, is verified`, async () => {
    const hex = hexOf(algorithm, 'hello')
    const forms = [hex, hex.toUpperCase(), Buffer.from(hex, 'hex').toString('base64')]
    const names = [
      algorithm,
      algorithm.toUpperCase(),
      `${algorithm.slice(0, 1).toUpperCase()}${algorithm.slice(1)}`,
    ]
    for (const form of forms) {
      for (const name of names) {
        const location = locationOf(await tus.create(server, 5))
        const headers = { 'Upload-Checksum': `${name} ${form}` }
        assert.is(
          (await tus.patch(server, location, 0, 'other', headers)).status,
          460,
          headers['Upload-Checksum'],
        )
        assert.is((await tus.patch(server, location, 0, 'hello', headers)).status, 204)
      }
    }
  })
}

test('a CRC-32 in bare hex is verified, and spaces around a checksum do not matter', async () => {
  const location = locationOf(await tus.create(server, 15))
  const ask = (body: string, sum: string) =>
    tus.patch(server, location, 0, body, { 'Upload-Checksum': sum }).then(({ status }) => status)
  assert.is(await ask('hello', 'CRC32 3610a687'), 460)
  assert.is(await ask('hello', 'crc32 3610A686'), 204)
  const again = (body: string, sum: string) =>
    tus.patch(server, location, 5, body, { 'Upload-Checksum': sum })
  assert.is((await again('world', `  sha1 \t ${hexOf('sha1', 'hello')}  `)).status, 460)
  assert.is((await again('world', `  sha1 \t ${hexOf('sha1', 'world')}  `)).status, 204)
})

test('a checksum that is Base64 of hex counts as none, with one line in the log', async () => {
  const own = await startServer()
  try {
    for (const algorithm of ['sha1', 'sha256', 'MD5', 'crc32']) {
      const hex = algorithm === 'crc32' ? '3610a686' : hexOf(algorithm.toLowerCase(), 'the whole file')
      for (const text of [hex, hex.toUpperCase(), `${hex}\n`]) {
        const location = locationOf(await tus.create(own, 5))
        const headers = { 'Upload-Checksum': `${algorithm} ${base64(text)}` }
        const answer = await tus.patch(own, location, 0, 'other', headers)
        assert.equal([answer.status, answer.headers['upload-offset']], [204, '5'], algorithm)
      }
    }
    const created = await tus.create(own, 5, { 'Upload-Checksum': `sha1 ${base64(hexOf('sha1', 'x'))}` })
    assert.is(created.status, 201)
    const lines = await eventually(10_000, 'the line', async () => {
      const found = own.log().match(/Base64 of a hex/g)
      return found === null ? undefined : found.length
    })
    assert.is(lines, 1)
  } finally {
    await own.stop()
  }
})

test('strict stays: Content-Length together with chunks, no version, and a doubled one', async () => {
  const location = locationOf(await tus.create(server, 5))
  const before = filesIn(server)
  const both = [...patchHeaders(0, 5), 'Transfer-Encoding: chunked']
  assert.is(
    (await exchange(server, `PATCH ${pathOf(location)}`, both, `${chunk('hello')}${LAST_CHUNK}`)).status,
    400,
  )
  for (const version of [[], [VERSION, VERSION]]) {
    const body = ['Upload-Offset: 0', ...bodyHeaders(2)]
    assert.is((await exchange(server, `PATCH ${pathOf(location)}`, [...version, ...body], 'ab')).status, 412)
    assert.is((await exchange(server, `DELETE ${pathOf(location)}`, version)).status, 412)
    const create = [...version, 'Upload-Length: 3', 'Content-Length: 0']
    assert.is((await exchange(server, 'POST /files', create)).status, 412)
  }
  assert.is((await exchange(server, `HEAD ${pathOf(location)}`, [VERSION, VERSION])).status, 412)
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test.run()
