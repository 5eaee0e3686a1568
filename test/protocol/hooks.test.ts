import { existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HooksPlace } from '../helpers/hooks-place.js'
import type { HookReply } from '../helpers/receiver.js'
import { eventually, fileOf, idOf, locationOf, send, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { base64 } from '../helpers/wire.js'

const test = suite('hooks, creation and failures')

let place: HooksPlace

test.before(async () => {
  place = await HooksPlace.start()
})
test.before.each(() => place.receiver.clear())
test.after(async () => {
  await killServers()
  place.receiver.close()
})

test('pre-create gets the upload as it will be, in the JSON of tusd', async () => {
  await place.create({ 'Upload-Metadata': `filename ${base64('a.png')},empty`, 'X-Own': 'yes' })
  const { Type, Event } = place.lastOf('pre-create')
  assert.is(Type, 'pre-create')
  assert.equal(Event.Upload, {
    ID: '',
    Size: 5,
    SizeIsDeferred: false,
    Offset: 0,
    MetaData: { filename: 'a.png', empty: '' },
    IsPartial: false,
    IsFinal: false,
    PartialUploads: null,
    Storage: null,
  })
  assert.is(Event.HTTPRequest.Method, 'POST')
  assert.is(Event.HTTPRequest.URI, '/files')
  assert.match(Event.HTTPRequest.RemoteAddr, /^127\.0\.0\.1:\d+$/)
  assert.equal(Event.HTTPRequest.Header['Tus-Resumable'], ['1.0.0'])
  assert.equal(Event.HTTPRequest.Header['X-Own'], ['yes'])
  assert.equal(Event.HTTPRequest.Header.Host, [new URL(place.server.origin).host])
})

test('the address in a hook has no grant, and all else that the client sent', async () => {
  await send(place.server.origin, {
    method: 'POST',
    path: '/files?a=1&key=mine',
    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': 5 },
  })
  assert.is(place.lastOf('pre-create').Event.HTTPRequest.URI, '/files?a=1&key=mine')
  const made = await send(place.server.origin, { method: 'POST', path: '/api/grants', body: '{}' })
  const { pathname, search } = new URL(JSON.parse(made.text).endpoint)
  await send(place.server.origin, {
    method: 'POST',
    path: `${pathname}${search}&b=2`,
    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': 5 },
  })
  assert.is(place.lastOf('pre-create').Event.HTTPRequest.URI, '/files?b=2')
})

test('pre-create of an upload whose length is deferred has Size 0 and SizeIsDeferred', async () => {
  await tus.create(place.server, null)
  const { Upload } = place.lastOf('pre-create').Event
  assert.equal([Upload.Size, Upload.SizeIsDeferred], [0, true])
})

test('pre-create of a final upload names its parts', async () => {
  const parts = await Promise.all(
    [1, 2].map(() => tus.create(place.server, 5, { 'Upload-Concat': 'partial' })),
  )
  const paths = parts.map((answer) => new URL(locationOf(answer)).pathname)
  await eventually(30_000, 'the end of the first sweep', async () => {
    return (await tus.join(place.server, paths)).status === 201 || undefined
  })
  const { Upload } = place.lastOf('pre-create').Event
  assert.equal(Upload.PartialUploads, paths.map(idOf))
  assert.equal([Upload.IsPartial, Upload.IsFinal], [false, true])
})

test('pre-create may refuse with status, text and headers, and nothing is stored', async () => {
  const said = {
    StatusCode: 422,
    Body: '{"error":"quota"}',
    Header: { 'Content-Type': 'application/json', 'X-Quota': '5' },
  }
  place.answerTo('pre-create', { json: { RejectUpload: true, HTTPResponse: said } })
  const answer = await place.create()
  assert.equal([answer.status, answer.text], [422, '{"error":"quota"}'])
  assert.equal([answer.headers['content-type'], answer.headers['x-quota']], ['application/json', '5'])
  assert.is(answer.headers.location, undefined)
  assert.is(answer.headers['tus-resumable'], '1.0.0')
})

test('a refusal without a status is 400 with a code word', async () => {
  place.answerTo('pre-create', { json: { RejectUpload: true } })
  const answer = await place.create()
  assert.is(answer.status, 400)
  assert.match(answer.text, /^upload_rejected: /)
})

test('pre-create may change metadata: HEAD, the name and the record have what it says', async () => {
  place.answerTo('pre-create', { json: { ChangeFileInfo: { MetaData: { filename: 'b.txt', user: '7' } } } })
  const location = locationOf(await place.create({ 'Upload-Metadata': `filename ${base64('a.png')}` }))
  const head = await tus.head(place.server, location)
  assert.is(head.headers['upload-metadata'], `filename ${base64('b.txt')},user ${base64('7')}`)
  const { text } = await send(place.server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  assert.is(JSON.parse(text).filename, 'b.txt')
})

test('pre-create with MetaData {} removes all metadata, and without MetaData keeps it', async () => {
  const metadata = { 'Upload-Metadata': `filename ${base64('a.png')}` }
  place.answerTo('pre-create', { json: { ChangeFileInfo: { MetaData: {} } } })
  const without = await tus.head(place.server, locationOf(await place.create(metadata)))
  assert.is(without.headers['upload-metadata'], undefined)
  place.answerTo('pre-create', { json: { ChangeFileInfo: {} } })
  const kept = await tus.head(place.server, locationOf(await place.create(metadata)))
  assert.is(kept.headers['upload-metadata'], metadata['Upload-Metadata'])
})

test('pre-create may name the id, which gets the day before it; one that exists is 409 and stays as it was', async () => {
  place.answerTo('pre-create', { json: { ChangeFileInfo: { ID: 'order-17' } } })
  const location = locationOf(await place.create())
  assert.match(idOf(location), /^\d{8}-order-17$/)
  assert.is((await tus.patch(place.server, location, 0, 'hel')).status, 204)
  const again = await place.create()
  assert.is(again.status, 409)
  assert.match(again.text, /^upload_exists: /)
  assert.is((await tus.head(place.server, location)).headers['upload-offset'], '3')
  assert.is((await tus.patch(place.server, location, 3, 'lo')).status, 204)
  assert.is((await send(place.server.origin, { method: 'GET', path: location })).text, 'hello')
})

test('an id that could be a path is refused', async () => {
  for (const ID of ['../../x', 'a/b', 'a.json', 'a'.repeat(65), 'ä']) {
    place.answerTo('pre-create', { json: { ChangeFileInfo: { ID } } })
    const answer = await place.create()
    assert.is(answer.status, 500, ID)
    assert.match(answer.text, /^hook_failed: /)
  }
})

test('pre-create may say when the upload expires', async () => {
  place.answerTo('pre-create', { json: { Lading: { ExpireAfterMs: 600_000 } } })
  const location = locationOf(await place.create())
  const expires = Date.parse(String((await tus.head(place.server, location)).headers['upload-expires']))
  assert.ok(Math.abs(expires - Date.now() - 600_000) < 60_000, String(expires))
})

test('pre-create cannot keep an upload for longer than a date can say', async () => {
  place.answerTo('pre-create', { json: { Lading: { ExpireAfterMs: Number.MAX_SAFE_INTEGER } } })
  assert.is((await place.create()).status, 500)
})

test('pre-create may add to the 201; what frames an answer or moves an offset is left out', async () => {
  const Header = {
    'X-Token': 'abc',
    'Content-Length': '999',
    'Upload-Offset': '4',
    'X-Bad': 'a\r\nSet-Cookie: b=c',
    'X Y': '1',
  }
  place.answerTo('pre-create', { json: { HTTPResponse: { Header } } })
  const answer = await tus.create(place.server, 5, { 'Content-Type': 'application/offset+octet-stream' })
  assert.is(answer.status, 201)
  assert.is(answer.headers['x-token'], 'abc')
  assert.is(answer.headers['content-length'], '0')
  assert.is(answer.headers['upload-offset'], '0')
  assert.is(answer.headers['set-cookie'], undefined)
  assert.is(answer.headers['x-bad'], undefined)
})

test("tusd's own example sends Headers for Header: both count", async () => {
  place.answerTo('pre-create', { json: { HTTPResponse: { Headers: { 'X-Token': 'abc' } } } })
  assert.is((await place.create()).headers['x-token'], 'abc')
})

test("a receiver's 4xx on a pre-* hook reaches the client as that status", async () => {
  for (const status of [400, 401, 403, 413, 429]) {
    place.answerTo('pre-create', { status, text: 'no', headers: { 'Retry-After': '7' } })
    const answer = await place.create()
    assert.is(answer.status, status)
    assert.match(answer.text, /^hook_failed: /)
    assert.is(answer.headers['retry-after'], '7')
  }
})

const FAILURES: Readonly<Record<string, HookReply>> = {
  'a 500': { status: 500 },
  'a redirect, which is not followed': { status: 307, headers: { Location: '/elsewhere' } },
  'no JSON': { text: 'yes' },
  'another type than JSON': { text: 'yes', headers: { 'Content-Type': 'text/html' } },
  'JSON of another form': { json: { RejectUpload: 'yes' } },
  'an answer over 5 KiB': { json: { HTTPResponse: { Body: 'a'.repeat(6_000) } } },
}

for (const [name, reply] of Object.entries(FAILURES)) {
  test(`${name} is a failure of the hook: 500 with a code word, and nothing is stored`, async () => {
    place.answerTo('pre-create', reply)
    const answer = await place.create()
    assert.is(answer.status, 500)
    assert.match(answer.text, /^hook_failed: /)
    assert.is(place.receiver.of('pre-create').length, 1)
  })
}

test('a receiver that answers 2xx without a body accepts', async () => {
  place.answerTo('pre-create', { status: 204, text: '' })
  assert.is((await place.create()).status, 201)
})

test('a deciding hook has a time-out, and --hooks-on-failure says what happens when one fails', async () => {
  const refusing = await place.serverWith('pre-create', ['--hooks-http-timeout', '300ms'])
  const accepting = await place.serverWith('pre-create', [
    '--hooks-http-timeout',
    '300ms',
    '--hooks-on-failure',
    'accept',
  ])
  place.answerTo('pre-create', { hang: true })
  assert.is((await place.create({}, refusing)).status, 500)
  assert.is((await place.create({}, accepting)).status, 201)
  place.answerTo('pre-create', { json: { RejectUpload: true } })
  assert.is((await place.create({}, accepting)).status, 400, 'a refusal is no failure')
})

test('a hook is asked again where the receiver fails, as often as --hooks-http-retry says', async () => {
  const retrying = await startServer([
    ...['--hooks-http', place.receiver.url, '--hooks-enabled-events', 'pre-create'],
    ...['--hooks-http-retry', '2', '--hooks-http-backoff', '10ms'],
  ])
  let asked = 0
  place.receiver.reply = () => {
    asked += 1
    return asked < 3 ? { status: 502 } : {}
  }
  assert.is((await place.create({}, retrying)).status, 201)
  assert.is(asked, 3)
  place.receiver.reply = () => ({ status: 500 })
  place.receiver.hooks.length = 0
  assert.is((await place.create({}, retrying)).status, 500)
  assert.is(place.receiver.of('pre-create').length, 3)
})

test('--hooks-http-pass-4xx off: a 4xx of the receiver is a failure', async () => {
  const strict = await place.serverWith('pre-create', ['--no-hooks-http-pass-4xx'])
  place.answerTo('pre-create', { status: 403 })
  assert.is((await place.create({}, strict)).status, 500)
})

test('--hooks-http-forward-headers: named headers of the client are headers of the hook, none of its own is replaced', async () => {
  const forwarding = await place.serverWith('pre-create', [
    '--hooks-http-forward-headers',
    'X-User,Content-Type,Host',
  ])
  await place.create({ 'X-User': 'ann', 'X-Other': 'no', 'Content-Type': 'text/plain' }, forwarding)
  const { headers } = place.receiver.of('pre-create').at(-1) ?? {}
  assert.equal([headers?.['x-user'], headers?.['x-other']], ['ann', undefined])
  assert.is(headers?.['content-type'], 'application/json')
  assert.is(headers?.host, new URL(place.receiver.url).host)
})

test('--id-form hex: ids satisfy a receiver that insists on ^[a-f0-9]+$', async () => {
  const hex = await place.serverWith('pre-finish', ['--id-form', 'hex'])
  const location = await place.upload(hex)
  assert.match(idOf(location), /^\d{8}[a-f0-9]{32}$/)
  assert.is((await tus.patch(hex, location, 0, 'hello')).status, 204)
  assert.match(place.lastOf('pre-finish').Event.Upload.ID, /^[a-f0-9]+$/)
  assert.ok(existsSync(fileOf(hex, idOf(location))))
})

test.run()
