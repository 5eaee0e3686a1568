import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { rowsOf, sidecarOf, storedBytes, storedDigest } from '../helpers/proof.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import { eventually, idOf, locationOf, send, startServer, type TestServer, tus } from '../helpers/server.js'
import { bodyHeaders, chunk, exchange, LAST_CHUNK, offsetOf, patchHeaders, VERSION } from '../helpers/wire.js'

// Tus 1.0.0, checksum: "the Server MUST verify the checksum"; RFC 9110, section 6.6.2: a sender only SHOULD announce.

let server: TestServer

test.before(async () => {
  server = await startServer()
})
test.after(async () => void (await server.stop()))

const MIB = 2 ** 20
const pathOf = (location: string): string => new URL(location).pathname
const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

function sumOf(algorithm: string, data: string | Uint8Array): string {
  if (algorithm !== 'crc32') return `${algorithm} ${createHash(algorithm).update(data).digest('base64')}`
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(data))
  return `crc32 ${bytes.toString('base64')}`
}

/** A request in chunks, with lines behind them that no header announced. */
async function ask(line: string, headers: readonly string[], pieces: readonly string[], trailers: string[]) {
  const raw = await RawConnection.open(server.port)
  await raw.head(line, headers)
  for (const piece of pieces) await raw.write(chunk(piece))
  await raw.write(`0\r\n${trailers.map((trailer) => `${trailer}\r\n`).join('')}\r\n`)
  const answer = await raw.answer()
  raw.socket.destroy()
  return answer
}

async function patch(
  location: string,
  pieces: string | string[],
  sum: string,
  more: string[] = [],
): Promise<RawAnswer> {
  const headers = [...patchHeaders(await offsetOf(server, location), null), ...more]
  return ask(`PATCH ${pathOf(location)}`, headers, [pieces].flat(), [`Upload-Checksum: ${sum}`])
}

for (const algorithm of ['sha1', 'sha256', 'sha512', 'md5', 'crc32']) {
  test(`a ${algorithm} in a trailer that no header announced is verified`, async () => {
    const location = locationOf(await tus.create(server, 10))
    const wrong = await patch(location, 'hello', sumOf(algorithm, 'other'))
    assert.is(wrong.status, 460)
    assert.match(wrong.text, /^checksum_mismatch: /)
    assert.is(await offsetOf(server, location), 0)
    assert.is(storedBytes(server, pathOf(location)), 0)
    assert.is((await patch(location, ['he', 'llo'], sumOf(algorithm, 'hello'))).status, 204)
    assert.is((await patch(location, 'world', sumOf(algorithm, 'World'))).status, 460)
    const last = await patch(location, 'world', sumOf(algorithm, 'world'))
    assert.is(last.status, 204)
    const digest = createHash('sha256').update('helloworld').digest('base64')
    assert.is(last.headers.get('repr-digest'), `sha-256=:${digest}:`)
    assert.is(await storedDigest(server, pathOf(location)), sha256('helloworld'))
  })
}

test('after a 460 everything is as before the request: file, digest, type, length, checkpoints and record', async () => {
  // More than a checkpoint apart, so that bytes of the body have counted before its end.
  const body = Buffer.alloc(70 * MIB, 'lading ')
  body.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')
  const location = locationOf(await tus.create(server, null))
  const path = pathOf(location)
  const send70 = async (offset: number, sum: string, more: string[]): Promise<RawAnswer> => {
    const raw = await RawConnection.open(server.port)
    await raw.head(`PATCH ${path}`, [...patchHeaders(offset, null), ...more])
    await raw.write(`${body.length.toString(16)}\r\n`)
    await raw.write(body)
    await raw.write(`\r\n0\r\nUpload-Checksum: ${sum}\r\n\r\n`)
    const answer = await raw.answer()
    raw.socket.destroy()
    return answer
  }
  const length = [`Upload-Length: ${body.length}`]
  assert.is((await send70(0, sumOf('sha1', 'other'), length)).status, 460)
  const head = await tus.head(server, location)
  assert.is(head.headers['upload-offset'], '0')
  assert.is(head.headers['upload-defer-length'], '1')
  assert.is(storedBytes(server, path), 0)
  const { checkpoints, length: kept, sha256: finished } = sidecarOf(server, path)
  assert.equal([checkpoints, kept, finished], [[], null, null])
  const record = JSON.parse(
    (await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(path)}` })).text,
  )
  assert.equal([record.offset, record.length, record.type, record.state], [0, null, null, 'paused'])
  await eventually(30_000, 'the row', async () => {
    const row = rowsOf(server).get(idOf(path))
    return row?.offset === 0 && row.sha256 === null && row.length === null ? true : undefined
  })
  const right = await send70(0, sumOf('sha1', body), length)
  assert.is(right.status, 204)
  assert.is(await storedDigest(server, path), sha256(body))
  assert.is(sidecarOf(server, path).sha256, sha256(body))
})

test('a body that completes its upload is not finished before its trailer is looked at', async () => {
  const location = locationOf(await tus.create(server, 2000))
  const text = 'word '.repeat(200)
  assert.is((await patch(location, text, sumOf('md5', text))).status, 204)
  assert.is((await patch(location, text, sumOf('md5', 'other'))).status, 460)
  assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  assert.not.match(server.log(), new RegExp(`${idOf(location)}.*"sha256"`))
  // The digest goes on from the bytes before, without what was taken back.
  const last = await tus.patch(server, location, 1000, 'z'.repeat(1000))
  const digest = createHash('sha256')
    .update(`${text}${'z'.repeat(1000)}`)
    .digest('base64')
  assert.is(last.headers['repr-digest'], `sha-256=:${digest}:`)
})

test('a body that runs over its length gets 413 under a trailer too, also under one that is right', async () => {
  const location = locationOf(await tus.create(server, 512))
  const body = 'x'.repeat(1023)
  const answer = await patch(location, body, sumOf('sha1', body))
  assert.is(answer.status, 413)
  assert.match(answer.text, /^length_exceeded: /)
})

test('a creation whose trailer does not match gets 460, and nothing of it is left', async () => {
  const before = filesIn(server)
  const post = (length: string, body: string[], sum: string, more: string[] = []) =>
    ask('POST /files', [VERSION, length, ...bodyHeaders(null), ...more], body, [`Upload-Checksum: ${sum}`])
  for (const more of [[], ['Upload-Concat: partial']]) {
    assert.is((await post('Upload-Length: 5', ['hello'], sumOf('sha1', 'other'), more)).status, 460)
    assert.is((await post('Upload-Length: 9', ['hello'], sumOf('sha1', 'other'), more)).status, 460)
    assert.is((await post('Upload-Defer-Length: 1', ['hello'], sumOf('sha1', 'other'), more)).status, 460)
    assert.is((await post('Upload-Length: 0', [], sumOf('sha1', 'other'), more)).status, 460)
    assert.is((await post('Upload-Length: 5', ['hello'], 'sha1 AAAA', more)).status, 400)
  }
  await unharmed(server, before)
  const right = await post('Upload-Length: 5', ['hello'], sumOf('sha1', 'hello'))
  assert.equal([right.status, right.headers.get('upload-offset')], [201, '5'])
  assert.is((await post('Upload-Length: 0', [], sumOf('sha1', ''))).status, 201)
})

test('a part whose trailer does not match is not whole, and what waits for it goes on waiting', async () => {
  const part = locationOf(await tus.create(server, 5, { 'Upload-Concat': 'partial' }))
  const final = locationOf(await tus.join(server, [part]))
  assert.is((await patch(part, 'hello', sumOf('crc32', 'other'))).status, 460)
  assert.is((await tus.head(server, final)).headers['upload-offset'], undefined)
  assert.is((await patch(part, 'world', sumOf('crc32', 'world'))).status, 204)
  await eventually(30_000, 'the joined upload', async () =>
    (await tus.head(server, final)).headers['upload-offset'] === '5' ? true : undefined,
  )
  assert.is((await send(server.origin, { method: 'GET', path: final })).text, 'world')
})

test('a whole upload takes the trailer of nothing, and no other', async () => {
  const location = locationOf(await tus.create(server, 5))
  await tus.patch(server, location, 0, 'hello')
  assert.is((await patch(location, [], sumOf('sha1', 'hello'))).status, 460)
  assert.is((await patch(location, [], sumOf('sha1', ''))).status, 204)
  assert.is((await patch(location, [], 'sha1 AAAA')).status, 400)
})

test('a trailer that cannot be read, or comes beside a checksum in the headers, gets 400, and no byte counts', async () => {
  const location = locationOf(await tus.create(server, 10))
  const right = sumOf('sha1', 'hello')
  for (const sum of ['sha1', 'sha1 AAAA', 'blake3 AAAA', ',', `${right}, ${right}`]) {
    const answer = await patch(location, 'hello', sum)
    assert.is(answer.status, 400, sum)
    assert.match(answer.text, /^checksum_invalid: /)
    assert.is(await offsetOf(server, location), 0)
    assert.is(storedBytes(server, pathOf(location)), 0)
  }
  const twice = await patch(location, 'hello', right, [`Upload-Checksum: ${right}`])
  assert.is(twice.status, 400)
  const declared = locationOf(await tus.create(server, null))
  assert.is((await patch(declared, 'hello', 'sha1 AAAA', ['Upload-Length: 5'])).status, 400)
  assert.is((await tus.head(server, declared)).headers['upload-defer-length'], '1')
  assert.is(await offsetOf(server, location), 0)
})

test('an empty trailer is an absent one, and others are of no concern', async () => {
  const location = locationOf(await tus.create(server, 10))
  assert.is((await patch(location, 'hello', '')).status, 204)
  const headers = patchHeaders(5, null)
  const other = await ask(
    `PATCH ${pathOf(location)}`,
    headers,
    ['wor'],
    ['Other: 1', 'X-Upload-Checksum: sha1 AAAA'],
  )
  assert.is(other.status, 204)
  assert.is(await offsetOf(server, location), 8)
})

test('hex and any letter case are read in a trailer too, and Base64 of hex counts as none', async () => {
  const location = locationOf(await tus.create(server, 20))
  const hex = createHash('sha1').update('hello').digest('hex')
  assert.is((await patch(location, 'other', `SHA1 ${hex}`)).status, 460)
  assert.is((await patch(location, 'hello', `SHA1 ${hex.toUpperCase()}`)).status, 204)
  const encoded = Buffer.from(hex).toString('base64')
  assert.is((await patch(location, 'other', `sha1 ${encoded}`)).status, 204)
  const announced = await patch(location, 'other', `sha1 ${encoded}`, ['Trailer: Upload-Checksum'])
  assert.is(announced.status, 204)
  assert.is(await offsetOf(server, location), 15)
})

test('bytes whose trailer never came are kept as those of any cut body, and the next one is verified all the same', async () => {
  const location = locationOf(await tus.create(server, 10_000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, null))
  await raw.write(chunk('a'.repeat(4000)))
  raw.socket.end()
  // Not by HEAD, which ends the request where it stands.
  await eventually(30_000, 'the cut bytes', async () =>
    storedBytes(server, pathOf(location)) === 4000 ? true : undefined,
  )
  assert.is(await offsetOf(server, location), 4000)
  assert.is((await patch(location, 'b'.repeat(6000), sumOf('sha256', 'b'))).status, 460)
  assert.is(await offsetOf(server, location), 4000)
  const body = `${chunk('c'.repeat(6000))}${LAST_CHUNK}`
  assert.is((await exchange(server, `PATCH ${pathOf(location)}`, patchHeaders(4000, null), body)).status, 204)
  assert.is(await storedDigest(server, pathOf(location)), sha256('a'.repeat(4000) + 'c'.repeat(6000)))
  assert.is(sidecarOf(server, pathOf(location)).sha256, sha256('a'.repeat(4000) + 'c'.repeat(6000)))
})

test('after a restart, while the prefix is read again, a wrong trailer changes nothing', async () => {
  const text = 'x'.repeat(40 * MIB)
  const location = locationOf(await tus.create(server, text.length + 10))
  await tus.patch(server, location, 0, text)
  await server.stop('SIGKILL')
  server = await startServer([], server.dataDir)
  const path = `/files/${idOf(location)}`
  const wrong = await ask(
    `PATCH ${path}`,
    patchHeaders(text.length, null),
    ['wrong', 'bytes'],
    ['Upload-Checksum: md5 AAAAAAAAAAAAAAAAAAAAAA=='],
  )
  assert.is(wrong.status, 460)
  assert.is(await offsetOf(server, path), text.length)
  const last = await tus.patch(server, path, text.length, 'a'.repeat(10))
  assert.is(last.status, 204)
  assert.is(
    readFileSync(
      `${server.dataDir}/uploads/${path.slice(7, 11)}/${path.slice(11, 13)}/${path.slice(13, 15)}/${idOf(path)}`,
    ).length,
    text.length + 10,
  )
  assert.is(sidecarOf(server, path).sha256, sha256(text + 'a'.repeat(10)))
})

test.run()
