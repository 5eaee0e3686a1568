import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { chunk, exchange, LAST_CHUNK, offsetOf, patchHeaders } from '../helpers/wire.js'

const server = serverFor(test, ['--max-size', '1MiB'])

const deferred = async (): Promise<string> => locationOf(await tus.create(server, null))
const length = (bytes: number | string): Record<string, string> => ({ 'Upload-Length': String(bytes) })

test('HEAD sends Upload-Defer-Length: 1 and no Upload-Length until the length is known', async () => {
  const location = await deferred()
  await tus.patch(server, location, 0, 'ab')
  const before = await tus.head(server, location)
  assert.is(before.headers['upload-defer-length'], '1')
  assert.is(before.headers['upload-length'], undefined)
  assert.is(before.headers['upload-offset'], '2')
  assert.is((await tus.patch(server, location, 2, 'cd', length(6))).status, 204)
  const after = await tus.head(server, location)
  assert.is(after.headers['upload-defer-length'], undefined)
  assert.is(after.headers['upload-length'], '6')
  assert.is(after.headers['upload-offset'], '4')
})

test('the length comes once, with a PATCH, which may bring no bytes and finish the upload', async () => {
  const location = await deferred()
  await tus.patch(server, location, 0, 'abcd')
  const answer = await tus.patch(server, location, 4, '', length(4))
  assert.is(answer.status, 204)
  const digest = createHash('sha256').update('abcd').digest('base64')
  assert.is(answer.headers['repr-digest'], `sha-256=:${digest}:`)
  assert.is((await send(server.origin, { method: 'GET', path: location })).text, 'abcd')
})

test('a different length gets 400 and changes nothing', async () => {
  const location = await deferred()
  await tus.patch(server, location, 0, 'ab', length(6))
  for (const again of [5, 7, 2, 0]) {
    const answer = await tus.patch(server, location, 2, 'cd', length(again))
    assert.is(answer.status, 400, String(again))
    assert.match(answer.text, /^length_conflict: /)
  }
  const head = await tus.head(server, location)
  assert.is(head.headers['upload-length'], '6')
  assert.is(head.headers['upload-offset'], '2')
})

test('the length that is already known may come again, as when the last part of a deferred upload was cut', async () => {
  const created = { single: {}, partial: { 'Upload-Concat': 'partial' } } satisfies Record<string, object>
  for (const [kind, headers] of Object.entries(created)) {
    for (const first of [6, null]) {
      const location = locationOf(await tus.create(server, first, headers))
      assert.is((await tus.patch(server, location, 0, 'ab', length(6))).status, 204, kind)
      assert.is((await tus.patch(server, location, 2, 'cd', length('006'))).status, 204, kind)
      assert.is(
        (await tus.patch(server, location, 3, 'd', length(6))).status,
        409,
        'the offset is still looked at',
      )
      const tooLong = await tus.patch(server, location, 4, 'efg', length(6))
      assert.is(tooLong.status, 413)
      assert.match(tooLong.text, /^length_exceeded: /)
      assert.is((await tus.patch(server, location, 4, 'ef', length(6))).status, 204, kind)
      assert.is((await tus.patch(server, location, 6, '', length(6))).status, 204, 'of a whole one')
      for (const other of [5, 7]) {
        const answer = await tus.patch(server, location, 6, '', length(other))
        assert.is(answer.status, 400, `${other} of a whole one`)
        assert.match(answer.text, /^length_conflict: /)
      }
      assert.is(await offsetOf(server, location), 6)
    }
  }
})

test('a length for an upload that was created with another gets 400', async () => {
  const location = locationOf(await tus.create(server, 6))
  for (const again of [0, 5, 7, 2 ** 20]) {
    assert.is((await tus.patch(server, location, 0, 'ab', length(again))).status, 400)
  }
  assert.is(await offsetOf(server, location), 0)
})

test('a length below the offset gets 400, and stays unknown', async () => {
  const location = await deferred()
  await tus.patch(server, location, 0, 'abcd')
  const answer = await tus.patch(server, location, 4, '', length(3))
  assert.is(answer.status, 400)
  assert.match(answer.text, /^length_conflict: /)
  const head = await tus.head(server, location)
  assert.is(head.headers['upload-defer-length'], '1')
  assert.is(head.headers['upload-offset'], '4')
})

test('a length above the maximum gets 413, and stays unknown', async () => {
  const location = await deferred()
  const answer = await tus.patch(server, location, 0, 'ab', length(1_048_577))
  assert.is(answer.status, 413)
  assert.match(answer.text, /^size_exceeded: /)
  const head = await tus.head(server, location)
  assert.is(head.headers['upload-defer-length'], '1')
  assert.is(head.headers['upload-offset'], '0')
})

test('a PATCH that is refused for its offset does not make its length known', async () => {
  const location = await deferred()
  assert.is((await tus.patch(server, location, 3, 'ab', length(10))).status, 409)
  assert.is((await tus.head(server, location)).headers['upload-defer-length'], '1')
})

test('a body past the length that comes with it gets 413, and nothing is finished', async () => {
  for (const chunked of [false, true]) {
    const location = await deferred()
    const head = [...patchHeaders(0, chunked ? null : 6), 'Upload-Length: 4']
    const body = chunked ? `${chunk('abc')}${chunk('def')}${LAST_CHUNK}` : 'abcdef'
    const answer = await exchange(server, `PATCH ${new URL(location).pathname}`, head, body)
    assert.is(answer.status, 413)
    assert.ok((await offsetOf(server, location)) <= 4)
    assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  }
})

test('bytes over the maximum size get 413 while the length is deferred', async () => {
  const location = await deferred()
  const known = await tus.patch(server, location, 0, 'a'.repeat(1_048_577))
  assert.is(known.status, 413)
  assert.match(known.text, /^size_exceeded: /)
  assert.is(await offsetOf(server, location), 0)
  const body = `${chunk('a'.repeat(1_048_576))}${chunk('b')}${LAST_CHUNK}`
  const path = new URL(location).pathname
  const chunked = await exchange(server, `PATCH ${path}`, patchHeaders(0, null), body)
  assert.is(chunked.status, 413)
  assert.match(chunked.text, /^size_exceeded: /)
  assert.ok((await offsetOf(server, location)) <= 1_048_576)
})

test.run()
