import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle, unharmed } from '../helpers/health.js'
import { rowsOf, storedBytes, storedDigest } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, fileOf, idOf, locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { chunk, exchange, offsetOf, patchHeaders } from '../helpers/wire.js'

const server = serverFor(test)

const ALGORITHMS = ['sha1', 'sha256', 'sha512', 'md5', 'crc32']
const pathOf = (location: string): string => new URL(location).pathname
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function sumOf(algorithm: string, text: string): string {
  if (algorithm !== 'crc32') return createHash(algorithm).update(text).digest('base64')
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64')
}

const checksum = (algorithm: string, text: string): Record<string, string> => ({
  'Upload-Checksum': `${algorithm} ${sumOf(algorithm, text)}`,
})

/** A chunked PATCH whose checksum comes behind the body. */
async function patchWithTrailer(location: string, body: string, trailer: string, more: string[] = []) {
  const raw = await RawConnection.open(server.port)
  const headers = [
    ...patchHeaders(await offsetOf(server, location), null),
    'Trailer: Upload-Checksum',
    ...more,
  ]
  await raw.head(`PATCH ${pathOf(location)}`, headers)
  await raw.write(`${chunk(body)}0\r\n${trailer}\r\n`)
  const answer = await raw.answer()
  raw.socket.destroy()
  return answer
}

test('Tus-Checksum-Algorithm names the algorithms in OPTIONS, in lower case', async () => {
  const { headers } = await send(server.origin, { method: 'OPTIONS', path: '/files' })
  assert.equal(String(headers['tus-checksum-algorithm']).split(','), ALGORITHMS)
})

for (const algorithm of ALGORITHMS) {
  test(`a body that matches its ${algorithm} is stored, one that does not gets 460 and leaves no byte`, async () => {
    const location = locationOf(await tus.create(server, 10))
    const right = await tus.patch(server, location, 0, 'hello', checksum(algorithm, 'hello'))
    assert.is(right.status, 204)
    assert.is(right.headers['upload-offset'], '5')
    const wrong = await tus.patch(server, location, 5, 'world', checksum(algorithm, 'World'))
    assert.equal([wrong.status, wrong.reason], [460, 'Checksum Mismatch'])
    assert.match(wrong.text, /^checksum_mismatch: /)
    assert.is(await offsetOf(server, location), 5)
    assert.is(storedBytes(server, pathOf(location)), 5)
    const last = await tus.patch(server, location, 5, 'world', checksum(algorithm, 'world'))
    assert.is(last.status, 204)
    const digest = Buffer.from(sha256('helloworld'), 'hex').toString('base64')
    assert.is(last.headers['repr-digest'], `sha-256=:${digest}:`)
    assert.is(await storedDigest(server, pathOf(location)), sha256('helloworld'))
  })
}

test('after a 460 the progress, the record and the digest are those before the request', async () => {
  const location = locationOf(await tus.create(server, 1000))
  await tus.patch(server, location, 0, 'abc', checksum('md5', 'abc'))
  const answer = await tus.patch(server, location, 3, 'x'.repeat(900), checksum('md5', 'y'))
  assert.is(answer.status, 460)
  const progress = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  assert.is(JSON.parse(progress.text).offset, 3)
  await eventually(30_000, 'the row', async () =>
    rowsOf(server).get(idOf(location))?.offset === 3 ? true : undefined,
  )
  // The digest goes on from byte 3, without what was taken back.
  const last = await tus.patch(server, location, 3, 'z'.repeat(997))
  const digest = Buffer.from(sha256(`abc${'z'.repeat(997)}`), 'hex').toString('base64')
  assert.is(last.headers['repr-digest'], `sha-256=:${digest}:`)
})

test('a type seen in bytes that do not count is not kept, and a wrong type is refused all the same', async () => {
  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(600)])
  const location = locationOf(await tus.create(server, 2000))
  assert.is((await tus.patch(server, location, 0, png, checksum('sha1', 'other'))).status, 460)
  const text = 'words '.repeat(333).padEnd(2000)
  assert.is((await tus.patch(server, location, 0, text, checksum('sha1', text))).status, 204)
  const record = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  assert.not.match(record.text, /image\/png/)
  const script = locationOf(await tus.create(server, 2000))
  const body = `#!/bin/sh\n${'x'.repeat(1000)}`
  assert.is((await tus.patch(server, script, 0, body, checksum('sha1', body))).status, 415)
  assert.is((await tus.head(server, script)).status, 404)
})

test('a checksum that is malformed, or of an unknown algorithm, gets 400 before the body, and no byte counts', async () => {
  const location = locationOf(await tus.create(server, 5))
  const wrong = [
    ...[',', 'sha1', 'sha1 ', 'sha1 !!!!', `sha1,${sumOf('sha1', 'hello')}`, 'sha1 AAAA', 'crc32 AAAAAA'],
    ...[
      'blake3 AAAA',
      'constructor AAAA',
      `md5 ${sumOf('sha1', 'hello')}`,
      'sha-1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
    ],
    ...[
      `sha1 ${'a'.repeat(39)}`,
      `sha1 ${'a'.repeat(41)}`,
      `sha1 ${'g'.repeat(40)}`,
      `md5 ${'a'.repeat(40)}`,
    ],
    `sha1 ${sumOf('sha1', 'hello')}, sha1 ${sumOf('sha1', 'hello')}`,
  ]
  for (const value of wrong) {
    const answer = await tus.patch(server, location, 0, 'hello', { 'Upload-Checksum': value })
    assert.is(answer.status, 400, value)
    assert.match(answer.text, /^checksum_invalid: /)
  }
  assert.is(await offsetOf(server, location), 0)
  assert.is(storedBytes(server, pathOf(location)), 0)
})

test('a creation whose body does not match gets 460, and nothing of it is left', async () => {
  const before = filesIn(server)
  const headers = { 'Content-Type': 'application/offset+octet-stream' }
  const post = (sum: Record<string, string>) =>
    send(server.origin, {
      method: 'POST',
      path: '/files',
      headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': 5, ...headers, ...sum },
      body: 'hello',
    })
  assert.is((await post(checksum('sha256', 'other'))).status, 460)
  await unharmed(server, before)
  const right = await post(checksum('sha256', 'hello'))
  assert.is(right.status, 201)
  assert.is(right.headers['upload-offset'], '5')
})

test('a length that came with a body that does not match is taken back with it', async () => {
  const location = locationOf(await tus.create(server, null))
  const declare = { 'Upload-Length': '5' }
  const wrong = await tus.patch(server, location, 0, 'hello', { ...declare, ...checksum('md5', 'other') })
  assert.is(wrong.status, 460)
  assert.is((await tus.head(server, location)).headers['upload-defer-length'], '1')
  const right = await tus.patch(server, location, 0, 'hello', { ...declare, ...checksum('md5', 'hello') })
  assert.is(right.status, 204)
  assert.is(await storedDigest(server, pathOf(location)), sha256('hello'))
})

test('a request under a checksum that is cut, or taken over, leaves no byte', async () => {
  const location = locationOf(await tus.create(server, 10_000))
  await tus.patch(server, location, 0, 'a'.repeat(1000))
  const begin = async () => {
    const raw = await RawConnection.open(server.port)
    await raw.head(`PATCH ${pathOf(location)}`, [
      ...patchHeaders(1000, 9000),
      `Upload-Checksum: sha1 ${sumOf('sha1', 'b'.repeat(9000))}`,
    ])
    await raw.write('b'.repeat(8000))
    await eventually(30_000, 'the bytes in the file', async () =>
      storedBytes(server, pathOf(location)) > 1000 ? true : undefined,
    )
    return raw
  }
  const cut = await begin()
  cut.cut()
  await idle(server)
  assert.is(await offsetOf(server, location), 1000)
  assert.is(storedBytes(server, pathOf(location)), 1000)
  const taken = await begin()
  assert.is(await offsetOf(server, location), 1000)
  assert.is((await taken.answer()).status, 423)
  assert.is((await tus.patch(server, location, 1000, 'c'.repeat(9000))).status, 204)
  const digest = sha256('a'.repeat(1000) + 'c'.repeat(9000))
  assert.is(await storedDigest(server, pathOf(location)), digest)
  assert.is(JSON.parse(readFileSync(`${fileOf(server, idOf(location))}.json`, 'utf8')).sha256, digest)
})

test('an empty body has a checksum too', async () => {
  const location = locationOf(await tus.create(server, 5))
  assert.is((await tus.patch(server, location, 0, '', checksum('sha1', 'x'))).status, 460)
  assert.is((await tus.patch(server, location, 0, '', checksum('sha1', ''))).status, 204)
  await tus.patch(server, location, 0, 'hello')
  assert.is(
    (await tus.patch(server, location, 5, '', checksum('crc32', 'x'))).status,
    460,
    'of a finished one',
  )
  assert.is((await tus.patch(server, location, 5, '', checksum('crc32', ''))).status, 204)
  assert.is((await tus.create(server, 5, checksum('md5', 'x'))).status, 460, 'of a creation')
  assert.is((await tus.create(server, 5, checksum('md5', ''))).status, 201)
})

for (const algorithm of ALGORITHMS) {
  test(`a ${algorithm} announced in Trailer and sent as a trailer counts the same`, async () => {
    const location = locationOf(await tus.create(server, 10))
    const right = await patchWithTrailer(
      location,
      'hello',
      `Upload-Checksum: ${algorithm} ${sumOf(algorithm, 'hello')}\r\n`,
    )
    assert.is(right.status, 204)
    const wrong = await patchWithTrailer(
      location,
      'world',
      `Upload-Checksum: ${algorithm} ${sumOf(algorithm, 'World')}\r\n`,
    )
    assert.is(wrong.status, 460)
    assert.is(await offsetOf(server, location), 5)
    assert.is(storedBytes(server, pathOf(location)), 5)
  })
}

test('a trailer that was announced and does not come, or cannot be read, gets 400, and no byte counts', async () => {
  const location = locationOf(await tus.create(server, 10))
  for (const trailer of ['', 'Upload-Checksum: sha1 AAAA\r\n', 'Other: 1\r\n']) {
    assert.is((await patchWithTrailer(location, 'hello', trailer)).status, 400, trailer)
    assert.is(await offsetOf(server, location), 0)
    assert.is(storedBytes(server, pathOf(location)), 0)
  }
  const both = [`Upload-Checksum: sha1 ${sumOf('sha1', 'hello')}`]
  assert.is((await patchWithTrailer(location, 'hello', 'Upload-Checksum: sha1 AAAA\r\n', both)).status, 400)
  // Without chunks no trailer can come.
  const headers = [...patchHeaders(0, 5), 'Trailer: Upload-Checksum']
  assert.is((await exchange(server, `PATCH ${pathOf(location)}`, headers, 'hello')).status, 400)
  assert.is(await offsetOf(server, location), 0)
})

test.run()
