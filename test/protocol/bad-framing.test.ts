import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, fileOf, idOf, locationOf, send, statusOf, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { bounded } from '../helpers/test.js'
import { bodyHeaders, chunk, LAST_CHUNK, offsetOf, patchHeaders, VERSION } from '../helpers/wire.js'

const server = serverFor(test)

const pathOf = (location: string): string => new URL(location).pathname
const taken = () =>
  eventually(10_000, 'the running PATCH', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })

test('a body shorter than its Content-Length keeps what came, and the upload goes on there', async () => {
  const location = locationOf(await tus.create(server, 10))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, 10))
  await raw.write('abc')
  raw.socket.end()
  await raw.closed()
  await unharmed(server, filesIn(server))
  assert.is(await offsetOf(server, location), 3)
  assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  assert.is((await tus.patch(server, location, 3, 'defghij')).status, 204)
  assert.is((await send(server.origin, { method: 'GET', path: location })).text, 'abcdefghij')
})

test('a body longer than its Content-Length: the surplus is not stored, and the connection is closed', async () => {
  const location = locationOf(await tus.create(server, 10))
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, 3))
  await raw.write('abcdefgh\r\n\r\n')
  const answer = await raw.answer()
  assert.ok(answer.status === 204 || answer.status === 400, String(answer.status))
  await raw.closed()
  assert.is(await offsetOf(server, location), 3)
  assert.is(readFileSync(fileOf(server, idOf(location)), 'utf8'), 'abc')
  await unharmed(server, before)
})

const BROKEN_CHUNKS = [
  'zz\r\nabc\r\n',
  '-1\r\nabc\r\n',
  '3\nabc\n0\n\n',
  '3\r\nabcdef\r\n0\r\n\r\n',
  '3\r\nabcX\n0\r\n\r\n',
  'ffffffffffffffffff\r\nabc\r\n',
  '0x3\r\nabc\r\n',
  '3 3\r\nabc\r\n',
  ' 3\r\nabc\r\n',
  `3;${'x'.repeat(100_000)}\r\nabc\r\n0\r\n\r\n`,
  `0\r\nbad trailer\r\n\r\n`,
]

test('a chunked body with broken framing gets 400, 413 or a closed connection, and finishes nothing', async () => {
  for (const broken of BROKEN_CHUNKS) {
    const location = locationOf(await tus.create(server, 1000))
    const raw = await RawConnection.open(server.port)
    await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, null))
    await raw.write(`${chunk('good')}${broken}`)
    const status = await raw.answer().then(
      (answer) => answer.status,
      () => 'closed',
    )
    assert.ok(status === 400 || status === 413 || status === 'closed', `${broken.slice(0, 30)} got ${status}`)
    await raw.closed()
    await idle(server)
    const offset = await offsetOf(server, location)
    assert.ok(offset <= 7, `${broken.slice(0, 30)} left ${offset}`)
    assert.is((await tus.remove(server, location)).status, 204)
  }
  assert.is((await send(server.origin, { method: 'GET', path: '/healthz' })).status, 200)
})

test('a POST with broken framing and a deferred length finishes nothing', async () => {
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.head('POST /files', [VERSION, 'Upload-Defer-Length: 1', ...bodyHeaders(null)])
  await raw.write('zz\r\nabc\r\n')
  assert.is((await raw.answer()).status, 400)
  await raw.closed()
  await idle(server)
  for (const name of filesIn(server).filter((each) => !before.includes(each) && !each.endsWith('.json'))) {
    assert.is((await tus.remove(server, `/files/${idOf(name)}`)).status, 204)
  }
  await unharmed(server, before)
})

test('broken framing gives the slot back at once, even where the sender never closes its side', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  const head = [`PATCH ${pathOf(location)} HTTP/1.1`, 'Host: a', ...patchHeaders(0, null)]
  socket.write(`${head.join('\r\n')}\r\n\r\n${chunk('good')}`)
  try {
    await taken()
    socket.write('zz\r\nabc\r\n')
    await idle(server)
    assert.ok((await offsetOf(server, location)) <= 4)
  } finally {
    socket.destroy()
  }
})

test('what is not HTTP is cut off for good, even where the sender never closes its side', async () => {
  if (process.platform !== 'linux') return
  const descriptors = (): number => readdirSync(`/proc/${server.pid}/fd`).length
  const before = descriptors()
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    socket.resume()
    socket.write('nonsense\r\n\r\n')
    return socket
  })
  try {
    const ended = Promise.all(sockets.map((socket) => once(socket, 'end')))
    await bounded(10_000, ended, 'the end of the answers')
    await eventually(10_000, 'the end of the connections', async () => {
      return descriptors() < before + 10 ? true : undefined
    })
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

test('a chunked body cut in the middle of a chunk keeps what came', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, null))
  await raw.write(`${chunk('abc')}ff\r\ndef`)
  await taken()
  raw.socket.end()
  await raw.closed()
  await idle(server)
  assert.is(await offsetOf(server, location), 6)
})

test('Content-Length beside Transfer-Encoding, and a doubled Content-Length, get 400 and store nothing', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const before = filesIn(server)
  for (const extra of [
    ['Content-Length: 3', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 3'],
    ['Content-Length: 3', 'Content-Length: 4'],
    ['Content-Length: 3', 'Content-Length: 3'],
    ['Content-Length: -3'],
    ['Content-Length: 3, 3'],
    ['Content-Length: 1e3'],
    ['Content-Length: 99999999999999999999'],
    ['Transfer-Encoding: chunked, identity'],
  ]) {
    const raw = await RawConnection.open(server.port)
    const common = [VERSION, 'Upload-Offset: 0', 'Content-Type: application/offset+octet-stream']
    await raw.head(`PATCH ${pathOf(location)}`, [...common, ...extra])
    await raw.write(`${chunk('abc')}${LAST_CHUNK}`)
    const answer = await raw.answer()
    assert.is(answer.status, 400, extra.join(' and '))
    await raw.closed()
  }
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test('a Transfer-Encoding that is not chunked stores nothing and leaves no slot taken', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, [...patchHeaders(0, 3), 'Transfer-Encoding: gzip'])
  await raw.write('abc')
  assert.is((await raw.answer()).status, 400)
  raw.socket.destroy()
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test.run()
