import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { createPart, PARTIAL, reprDigestOfText } from '../helpers/parts.js'
import { rowsOf, sidecarOf, storedDigest } from '../helpers/proof.js'
import { eventually, fileOf, idOf, locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { base64, OFFSET_TYPE, unknownId } from '../helpers/wire.js'

const server = serverFor(test, ['--max-size', '1MiB'])

const pathOf = (location: string): string => new URL(location).pathname
const isThere = (location: string): boolean => existsSync(fileOf(server, idOf(location)))

test('a partial upload says so in HEAD, and its end is no finished file', async () => {
  const location = await createPart(server, 'hello')
  const { headers } = await tus.head(server, location)
  assert.is(headers['upload-concat'], 'partial')
  assert.is(headers['upload-offset'], '5')
  assert.is(headers['upload-length'], '5')
  assert.is(headers['repr-digest'], undefined)
  assert.ok(headers['upload-expires'])
  assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  const row = await eventually(30_000, 'the row', async () => {
    const found = rowsOf(server).get(idOf(location))
    return found?.offset === 5 ? found : undefined
  })
  assert.is(row.state, 'paused')
  assert.is(row.sha256, null)
  const record = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  assert.is(JSON.parse(record.text).concat, 'partial')
})

test('the first bytes of a partial upload decide nothing', async () => {
  const location = await createPart(server, `#!/bin/sh\n${'x'.repeat(600)}`)
  assert.is((await tus.head(server, location)).headers['upload-offset'], '610')
})

test('a final upload is its parts in order, by absolute and relative URLs, with its length and digest', async () => {
  const parts = [
    await createPart(server, 'one'),
    await createPart(server, 'two'),
    await createPart(server, 'three'),
  ]
  const [one = '', two = '', three = ''] = parts
  const list = [one, pathOf(two), pathOf(three)]
  const answer = await tus.join(server, list)
  assert.is(answer.status, 201)
  assert.is(answer.headers['repr-digest'], reprDigestOfText('onetwothree'))
  const location = locationOf(answer)
  const { headers } = await tus.head(server, location)
  assert.is(headers['upload-concat'], `final;${list.join(' ')}`)
  assert.is(headers['upload-offset'], '11')
  assert.is(headers['upload-length'], '11')
  assert.is(headers['repr-digest'], reprDigestOfText('onetwothree'))
  const download = await send(server.origin, { method: 'GET', path: location })
  assert.is(download.text, 'onetwothree')
  assert.is(sidecarOf(server, pathOf(location)).sha256, await storedDigest(server, pathOf(location)))
  const row = await eventually(30_000, 'the row', async () => {
    const found = rowsOf(server).get(idOf(location))
    return found?.state === 'finished' ? found : undefined
  })
  assert.is(row.offset, 11)
})

test('the parts are gone once they are joined', async () => {
  const parts = [await createPart(server, 'one'), await createPart(server, 'two')]
  assert.is((await tus.join(server, parts)).status, 201)
  // The lock of a part is given back after its last answer: such a part goes a little later.
  await eventually(30_000, 'the end of the parts', async () => (parts.some(isThere) ? undefined : true))
  for (const each of parts) assert.is((await tus.head(server, each)).status, 404)
})

test('the same request again, its answer lost, gets the same final upload', async () => {
  const parts = [await createPart(server, 'one'), await createPart(server, 'two')]
  const headers = { 'Upload-Metadata': `filename ${base64('a.txt')}` }
  const first = await tus.join(server, parts, headers)
  const again = await tus.join(server, parts, headers)
  assert.is(again.status, 201)
  assert.is(again.headers.location, first.headers.location)
  assert.is(again.headers['repr-digest'], reprDigestOfText('onetwo'))
  assert.is((await tus.join(server, parts)).status, 400, 'with other metadata it is another request')
  assert.is((await tus.join(server, parts.slice(1), headers)).status, 400, 'as it is of other parts')
  await tus.remove(server, locationOf(first))
  assert.is((await tus.join(server, parts, headers)).status, 400, 'and of one that is gone')
})

test('a part may stand twice', async () => {
  const twice = await createPart(server, 'ab')
  const answer = await tus.join(server, [twice, await createPart(server, '-'), twice])
  assert.is(answer.headers['repr-digest'], reprDigestOfText('ab-ab'))
})

test('parts of no bytes, and a final upload of none, are joined too', async () => {
  const parts = [await createPart(server, ''), await createPart(server, 'x'), await createPart(server, '')]
  assert.is((await tus.join(server, parts)).headers['repr-digest'], reprDigestOfText('x'))
  assert.is(
    (await tus.join(server, [await createPart(server, '')])).headers['repr-digest'],
    reprDigestOfText(''),
  )
})

test('a length of a final upload is ignored: its parts have the right one', async () => {
  const lengths = [
    { 'Upload-Length': '3' },
    { 'Upload-Length': '99' },
    { 'Upload-Defer-Length': '1' },
    { 'Upload-Length': 'x' },
  ]
  for (const headers of lengths) {
    const answer = await tus.join(server, [await createPart(server, 'one')], headers)
    assert.is(answer.status, 201)
    assert.is(answer.headers['repr-digest'], reprDigestOfText('one'))
    assert.is((await tus.head(server, locationOf(answer))).headers['upload-length'], '3')
  }
})

test('a body, an unknown part or a list that cannot be read gets 400, and nothing is left', async () => {
  const known = await createPart(server, 'one')
  const ordinary = locationOf(await tus.create(server, 3))
  const before = filesIn(server)
  const join = (headers: Record<string, string>, body = '') =>
    send(server.origin, {
      method: 'POST',
      path: '/files',
      headers: { 'Tus-Resumable': '1.0.0', ...headers },
      body,
    })
  const list = `final;${known}`
  const answers = [
    await join({ 'Upload-Concat': list, 'Content-Type': OFFSET_TYPE }, 'abc'),
    await join({ 'Upload-Concat': 'final' }),
    await join({ 'Upload-Concat': 'final;' }),
    await join({ 'Upload-Concat': 'FINAL;x' }),
    await join({ 'Upload-Concat': 'partial;x', 'Upload-Length': '3' }),
    await join({ 'Upload-Concat': 'final;,', 'Upload-Length': '3' }),
    await tus.join(server, [known, `/files/${unknownId()}`]),
    await tus.join(server, [known, 'http://elsewhere.test/files/1']),
    await tus.join(server, [known, '/files/../../etc/passwd']),
    // An upload of its own is no part.
    await tus.join(server, [ordinary]),
  ]
  for (const [index, { status, text }] of answers.entries()) {
    assert.is(status, 400, `request ${index}`)
    assert.match(text, /^(concat_invalid|part_unknown): /)
  }
  await unharmed(server, before)
})

test('PATCH on a final upload gets 403, joined or not', async () => {
  const waiting = locationOf(await tus.join(server, [await createPart(server, 'ab', 1)]))
  const done = locationOf(await tus.join(server, [await createPart(server, 'ab')]))
  for (const location of [waiting, done]) {
    for (const offset of [0, 2]) {
      const answer = await tus.patch(server, location, offset, '')
      assert.is(answer.status, 403)
      assert.match(answer.text, /^final_unpatchable: /)
    }
  }
})

test('a final upload has the metadata of its own creation and none of its parts', async () => {
  const own = { 'Upload-Metadata': `filename ${base64('whole.txt')}` }
  const headers = { ...PARTIAL, 'Upload-Metadata': `filename ${base64('part.txt')}` }
  const parts = [0, 0].map(async () => locationOf(await tus.create(server, 0, headers)))
  const [one = '', two = ''] = await Promise.all(parts)
  const named = locationOf(await tus.join(server, [one], own))
  assert.is((await tus.head(server, named)).headers['upload-metadata'], own['Upload-Metadata'])
  const unnamed = locationOf(await tus.join(server, [two]))
  assert.is((await tus.head(server, unnamed)).headers['upload-metadata'], undefined)
})

test('joined bytes of a type that may not come in get 415, and nothing of them is left', async () => {
  const before = filesIn(server)
  const parts = [await createPart(server, '#!/bin'), await createPart(server, `/sh\n${'x'.repeat(600)}`)]
  const answer = await tus.join(server, parts)
  assert.is(answer.status, 415)
  assert.match(answer.text, /^type_refused: /)
  await eventually(30_000, 'the end of the parts', async () => (parts.some(isThere) ? undefined : true))
  await unharmed(server, before)
})

test('a final upload is judged by its own first bytes and its own metadata', async () => {
  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(600)])
  const create = async (bytes: Uint8Array) => {
    const location = locationOf(await tus.create(server, bytes.length, PARTIAL))
    await tus.patch(server, location, 0, bytes)
    return location
  }
  // The signature lies across two parts.
  const parts = [await create(png.subarray(0, 3)), await create(png.subarray(3))]
  const answer = await tus.join(server, parts, { 'Upload-Metadata': `filetype ${base64('image/png')}` })
  assert.is(answer.status, 201)
  const record = await send(server.origin, {
    method: 'GET',
    path: `/api/uploads/${idOf(locationOf(answer))}`,
  })
  assert.is(JSON.parse(record.text).type, 'image/png')
  const lie = await tus.join(server, [await createPart(server, 'plain text')], {
    'Upload-Metadata': `filetype ${base64('image/png')}`,
  })
  assert.is(lie.status, 201)
  const seen = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(locationOf(lie))}` })
  assert.is(JSON.parse(seen.text).type, 'text/plain')
})

test.run()
