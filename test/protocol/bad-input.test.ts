import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { exchange, OFFSET_TYPE, offsetOf, patchHeaders, VERSION } from '../helpers/wire.js'

const server = serverFor(test)

const pathOf = (location: string): string => new URL(location).pathname

test('a request cut anywhere in its headers does nothing', async () => {
  const location = locationOf(await tus.create(server, 3))
  const before = filesIn(server)
  const heads = [
    `POST /files HTTP/1.1\r\nHost: a\r\n${VERSION}\r\nUpload-Length: 3\r\nContent-Length: 0\r\n\r\n`,
    `DELETE ${pathOf(location)} HTTP/1.1\r\nHost: a\r\n${VERSION}\r\n\r\n`,
  ]
  for (const head of heads) {
    for (let length = 1; length < head.length; length += 7) {
      const raw = await RawConnection.open(server.port)
      await raw.write(head.slice(0, length))
      if (length % 2 === 0) raw.cut()
      else raw.socket.end()
      await raw.closed()
    }
  }
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test('headers of 100 KiB get 431 and a closed connection, in one header or in many', async () => {
  const before = filesIn(server)
  const many = Array.from({ length: 100 }, (_, at) => `X-Long-${at}: ${'a'.repeat(1000)}`)
  for (const headers of [[`X-Long: ${'a'.repeat(100 * 1024)}`], many]) {
    const raw = await RawConnection.open(server.port)
    await raw.head('POST /files', [VERSION, 'Upload-Length: 3', 'Content-Length: 0', ...headers])
    const answer = await raw.answer()
    assert.is(answer.status, 431)
    assert.match(answer.text, /^headers_too_large: /)
    await raw.closed()
  }
  const target = await exchange(server, `GET /files/${'a'.repeat(100 * 1024)}`)
  assert.ok(target.status === 431 || target.status === 414, String(target.status))
  await unharmed(server, before)
})

test('10,000 metadata keys get 400 that names the limit, or 431, and the process answers others at once', async () => {
  const before = filesIn(server)
  const keys = Array.from({ length: 10_000 }, (_, at) => at.toString(36))
  const short = await exchange(server, 'POST /files', [
    ...[VERSION, 'Upload-Length: 3', 'Content-Length: 0', `Upload-Metadata: ${keys.join(',')}`],
  ])
  assert.is(short.status, 400)
  assert.match(short.text, /^metadata_too_large: .*8 KiB/)
  const long = await exchange(server, 'POST /files', [
    VERSION,
    'Upload-Length: 3',
    `Upload-Metadata: ${keys.map((key) => `key${key} YWJj`).join(',')}`,
  ])
  assert.is(long.status, 431)
  await unharmed(server, before)
})

test('more headers than a server looks at never let a PATCH through with some of them unread', async () => {
  const location = locationOf(await tus.create(server, 3))
  const many = Array.from({ length: 3000 }, (_, at) => `x${at}: 1`)
  const answer = await exchange(
    server,
    `PATCH ${pathOf(location)}`,
    [...many, 'Tus-Resumable: 0.2.2', ...patchHeaders(0, 3)],
    'abc',
  )
  assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status))
  assert.is(await offsetOf(server, location), 0)
  await idle(server)
})

test('sockets that connect and say nothing harm nobody', async () => {
  const before = filesIn(server)
  const silent = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(server.port)))
  for (const raw of silent.slice(0, 50)) await raw.write('POST /files HT')
  const location = locationOf(await tus.create(server, 3))
  assert.is((await tus.patch(server, location, 0, 'abc')).status, 204)
  assert.is((await tus.remove(server, location)).status, 204)
  await unharmed(server, before)
  for (const [at, raw] of silent.entries()) {
    if (at % 2 === 0) raw.cut()
    else raw.socket.end()
  }
  await unharmed(server, before)
})

test('doubled headers are never read as one good value', async () => {
  const location = locationOf(await tus.create(server, 9))
  const before = filesIn(server)
  const path = pathOf(location)
  const patch = (extra: string[]) => exchange(server, `PATCH ${path}`, extra, 'abc')
  assert.is((await patch([...patchHeaders(0, 3), VERSION])).status, 412)
  assert.is((await patch([...patchHeaders(0, 3), 'Upload-Offset: 0'])).status, 400)
  assert.is((await patch([...patchHeaders(0, 3), 'Upload-Length: 9', 'Upload-Length: 9'])).status, 400)
  const post = (extra: string[]) => exchange(server, 'POST /files', [VERSION, 'Content-Length: 0', ...extra])
  assert.is((await post(['Upload-Length: 3', 'Upload-Length: 3'])).status, 400)
  assert.is((await post(['Upload-Defer-Length: 1', 'Upload-Defer-Length: 1'])).status, 400)
  const override = ['X-HTTP-Method-Override: PATCH', 'X-HTTP-Method-Override: POST', 'Upload-Length: 3']
  assert.is((await post(override)).status, 405)
  const sum = 'Upload-Checksum: sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk='
  assert.is((await post(['Upload-Length: 3', sum, sum])).status, 400)
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test('pipelined requests are answered in their order', async () => {
  const location = locationOf(await tus.create(server, 3))
  const line = (method: string, path: string, headers: string[]) =>
    `${[`${method} ${path} HTTP/1.1`, 'Host: a', ...headers].join('\r\n')}\r\n\r\n`
  const raw = await RawConnection.open(server.port)
  const before = filesIn(server)
  await raw.write(
    [
      line('OPTIONS', '/files', []),
      line('HEAD', pathOf(location), [VERSION]),
      line('POST', '/files', [VERSION, 'Upload-Length: 1e3', 'Content-Length: 0']),
      line('GET', '/nothing', []),
      line('PUT', pathOf(location), [VERSION]),
      line('DELETE', pathOf(location), [VERSION]),
      line('GET', '/healthz', []),
    ].join(''),
  )
  const statuses: number[] = []
  for (let count = 0; count < 7; count++) statuses.push((await raw.answer()).status)
  assert.equal(statuses, [204, 200, 400, 404, 405, 204, 200])
  raw.cut()
  await unharmed(server, before.slice(0, 0).concat(filesIn(server)))
})

test('requests for one upload that are pipelined on one connection come one behind the other', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  const patch = (offset: number, bytes: number) => {
    const head = ['Host: a', ...patchHeaders(offset, bytes)].join('\r\n')
    return `PATCH ${pathOf(location)} HTTP/1.1\r\n${head}\r\n\r\n${'a'.repeat(bytes)}`
  }
  const head = `HEAD ${pathOf(location)} HTTP/1.1\r\nHost: a\r\n${VERSION}\r\n\r\n`
  await raw.write(`${patch(0, 600)}${patch(600, 300)}${head}`)
  const answers = [await raw.answer(), await raw.answer(), await raw.answer()]
  assert.equal(
    answers.map(({ status, headers }) => [status, headers.get('upload-offset')]),
    [
      [204, '600'],
      [204, '900'],
      [200, '900'],
    ],
  )
  raw.cut()
  await idle(server)
})

test('200 requests of nonsense at once leave an unharmed process', async () => {
  const before = filesIn(server)
  const nonsense = ['\0\0\0\0', 'GET', '\r\n\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\x16\x03\x01\x02']
  const raws = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(server.port)))
  await Promise.all(raws.map((raw, at) => raw.write(nonsense[at % nonsense.length] ?? '')))
  for (const raw of raws) raw.socket.end()
  await Promise.all(raws.map((raw) => raw.closed()))
  await unharmed(server, before)
})

test('CONNECT, Upgrade and OPTIONS * are refused or ignored, never fatal', async () => {
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.write('CONNECT example:443 HTTP/1.1\r\nHost: a\r\n\r\n')
  await raw.closed()
  const upgrade = await exchange(server, 'GET /healthz', ['Upgrade: websocket', 'Connection: Upgrade'])
  assert.is(upgrade.status, 200)
  assert.is((await exchange(server, 'OPTIONS *')).status, 404)
  await unharmed(server, before)
})

test('a sender that is gone before its answer leaves nothing held', async () => {
  const location = locationOf(await tus.create(server, 1_000_000))
  const headers = { 'Content-Type': OFFSET_TYPE }
  for (let count = 0; count < 20; count++) {
    const raw = await RawConnection.open(server.port)
    await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, 1000))
    await raw.write('a'.repeat(count * 10))
    raw.cut()
  }
  await idle(server)
  const offset = await eventually(10_000, 'a steady offset', async () => {
    const [first, second] = [await offsetOf(server, location), await offsetOf(server, location)]
    return first === second ? first : undefined
  })
  assert.is((await tus.patch(server, location, offset, 'x', headers)).status, 204)
  assert.is((await send(server.origin, { method: 'GET', path: '/readyz' })).status, 200)
})

test.run()
