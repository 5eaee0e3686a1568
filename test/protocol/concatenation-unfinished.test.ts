import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPart, joinedHead, PARTIAL, reprDigestOfText } from '../helpers/parts.js'
import { eventually, fileOf, idOf, locationOf, send, startServer, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'

const server = serverFor(test, ['--max-size', '1MiB'])

const isThere = (location: string): boolean => existsSync(fileOf(server, idOf(location)))

test('a final upload of unfinished parts has its length and no offset until they are whole', async () => {
  const parts = [await createPart(server, 'first'), await createPart(server, 'second', 3)]
  const answer = await tus.join(server, parts)
  assert.is(answer.status, 201)
  assert.is(answer.headers['repr-digest'], undefined)
  const location = locationOf(answer)
  const before = await tus.head(server, location)
  assert.is(before.status, 200)
  assert.is(before.headers['upload-offset'], undefined)
  assert.is(before.headers['upload-defer-length'], undefined)
  assert.is(before.headers['upload-length'], '11')
  assert.is(before.headers['upload-concat'], `final;${parts.join(' ')}`)
  assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  await tus.patch(server, parts[1] ?? '', 3, 'ond')
  const { headers } = await joinedHead(server, location)
  assert.is(headers['upload-offset'], '11')
  assert.is(headers['repr-digest'], reprDigestOfText('firstsecond'))
})

test('the same request again while the parts are unfinished gets the same final upload', async () => {
  const parts = [await createPart(server, 'ab', 1)]
  const [first, again] = [await tus.join(server, parts), await tus.join(server, parts)]
  assert.is(again.status, 201)
  assert.is(again.headers.location, first.headers.location)
})

test('the length of a final upload comes with the last length of its parts', async () => {
  const deferred = locationOf(await tus.create(server, null, PARTIAL))
  const location = locationOf(await tus.join(server, [await createPart(server, 'ab'), deferred]))
  assert.is((await tus.head(server, location)).headers['upload-length'], undefined)
  await tus.patch(server, deferred, 0, 'c', { 'Upload-Length': '2' })
  assert.is((await tus.head(server, location)).headers['upload-length'], '4')
  await tus.patch(server, deferred, 1, 'd')
  assert.is((await joinedHead(server, location)).headers['repr-digest'], reprDigestOfText('abcd'))
})

test('a final upload whose part is terminated is gone, and its other parts are still there', async () => {
  const [kept, removed] = [await createPart(server, 'ab'), await createPart(server, 'cd', 1)]
  const location = locationOf(await tus.join(server, [kept, removed]))
  await tus.remove(server, removed)
  await eventually(30_000, 'the end of the final upload', async () =>
    (await tus.head(server, location)).status === 404 ? true : undefined,
  )
  await eventually(30_000, 'the end of its file', async () => (isThere(location) ? undefined : true))
  assert.is((await tus.head(server, kept)).headers['upload-offset'], '2')
})

test('a part that two final uploads name is there until both are joined', async () => {
  const [shared, late] = [await createPart(server, 'ab'), await createPart(server, 'cd', 1)]
  const second = locationOf(await tus.join(server, [shared, late]))
  const first = await tus.join(server, [shared])
  assert.is(first.headers['repr-digest'], reprDigestOfText('ab'))
  assert.is((await tus.head(server, shared)).headers['upload-offset'], '2')
  await tus.patch(server, late, 1, 'd')
  assert.is((await joinedHead(server, second)).headers['repr-digest'], reprDigestOfText('abcd'))
  await eventually(30_000, 'the end of the part', async () => (isThere(shared) ? undefined : true))
})

test('a final upload that waits for its parts can be terminated, and leaves them', async () => {
  const waiting = await createPart(server, 'ab', 1)
  const location = locationOf(await tus.join(server, [waiting]))
  assert.is((await tus.remove(server, location)).status, 204)
  assert.is((await tus.head(server, location)).status, 404)
  assert.is((await tus.patch(server, waiting, 1, 'b')).status, 204)
  assert.is((await tus.head(server, waiting)).headers['upload-offset'], '2')
})

test('parts that are too long together get 413, at once or when their lengths are known', async () => {
  const half = 'x'.repeat(2 ** 19 + 1)
  const parts = [await createPart(server, half), await createPart(server, half)]
  assert.is((await tus.join(server, parts)).status, 413)
  const deferred = locationOf(await tus.create(server, null, PARTIAL))
  const [first = ''] = parts
  const location = locationOf(await tus.join(server, [first, deferred]))
  await tus.patch(server, deferred, 0, half, { 'Upload-Length': String(half.length) })
  await eventually(30_000, 'the end of the final upload', async () =>
    (await tus.head(server, location)).status === 404 ? true : undefined,
  )
  await eventually(30_000, 'the end of its file', async () => (isThere(location) ? undefined : true))
})

test('with --keep-partials the parts stay for that time, then the sweep removes them', async () => {
  const own = await startServer(['--keep-partials', '2s', '--expire-after', '1h'])
  const create = async (text: string) => {
    const location = locationOf(await tus.create(own, text.length, PARTIAL))
    await tus.patch(own, location, 0, text)
    return location
  }
  const location = await create('ab')
  assert.is((await tus.join(own, [location])).headers['repr-digest'], reprDigestOfText('ab'))
  assert.is((await tus.head(own, location)).headers['upload-offset'], '2')
  assert.is((await tus.join(own, [location, location])).headers['repr-digest'], reprDigestOfText('abab'))
  await eventually(60_000, 'the end of the part', async () =>
    existsSync(fileOf(own, idOf(location))) ? undefined : true,
  )
  await own.stop()
})

test.run()
