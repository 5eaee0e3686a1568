import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, send, statusOf, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { bodyHeaders, OFFSET_TYPE, offsetOf, patchHeaders, VERSION } from '../helpers/wire.js'

const server = serverFor(test, ['--slots', '1', '--max-size', '1GiB'])

const BODY_BYTES = 50 * 1024 * 1024
const FIRST_BYTES = 1024 * 1024
const PIECE = Buffer.alloc(FIRST_BYTES, 'lading ')

const pathOf = (location: string): string => new URL(location).pathname

/**
 * Sends a head and the first mebibyte of a body of 50 MB, reads the answer, looks that nothing is held, sends
 * the rest, and asks once more on the same connection: a sender that only reads when it is done reads it all.
 */
async function refused(line: string, headers: readonly string[], first: Uint8Array = PIECE) {
  const raw = await RawConnection.open(server.port)
  await raw.head(line, headers)
  await raw.write(first)
  const answer = await raw.answer()
  await idle(server)
  for (let sent = first.length; sent < BODY_BYTES; sent += PIECE.length) {
    await raw.write(PIECE.subarray(0, Math.min(PIECE.length, BODY_BYTES - sent)))
  }
  await raw.head('GET /healthz')
  assert.is((await raw.answer()).status, 200, 'the connection was not kept')
  raw.socket.destroy()
  return answer
}

test('a 413 arrives before the body is over, on a connection that is read on and kept', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const before = filesIn(server)
  const patched = await refused(`PATCH ${pathOf(location)}`, patchHeaders(0, BODY_BYTES))
  assert.is(patched.status, 413)
  assert.is(patched.headers.get('connection'), 'keep-alive')
  const created = await refused('POST /files', [VERSION, 'Upload-Length: 9', ...bodyHeaders(BODY_BYTES)])
  assert.is(created.status, 413)
  assert.is(await offsetOf(server, location), 0)
  await unharmed(server, before)
})

test('a 415 for the content type arrives before the body is over, on a connection that is kept', async () => {
  const location = locationOf(await tus.create(server, BODY_BYTES))
  const before = filesIn(server)
  const wrong = ['Content-Type: application/json', `Content-Length: ${BODY_BYTES}`]
  const patched = await refused(`PATCH ${pathOf(location)}`, [VERSION, 'Upload-Offset: 0', ...wrong])
  assert.is(patched.status, 415)
  const created = await refused('POST /files', [VERSION, `Upload-Length: ${BODY_BYTES}`, ...wrong])
  assert.is(created.status, 415)
  await unharmed(server, before)
})

test('a 415 for the bytes arrives before the body is over, and the upload is gone', async () => {
  const before = filesIn(server)
  const script = Buffer.alloc(FIRST_BYTES, '#')
  script.write('#!/bin/sh\n')
  const location = locationOf(await tus.create(server, BODY_BYTES))
  const patched = await refused(`PATCH ${pathOf(location)}`, patchHeaders(0, BODY_BYTES), script)
  assert.is(patched.status, 415)
  assert.match(patched.text, /^type_refused: /)
  assert.is((await tus.head(server, location)).status, 404)
  const head = [VERSION, `Upload-Length: ${BODY_BYTES}`, ...bodyHeaders(BODY_BYTES)]
  assert.is((await refused('POST /files', head, script)).status, 415)
  await unharmed(server, before)
})

test('a 409 and a 412 arrive before the body is over, on a connection that is kept', async () => {
  const location = locationOf(await tus.create(server, BODY_BYTES + 5))
  const before = filesIn(server)
  assert.is((await refused(`PATCH ${pathOf(location)}`, patchHeaders(5, BODY_BYTES))).status, 409)
  const headers = ['Upload-Offset: 0', `Content-Type: ${OFFSET_TYPE}`, `Content-Length: ${BODY_BYTES}`]
  assert.is((await refused(`PATCH ${pathOf(location)}`, headers)).status, 412)
  assert.is((await refused('PATCH /files/nothing', patchHeaders(0, BODY_BYTES))).status, 404)
  assert.is((await refused('POST /healthz', headers)).status, 405)
  await unharmed(server, before)
})

test('a 503 arrives before the body is over, on a connection that is kept, and no byte is stored', async () => {
  const [first, second] = [
    locationOf(await tus.create(server, 9)),
    locationOf(await tus.create(server, BODY_BYTES)),
  ]
  const before = filesIn(server)
  const holder = await RawConnection.open(server.port)
  await holder.head(`PATCH ${pathOf(first)}`, patchHeaders(0, 9))
  await eventually(10_000, 'the taken slot', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(second)}`, patchHeaders(0, BODY_BYTES))
  await raw.write(PIECE)
  assert.is((await raw.answer()).status, 503)
  for (let sent = PIECE.length; sent < BODY_BYTES; sent += PIECE.length) await raw.write(PIECE)
  await raw.head('GET /healthz')
  assert.is((await raw.answer()).status, 200)
  const { slots, arena } = await statusOf(server)
  assert.is(slots.taken, 1)
  assert.is(arena.free, arena.blocks)
  assert.is(await offsetOf(server, second), 0)
  for (const connection of [raw, holder]) connection.socket.destroy()
  await unharmed(server, before)
})

test('a chunked body that runs over gets its 413 before it is over, and the bytes that fit are kept', async () => {
  const location = locationOf(await tus.create(server, FIRST_BYTES + 1))
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${pathOf(location)}`, patchHeaders(0, null))
  const pieces = [`${PIECE.length.toString(16)}\r\n`, PIECE, '\r\n']
  for (const part of [...pieces, ...pieces]) await raw.write(part)
  assert.is((await raw.answer()).status, 413)
  await idle(server)
  for (let count = 0; count < 48; count++) for (const part of pieces) await raw.write(part)
  await raw.write('0\r\n\r\n')
  await raw.head('GET /healthz')
  assert.is((await raw.answer()).status, 200)
  assert.is(await offsetOf(server, location), FIRST_BYTES + 1)
  assert.ok((await tus.head(server, location)).headers['repr-digest'])
  raw.socket.destroy()
  await unharmed(server, before)
})

test('a sender that will close its connection sees the refusal too, however much it still sends', async () => {
  const location = locationOf(await tus.create(server, BODY_BYTES))
  const before = filesIn(server)
  for (let count = 0; count < 5; count++) {
    const raw = await RawConnection.open(server.port)
    const type = 'Content-Type: text/plain'
    const length = `Content-Length: ${BODY_BYTES}`
    await raw.head(`PATCH ${pathOf(location)}`, [
      VERSION,
      'Upload-Offset: 0',
      type,
      length,
      'Connection: close',
    ])
    const answer = raw.answer()
    for (let sent = 0; sent < BODY_BYTES; sent += FIRST_BYTES) await raw.write(PIECE)
    assert.is((await answer).status, 415)
    await raw.closed()
  }
  await unharmed(server, before)
})

test('the record of a refused upload says what was seen, and why it was refused', async () => {
  const page = '<!DOCTYPE html><script>alert(1)</script>'
  const location = locationOf(await tus.create(server, page.length))
  assert.is((await tus.patch(server, location, 0, page)).status, 415)
  const id = location.slice(location.lastIndexOf('/') + 1)
  const { text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${id}` })
  const record = JSON.parse(text)
  assert.is(record.state, 'refused')
  assert.is(record.type, 'text/html')
  assert.match(record.reason, /HTML/)
})

test.run()
