import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, statusOf, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { bodyHeaders, OFFSET_TYPE, offsetOf, patchHeaders, VERSION } from '../helpers/wire.js'

const server = serverFor(test, ['--slots', '1', '--max-size', '1MiB'])

const EXPECT = 'Expect: 100-continue'
const MIB = 1_048_576

/** The first answer to a request whose body waits for it. */
async function firstAnswer(line: string, headers: readonly string[]) {
  const raw = await RawConnection.open(server.port)
  await raw.head(line, [...headers, EXPECT])
  const answer = await raw.answer()
  raw.socket.destroy()
  return answer
}

const create = (...headers: string[]) => firstAnswer('POST /files', [VERSION, ...headers])

test('Expect: 100-continue gets 100, and after the body 204 or 201', async () => {
  const location = locationOf(await tus.create(server, 3))
  for (const [line, headers, status] of [
    [`PATCH ${new URL(location).pathname}`, patchHeaders(0, 3), 204],
    ['POST /files', [VERSION, 'Upload-Length: 3', ...bodyHeaders(3)], 201],
  ] as const) {
    const raw = await RawConnection.open(server.port)
    await raw.head(line, [...headers, EXPECT])
    assert.is((await raw.answer()).status, 100)
    await raw.write('abc')
    const answer = await raw.answer()
    assert.is(answer.status, status)
    assert.is(answer.headers.get('upload-offset'), '3')
    raw.socket.destroy()
  }
})

test('a body that waits for 100 gets 412 instead', async () => {
  const before = filesIn(server)
  const headers = ['Tus-Resumable: 0.2.2', 'Upload-Length: 3', ...bodyHeaders(3)]
  const answer = await firstAnswer('POST /files', headers)
  assert.is(answer.status, 412)
  assert.is(answer.headers.get('tus-version'), '1.0.0')
  await unharmed(server, before)
})

test('a body that waits for 100 gets 413 instead', async () => {
  const location = locationOf(await tus.create(server, 3))
  const before = filesIn(server)
  const path = new URL(location).pathname
  assert.is((await firstAnswer(`PATCH ${path}`, patchHeaders(0, 4))).status, 413)
  assert.is((await create(`Upload-Length: ${MIB + 1}`, ...bodyHeaders(5))).status, 413)
  assert.is((await create('Upload-Length: 4', ...bodyHeaders(5))).status, 413)
  assert.is((await create('Upload-Defer-Length: 1', ...bodyHeaders(MIB + 1))).status, 413)
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test('a body that waits for 100 gets 415 instead', async () => {
  const location = locationOf(await tus.create(server, 3))
  const before = filesIn(server)
  const wrong = ['Content-Type: text/plain', 'Content-Length: 3']
  const path = new URL(location).pathname
  // A creation ignores a small body of another type.
  const large = ['Content-Type: text/plain', 'Content-Length: 65537']
  assert.is((await create('Upload-Length: 3', ...large)).status, 415)
  assert.is((await firstAnswer(`PATCH ${path}`, [VERSION, 'Upload-Offset: 0', ...wrong])).status, 415)
  await unharmed(server, before)
})

test('a body that waits for 100 gets 400, 404, 405 and 409 instead', async () => {
  const location = locationOf(await tus.create(server, 9))
  await tus.patch(server, location, 0, 'abc')
  const before = filesIn(server)
  const path = new URL(location).pathname
  assert.is((await create(...bodyHeaders(3))).status, 400)
  assert.is((await firstAnswer('PATCH /files/nothing', patchHeaders(0, 3))).status, 404)
  assert.is((await firstAnswer('POST /nothing', [VERSION, ...bodyHeaders(3)])).status, 404)
  assert.is((await firstAnswer(`PUT ${path}`, patchHeaders(0, 3))).status, 405)
  assert.is((await firstAnswer(`PATCH ${path}`, patchHeaders(0, 3))).status, 409)
  assert.is(await offsetOf(server, location), 3)
  await unharmed(server, before)
})

test('a body that waits for 100 gets 503 instead while all slots are taken', async () => {
  const [first, second] = [locationOf(await tus.create(server, 9)), locationOf(await tus.create(server, 9))]
  const before = filesIn(server)
  const holder = await RawConnection.open(server.port)
  await holder.head(`PATCH ${new URL(first).pathname}`, patchHeaders(0, 9))
  await eventually(10_000, 'the taken slot', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  const answer = await firstAnswer(`PATCH ${new URL(second).pathname}`, patchHeaders(0, 9))
  assert.is(answer.status, 503)
  assert.ok(answer.headers.get('retry-after'))
  assert.is((await create('Upload-Length: 3', ...bodyHeaders(3))).status, 503)
  holder.socket.destroy()
  await unharmed(server, before)
})

test('a refusal instead of 100 closes the connection, because the body may or may not follow', async () => {
  const raw = await RawConnection.open(server.port)
  const wrong = [VERSION, 'Upload-Length: 5', `Content-Type: ${OFFSET_TYPE}`, 'Content-Length: 6', EXPECT]
  await raw.head('POST /files', wrong)
  const answer = await raw.answer()
  assert.is(answer.status, 413)
  assert.is(answer.headers.get('connection'), 'close')
  await raw.closed()
})

test.run()
