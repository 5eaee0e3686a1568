import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, fileOf, idOf, locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { chunk, exchange, LAST_CHUNK, OFFSET_TYPE, offsetOf, patchHeaders } from '../helpers/wire.js'

const server = serverFor(test, ['--idle-timeout', '2s'])

const pathOf = (location: string): string => new URL(location).pathname

test('PATCH with another Content-Type, or none, gets 415 and changes nothing', async () => {
  const location = locationOf(await tus.create(server, 4))
  const types = ['application/octet-stream', 'text/plain', `${OFFSET_TYPE}s`, `x; ${OFFSET_TYPE}`, '']
  for (const type of types) {
    const answer = await tus.patch(server, location, 0, 'ab', { 'Content-Type': type })
    assert.is(answer.status, 415, type)
    assert.match(answer.text, /^content_type_wrong: /)
  }
  const none = await exchange(
    server,
    `PATCH ${pathOf(location)}`,
    ['Tus-Resumable: 1.0.0', 'Upload-Offset: 0', 'Content-Length: 2'],
    'ab',
  )
  assert.is(none.status, 415)
  assert.is(await offsetOf(server, location), 0)
})

test('a parameter or another letter case in the Content-Type is not an error', async () => {
  const location = locationOf(await tus.create(server, 8))
  const types = [
    `${OFFSET_TYPE}; charset=utf-8`,
    `${OFFSET_TYPE};charset=UTF-8`,
    'Application/Offset+Octet-Stream',
    `${OFFSET_TYPE.toUpperCase()} ; x=y`,
  ]
  for (const [at, type] of types.entries()) {
    const answer = await tus.patch(server, location, at * 2, 'ab', { 'Content-Type': type })
    assert.is(answer.status, 204, type)
  }
})

test('PATCH without Upload-Offset gets 400', async () => {
  const location = locationOf(await tus.create(server, 4))
  const headers = { 'Tus-Resumable': '1.0.0', 'Content-Type': OFFSET_TYPE }
  const answer = await send(server.origin, { method: 'PATCH', path: location, headers, body: 'ab' })
  assert.is(answer.status, 400)
  assert.match(answer.text, /^offset_missing: /)
  assert.is(await offsetOf(server, location), 0)
})

test('PATCH answers 409 and changes nothing when Upload-Offset is not the current offset', async () => {
  const location = locationOf(await tus.create(server, 6))
  await tus.patch(server, location, 0, 'abc')
  for (const offset of [0, 2, 4, 6, 7]) {
    const answer = await tus.patch(server, location, offset, 'XY')
    assert.is(answer.status, 409, String(offset))
    assert.match(answer.text, /^offset_conflict: /)
  }
  assert.is(await offsetOf(server, location), 3)
  assert.is(readFileSync(fileOf(server, idOf(location)), 'utf8'), 'abc')
})

test('a PATCH that succeeds gets 204 with the old offset plus the bytes stored', async () => {
  const location = locationOf(await tus.create(server, 9))
  for (const [offset, text] of [
    [0, 'abc'],
    [3, 'd'],
    [4, ''],
    [4, 'efghi'],
  ] as const) {
    const answer = await tus.patch(server, location, offset, text)
    assert.is(answer.status, 204)
    assert.is(answer.headers['upload-offset'], String(offset + text.length))
  }
  assert.is(readFileSync(fileOf(server, idOf(location)), 'utf8'), 'abcdefghi')
})

test('a Content-Length past the Upload-Length gets 413, and no byte counts', async () => {
  const location = locationOf(await tus.create(server, 4))
  const answer = await tus.patch(server, location, 0, 'abcde')
  assert.is(answer.status, 413)
  assert.match(answer.text, /^length_exceeded: /)
  assert.is(await offsetOf(server, location), 0)
})

test('"store as much of the received data as possible": of a chunked body that runs over, what fits', async () => {
  for (const parts of [['abcde'], ['abcd', 'e'], ['ab', 'cd', 'ef'], [`abcd${'a'.repeat(600_000)}`]]) {
    const location = locationOf(await tus.create(server, 4))
    const body = `${parts.map(chunk).join('')}${LAST_CHUNK}`
    const answer = await exchange(server, `PATCH ${pathOf(location)}`, patchHeaders(0, null), body)
    assert.is(answer.status, 413, parts.join('|').slice(0, 20))
    // A client that finds its offset at the length takes the upload for finished, so it is.
    const head = await tus.head(server, location)
    assert.is(head.headers['upload-offset'], '4')
    assert.ok(head.headers['repr-digest'])
    assert.is(statSync(fileOf(server, idOf(location))).size, 4)
    const download = await send(server.origin, { method: 'GET', path: location })
    assert.is(download.text, 'abcd')
  }
})

test('of a body that runs over the length it came with, the bytes stay and the length does not', async () => {
  // Four bytes that are no HTML by themselves must not decide the type of what goes on behind them.
  for (const [first, rest, status] of [
    ['abcd', 'efgh', 204],
    ['<!DO', 'CTYPE html><html><script>alert(1)</script>', 415],
  ] as const) {
    const location = locationOf(await tus.create(server, null))
    const headers = [...patchHeaders(0, null), 'Upload-Length: 4']
    const body = `${chunk(`${first}e`)}${LAST_CHUNK}`
    const answer = await exchange(server, `PATCH ${pathOf(location)}`, headers, body)
    assert.is(answer.status, 413)
    const head = await tus.head(server, location)
    assert.is(head.headers['upload-offset'], '4')
    assert.is(head.headers['upload-defer-length'], '1')
    const length = { 'Upload-Length': String(4 + rest.length) }
    assert.is((await tus.patch(server, location, 4, rest, length)).status, status)
  }
})

test('a body that matches its checksum nowhere keeps nothing, also where it runs over', async () => {
  const location = locationOf(await tus.create(server, 4))
  const headers = [...patchHeaders(0, null), 'Upload-Checksum: sha1 gf6L/odXbD7LIkJvjleEc4KRes8=']
  const answer = await exchange(
    server,
    `PATCH ${pathOf(location)}`,
    headers,
    `${chunk('abcde')}${LAST_CHUNK}`,
  )
  assert.is(answer.status, 413)
  assert.is(await offsetOf(server, location), 0)
})

test('a chunked body with bytes for a finished upload gets 413', async () => {
  const location = locationOf(await tus.create(server, 4))
  await tus.patch(server, location, 0, 'abcd')
  const body = `${chunk('e')}${LAST_CHUNK}`
  const answer = await exchange(server, `PATCH ${pathOf(location)}`, patchHeaders(4, null), body)
  assert.is(answer.status, 413)
  assert.is(readFileSync(fileOf(server, idOf(location)), 'utf8'), 'abcd')
})

test('PATCH with no bytes at offset = length gets 204, and finishing is done once', async () => {
  const location = locationOf(await tus.create(server, 4))
  const last = await tus.patch(server, location, 0, 'abcd')
  const id = idOf(location)
  const sidecar = `${fileOf(server, id)}.json`
  const record = async (): Promise<object> => {
    const { text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${id}` })
    return { ...JSON.parse(text), bytesPerSecond: 0 }
  }
  const before = { sidecar: readFileSync(sidecar, 'utf8'), record: await record() }
  const again = await tus.patch(server, location, 4, '')
  assert.is(again.status, 204)
  assert.is(again.headers['upload-offset'], '4')
  assert.is(again.headers['repr-digest'], last.headers['repr-digest'])
  assert.equal({ sidecar: readFileSync(sidecar, 'utf8'), record: await record() }, before)
})

test('a connection that dies keeps every byte that arrived', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(700))
  await eventually(10_000, 'the 700 bytes', async () => {
    return statSync(fileOf(server, idOf(location))).size === 700 ? true : undefined
  })
  await raw.write('b'.repeat(50))
  raw.socket.end()
  // Not by HEAD: it would take the upload over before the cut is noticed.
  await idle(server)
  assert.is(await offsetOf(server, location), 750)
  const answer = await tus.patch(server, location, 750, 'c'.repeat(250))
  const whole = `${'a'.repeat(700)}${'b'.repeat(50)}${'c'.repeat(250)}`
  const digest = createHash('sha256').update(whole).digest('base64')
  assert.is(answer.headers['repr-digest'], `sha-256=:${digest}:`)
})

test('a sender that stalls is cut after the idle time-out, and what arrived is kept', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  const began = Date.now()
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(700))
  await raw.closed()
  assert.ok(Date.now() - began >= 2000)
  assert.is(await offsetOf(server, location), 700)
  await idle(server)
})

test('OPTIONS gets 204 with Tus-Version, and its Tus-Resumable is ignored', async () => {
  const location = locationOf(await tus.create(server, 4))
  for (const path of ['/files', '/files/', location]) {
    for (const headers of [{}, { 'Tus-Resumable': '0.2.2' }, { 'Tus-Resumable': '1.0.0' }]) {
      const answer = await send(server.origin, { method: 'OPTIONS', path, headers })
      assert.is(answer.status, 204, path)
      assert.is(answer.headers['tus-version'], '1.0.0')
      assert.is(answer.text, '')
    }
  }
})

test('an unknown method on an upload gets 405 with Allow', async () => {
  const location = locationOf(await tus.create(server, 4))
  for (const method of ['PUT', 'POST', 'SEARCH', 'PROPFIND']) {
    const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': 3 }
    const answer = await send(server.origin, { method, path: location, headers })
    assert.is(answer.status, 405, method)
    assert.is(answer.headers.allow, 'GET, HEAD, PATCH, DELETE, OPTIONS')
  }
})

test.run()
