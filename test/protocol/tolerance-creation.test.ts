import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { createPart } from '../helpers/parts.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import { locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { chunk, exchange, LAST_CHUNK, OFFSET_TYPE, offsetOf, patchHeaders, VERSION } from '../helpers/wire.js'

// What clients in use send with a creation that is not quite tus, and does no harm.

const server = serverFor(test, ['--max-size', '1MiB'])

const pathOf = (location: string): string => new URL(location).pathname

/** A POST written by hand; gives its answer, whose Location is on this server. */
const post = (headers: readonly string[], body = ''): Promise<RawAnswer> =>
  exchange(server, 'POST /files', [VERSION, ...headers], body)

const OTHER_TYPES = [
  'Content-Type: application/json',
  'Content-Type: multipart/form-data; boundary=x',
  'Content-Type:',
]

test('a POST with a small body of another media type, or of none, creates; the body is read and ignored', async () => {
  for (const type of [...OTHER_TYPES, 'X-None: 1']) {
    for (const body of ['{}', 'x'.repeat(65_536)]) {
      const known = await post(['Upload-Length: 1', type, `Content-Length: ${body.length}`], body)
      assert.is(known.status, 201, type)
      const chunks = `${chunk(body.slice(0, 1))}${chunk(body.slice(1))}${LAST_CHUNK}`
      const chunked = await post(['Upload-Defer-Length: 1', type, 'Transfer-Encoding: chunked'], chunks)
      assert.is(chunked.status, 201, type)
      for (const answer of [known, chunked]) {
        assert.is(answer.headers.get('upload-offset'), undefined)
        assert.is(await offsetOf(server, pathOf(answer.headers.get('location') ?? '')), 0)
      }
    }
  }
})

test('a POST with an empty body in chunks creates, whatever its media type', async () => {
  const part = await createPart(server, 'one')
  for (const type of [...OTHER_TYPES, `Content-Type: ${OFFSET_TYPE}`, 'X-None: 1']) {
    for (const what of ['Upload-Length: 3', 'Upload-Defer-Length: 1', 'Upload-Length: 0']) {
      const answer = await post([what, type, 'Transfer-Encoding: chunked'], LAST_CHUNK)
      assert.is(answer.status, 201, `${what} ${type}`)
    }
  }
  const final = await post([`Upload-Concat: final;${part}`, 'Transfer-Encoding: chunked'], LAST_CHUNK)
  assert.is(final.status, 201)
})

test('a connection goes on behind a body that was ignored, also one that waited for 100', async () => {
  const raw = await RawConnection.open(server.port)
  await raw.head('POST /files', [VERSION, 'Upload-Length: 3', 'Content-Length: 2', 'Expect: 100-continue'])
  assert.is((await raw.answer()).status, 100)
  await raw.write('{}')
  const created = await raw.answer()
  assert.is(created.status, 201)
  await raw.head(`PATCH ${pathOf(created.headers.get('location') ?? '')}`, patchHeaders(0, 3))
  await raw.write('abc')
  assert.is((await raw.answer()).status, 204)
  raw.cut()
})

test('a POST with more than 64 KiB of another media type gets 415, and nothing is created', async () => {
  const before = filesIn(server)
  const body = 'x'.repeat(65_537)
  for (const type of [...OTHER_TYPES, 'X-None: 1']) {
    const known = await post(['Upload-Length: 3', type, `Content-Length: ${body.length}`], body)
    const chunked = await post(
      ['Upload-Length: 3', type, 'Transfer-Encoding: chunked'],
      `${chunk(body)}${LAST_CHUNK}`,
    )
    for (const answer of [known, chunked]) {
      assert.is(answer.status, 415, type)
      assert.match(answer.text, /^content_type_wrong: /)
    }
  }
  const wrong = await post(['Upload-Length: 1e3', 'Content-Type: text/plain', 'Content-Length: 2'], '{}')
  assert.is(wrong.status, 400, 'the headers are looked at all the same')
  await unharmed(server, before)
})

test('a POST whose body is ignored and is cut creates nothing', async () => {
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.head('POST /files', [
    VERSION,
    'Upload-Length: 3',
    'Content-Type: text/plain',
    'Content-Length: 9',
  ])
  await raw.write('abc')
  raw.socket.end()
  await raw.closed()
  await unharmed(server, before)
})

test('a POST of media type offset+octet-stream without bytes is told Upload-Offset: 0', async () => {
  for (const length of ['Upload-Length: 3', 'Upload-Defer-Length: 1', 'Upload-Length: 0']) {
    for (const framing of ['Content-Length: 0', 'X-None: 1']) {
      const answer = await post([length, `Content-Type: ${OFFSET_TYPE}`, framing])
      assert.equal([answer.status, answer.headers.get('upload-offset')], [201, '0'], `${length} ${framing}`)
    }
    assert.is((await post([length, 'Content-Length: 0'])).headers.get('upload-offset'), undefined)
  }
})

test('Upload-Concat is read in any case of letters, and with spaces and semicolons around it', async () => {
  for (const value of ['partial', 'Partial', ' partial ', 'partial;', 'PARTIAL ;']) {
    const created = await tus.create(server, 3, { 'Upload-Concat': value })
    assert.is(created.status, 201, value)
    assert.is(
      String((await tus.head(server, locationOf(created))).headers['upload-concat']).trim(),
      value.trim(),
    )
  }
  for (const form of ['final;{}', 'final; {}', 'FINAL ;  {} ', 'Final;{};', 'final;{} ;']) {
    const part = await createPart(server, 'one')
    const value = form.replace('{}', pathOf(part))
    const answer = await post([`Upload-Concat: ${value}`, 'Content-Length: 0'])
    assert.is(answer.status, 201, value)
    assert.is(
      (await send(server.origin, { method: 'GET', path: pathOf(answer.headers.get('location') ?? '') }))
        .status,
      200,
    )
  }
})

test.run()
