import { existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type HookReply, Receiver, type TusdHook } from '../helpers/receiver.js'
import {
  eventually,
  fileOf,
  idOf,
  locationOf,
  send,
  type TestAnswer,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { base64, unknownId } from '../helpers/wire.js'

const test = suite('hooks that decide')

const DECIDING = 'pre-access,pre-create,pre-accept,pre-finish,pre-terminate'

let receiver: Receiver
let server: TestServer

/** Starts a server that asks the receiver for these events. */
function serverWith(events: string, flags: readonly string[] = []): Promise<TestServer> {
  return startServer([
    '--hooks-http',
    receiver.url,
    '--hooks-enabled-events',
    events,
    '--hooks-http-retry',
    '0',
    ...flags,
  ])
}

/** What the receiver answers to one event. */
function answerTo(type: string, reply: HookReply): void {
  receiver.reply = (hook) => (hook.type === type ? reply : {})
}

const create = (headers: Record<string, string> = {}, on = server) => tus.create(on, 5, headers)
const upload = async (on = server): Promise<string> => locationOf(await create({}, on))
const stateOf = async (location: string, on = server): Promise<string> => {
  const { text } = await send(on.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  return JSON.parse(text).state
}
function lastOf(type: string): TusdHook {
  const hook = receiver.of(type).at(-1)
  if (!hook) throw new Error(`no ${type} came`)
  return hook.json
}

test.before(async () => {
  receiver = await Receiver.start()
  server = await serverWith(DECIDING)
})
test.before.each(() => receiver.clear())
test.after(async () => {
  await killServers()
  receiver.close()
})

test('pre-create gets the upload as it will be, in the JSON of tusd', async () => {
  await create({ 'Upload-Metadata': `filename ${base64('a.png')},empty`, 'X-Own': 'yes' })
  const { Type, Event } = lastOf('pre-create')
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
  assert.equal(Event.HTTPRequest.Header.Host, [new URL(server.origin).host])
})

test('pre-create of an upload whose length is deferred has Size 0 and SizeIsDeferred', async () => {
  await tus.create(server, null)
  const { Upload } = lastOf('pre-create').Event
  assert.equal([Upload.Size, Upload.SizeIsDeferred], [0, true])
})

test('pre-create of a final upload names its parts', async () => {
  const parts = await Promise.all([1, 2].map(() => tus.create(server, 5, { 'Upload-Concat': 'partial' })))
  const paths = parts.map((answer) => new URL(locationOf(answer)).pathname)
  await eventually(30_000, 'the end of the first sweep', async () => {
    return (await tus.join(server, paths)).status === 201 || undefined
  })
  const { Upload } = lastOf('pre-create').Event
  assert.equal(Upload.PartialUploads, paths.map(idOf))
  assert.equal([Upload.IsPartial, Upload.IsFinal], [false, true])
})

test('pre-create may refuse with status, text and headers, and nothing is stored', async () => {
  const said = {
    StatusCode: 422,
    Body: '{"error":"quota"}',
    Header: { 'Content-Type': 'application/json', 'X-Quota': '5' },
  }
  answerTo('pre-create', { json: { RejectUpload: true, HTTPResponse: said } })
  const answer = await create()
  assert.equal([answer.status, answer.text], [422, '{"error":"quota"}'])
  assert.equal([answer.headers['content-type'], answer.headers['x-quota']], ['application/json', '5'])
  assert.is(answer.headers.location, undefined)
  assert.is(answer.headers['tus-resumable'], '1.0.0')
})

test('a refusal without a status is 400 with a code word', async () => {
  answerTo('pre-create', { json: { RejectUpload: true } })
  const answer = await create()
  assert.is(answer.status, 400)
  assert.match(answer.text, /^upload_rejected: /)
})

test('pre-create may change metadata: HEAD, the name and the record have what it says', async () => {
  answerTo('pre-create', { json: { ChangeFileInfo: { MetaData: { filename: 'b.txt', user: '7' } } } })
  const location = locationOf(await create({ 'Upload-Metadata': `filename ${base64('a.png')}` }))
  const head = await tus.head(server, location)
  assert.is(head.headers['upload-metadata'], `filename ${base64('b.txt')},user ${base64('7')}`)
  const { text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  assert.is(JSON.parse(text).filename, 'b.txt')
})

test('pre-create with MetaData {} removes all metadata, and without MetaData keeps it', async () => {
  const metadata = { 'Upload-Metadata': `filename ${base64('a.png')}` }
  answerTo('pre-create', { json: { ChangeFileInfo: { MetaData: {} } } })
  const without = await tus.head(server, locationOf(await create(metadata)))
  assert.is(without.headers['upload-metadata'], undefined)
  answerTo('pre-create', { json: { ChangeFileInfo: {} } })
  const kept = await tus.head(server, locationOf(await create(metadata)))
  assert.is(kept.headers['upload-metadata'], metadata['Upload-Metadata'])
})

test('pre-create may name the id, which gets the day before it; one that exists is 409 and stays as it was', async () => {
  answerTo('pre-create', { json: { ChangeFileInfo: { ID: 'order-17' } } })
  const location = locationOf(await create())
  assert.match(idOf(location), /^\d{8}-order-17$/)
  assert.is((await tus.patch(server, location, 0, 'hel')).status, 204)
  const again = await create()
  assert.is(again.status, 409)
  assert.match(again.text, /^upload_exists: /)
  assert.is((await tus.head(server, location)).headers['upload-offset'], '3')
  assert.is((await tus.patch(server, location, 3, 'lo')).status, 204)
  assert.is((await send(server.origin, { method: 'GET', path: location })).text, 'hello')
})

test('an id that could be a path is refused', async () => {
  for (const ID of ['../../x', 'a/b', 'a.json', 'a'.repeat(65), 'ä']) {
    answerTo('pre-create', { json: { ChangeFileInfo: { ID } } })
    const answer = await create()
    assert.is(answer.status, 500, ID)
    assert.match(answer.text, /^hook_failed: /)
  }
})

test('pre-create may say when the upload expires', async () => {
  answerTo('pre-create', { json: { Lading: { ExpireAfterMs: 600_000 } } })
  const location = locationOf(await create())
  const expires = Date.parse(String((await tus.head(server, location)).headers['upload-expires']))
  assert.ok(Math.abs(expires - Date.now() - 600_000) < 60_000, String(expires))
})

test('pre-create may add to the 201; what frames an answer or moves an offset is left out', async () => {
  const Header = {
    'X-Token': 'abc',
    'Content-Length': '999',
    'Upload-Offset': '4',
    'X-Bad': 'a\r\nSet-Cookie: b=c',
    'X Y': '1',
  }
  answerTo('pre-create', { json: { HTTPResponse: { Header } } })
  const answer = await tus.create(server, 5, { 'Content-Type': 'application/offset+octet-stream' })
  assert.is(answer.status, 201)
  assert.is(answer.headers['x-token'], 'abc')
  assert.is(answer.headers['content-length'], '0')
  assert.is(answer.headers['upload-offset'], '0')
  assert.is(answer.headers['set-cookie'], undefined)
  assert.is(answer.headers['x-bad'], undefined)
})

test("tusd's own example sends Headers for Header: both count", async () => {
  answerTo('pre-create', { json: { HTTPResponse: { Headers: { 'X-Token': 'abc' } } } })
  assert.is((await create()).headers['x-token'], 'abc')
})

test("a receiver's 4xx on a pre-* hook reaches the client as that status", async () => {
  for (const status of [400, 401, 403, 413, 429]) {
    answerTo('pre-create', { status, text: 'no', headers: { 'Retry-After': '7' } })
    const answer = await create()
    assert.is(answer.status, status)
    assert.match(answer.text, /^hook_failed: /)
    assert.is(answer.headers['retry-after'], '7')
  }
})

const FAILURES: Readonly<Record<string, HookReply>> = {
  'a 500': { status: 500 },
  'a redirect, which is not followed': { status: 302, headers: { Location: 'http://127.0.0.1:1/' } },
  'no JSON': { text: 'yes' },
  'another type than JSON': { text: 'yes', headers: { 'Content-Type': 'text/html' } },
  'JSON of another form': { json: { RejectUpload: 'yes' } },
  'an answer over 5 KiB': { json: { HTTPResponse: { Body: 'a'.repeat(6_000) } } },
  'metadata over 8 KiB': { text: '' },
}

for (const [name, reply] of Object.entries(FAILURES)) {
  if (name.startsWith('metadata')) continue
  test(`${name} is a failure of the hook: 500 with a code word, and nothing is stored`, async () => {
    answerTo('pre-create', reply)
    const answer = await create()
    assert.is(answer.status, 500)
    assert.match(answer.text, /^hook_failed: /)
    assert.is(receiver.of('pre-create').length, 1)
  })
}

test('a receiver that answers 2xx without a body accepts', async () => {
  answerTo('pre-create', { status: 204, text: '' })
  assert.is((await create()).status, 201)
})

test('pre-accept gets the first bytes, and may refuse the upload: nothing of it stays', async () => {
  const location = await upload()
  answerTo('pre-accept', { json: { RejectUpload: true, HTTPResponse: { StatusCode: 415 } } })
  const answer = await tus.patch(server, location, 0, 'hello')
  assert.is(answer.status, 415)
  assert.is(Buffer.from(lastOf('pre-accept').Lading.FirstBytes ?? '', 'base64').toString(), 'hello')
  assert.is((await tus.head(server, location)).status, 404)
  assert.not.ok(existsSync(fileOf(server, idOf(location))))
  assert.is(await stateOf(location), 'refused')
})

test('pre-accept may name another type, which the download has', async () => {
  const location = await upload()
  answerTo('pre-accept', { json: { Lading: { Type: 'text/x-special' } } })
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 204)
  const file = await send(server.origin, { method: 'GET', path: location })
  assert.match(String(file.headers['content-type']), 'text/x-special')
})

test('pre-accept that fails keeps the upload, and is asked again for the next request', async () => {
  const location = await upload()
  answerTo('pre-accept', { status: 503 })
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 500)
  receiver.clear()
  assert.is((await tus.head(server, location)).headers['upload-offset'], '0')
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 204)
  assert.is(receiver.of('pre-accept').length, 1)
})

test('pre-finish knows the digest and the complete file, and may add headers and a body to the last answer', async () => {
  const location = await upload()
  answerTo('pre-finish', { json: { HTTPResponse: { Body: '{"id":7}', Header: { 'X-Id': '7' } } } })
  const answer = await tus.patch(server, location, 0, 'hello')
  assert.equal([answer.status, answer.text, answer.headers['x-id']], [200, '{"id":7}', '7'])
  assert.is(answer.headers['upload-offset'], '5')
  const { Event, Lading } = lastOf('pre-finish')
  assert.is(Lading.SHA256, '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
  assert.equal([Event.Upload.Offset, Event.Upload.ID], [5, idOf(location)])
  assert.is(Event.Upload.Storage?.Type, 'filestore')
  assert.ok(existsSync(Event.Upload.Storage?.Path ?? ''))
})

test('"a client must never see a refused file as finished": pre-finish removes what it refuses', async () => {
  const location = await upload()
  answerTo('pre-finish', {
    json: { RejectUpload: true, HTTPResponse: { StatusCode: 422, Body: 'infected' } },
  })
  const answer = await tus.patch(server, location, 0, 'hello')
  assert.equal([answer.status, answer.text], [422, 'infected'])
  assert.is((await tus.head(server, location)).status, 404)
  assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  assert.is(await stateOf(location), 'refused')
})

test('pre-finish that fails, or answers 4xx, keeps the bytes: the next request finishes the upload', async () => {
  for (const status of [500, 404]) {
    const location = await upload()
    answerTo('pre-finish', { status })
    assert.is((await tus.patch(server, location, 0, 'hello')).status, status)
    assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
    receiver.clear()
    assert.is((await tus.head(server, location)).headers['upload-offset'], '5')
    assert.is(await stateOf(location), 'finished')
    assert.is((await send(server.origin, { method: 'GET', path: location })).text, 'hello')
  }
})

test('pre-finish is asked about an upload of no bytes too', async () => {
  answerTo('pre-finish', { json: { RejectUpload: true } })
  assert.is((await tus.create(server, 0)).status, 400)
  assert.is(receiver.of('pre-finish').length, 1)
})

test('pre-terminate may refuse a DELETE, and the upload goes on', async () => {
  const location = await upload()
  answerTo('pre-terminate', { json: { RejectTermination: true } })
  const answer = await tus.remove(server, location)
  assert.is(answer.status, 400)
  assert.match(answer.text, /^termination_rejected: /)
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 204)
  receiver.clear()
  assert.is((await tus.remove(server, location)).status, 204)
})

const ROUTES: Readonly<Record<string, (location: string) => Promise<TestAnswer>>> = {
  HEAD: (location) => tus.head(server, location),
  PATCH: (location) => tus.patch(server, location, 3, 'lo'),
  DELETE: (location) => tus.remove(server, location),
  'GET of a download': (location) => send(server.origin, { method: 'GET', path: location }),
  'GET of the record': (location) =>
    send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` }),
}

for (const [name, ask] of Object.entries(ROUTES)) {
  test(`pre-access is asked for every request to an upload: ${name}`, async () => {
    const location = await upload()
    await tus.patch(server, location, 0, 'hel')
    receiver.clear()
    answerTo('pre-access', { json: { RejectAccess: true } })
    assert.is((await ask(location)).status, 403)
    const { Event } = lastOf('pre-access')
    assert.is(Event.Upload.ID, idOf(location))
    assert.is(Event.HTTPRequest.Method, name.split(' ')[0])
    receiver.clear()
    assert.is((await tus.head(server, location)).headers['upload-offset'], '3')
  })
}

test('pre-access is not asked about an upload that is not there', async () => {
  assert.is((await tus.head(server, `/files/${unknownId()}`)).status, 404)
  assert.is(receiver.of('pre-access').length, 0)
})

test('a HEAD whose hook cannot be asked is 423: a client that sees 500 would begin again at byte 0', async () => {
  const location = await upload()
  answerTo('pre-access', { status: 500 })
  assert.is((await tus.head(server, location)).status, 423)
})

test('a deciding hook has a time-out, and --hooks-on-failure says what happens when one fails', async () => {
  const refusing = await serverWith('pre-create', ['--hooks-http-timeout', '300ms'])
  const accepting = await serverWith('pre-create', [
    '--hooks-http-timeout',
    '300ms',
    '--hooks-on-failure',
    'accept',
  ])
  answerTo('pre-create', { hang: true })
  assert.is((await create({}, refusing)).status, 500)
  assert.is((await create({}, accepting)).status, 201)
  answerTo('pre-create', { json: { RejectUpload: true } })
  assert.is((await create({}, accepting)).status, 400, 'a refusal is no failure')
})

test('a hook is asked again where the receiver fails, as often as --hooks-http-retry says', async () => {
  const retrying = await startServer([
    ...['--hooks-http', receiver.url, '--hooks-enabled-events', 'pre-create'],
    ...['--hooks-http-retry', '2', '--hooks-http-backoff', '10ms'],
  ])
  let asked = 0
  receiver.reply = () => {
    asked += 1
    return asked < 3 ? { status: 502 } : {}
  }
  assert.is((await create({}, retrying)).status, 201)
  assert.is(asked, 3)
  receiver.reply = () => ({ status: 500 })
  receiver.hooks.length = 0
  assert.is((await create({}, retrying)).status, 500)
  assert.is(receiver.of('pre-create').length, 3)
})

test('--hooks-http-pass-4xx off: a 4xx of the receiver is a failure', async () => {
  const strict = await serverWith('pre-create', ['--no-hooks-http-pass-4xx'])
  answerTo('pre-create', { status: 403 })
  assert.is((await create({}, strict)).status, 500)
})

test('--hooks-http-forward-headers: named headers of the client are headers of the hook, none of its own is replaced', async () => {
  const forwarding = await serverWith('pre-create', [
    '--hooks-http-forward-headers',
    'X-User,Content-Type,Host',
  ])
  await create({ 'X-User': 'ann', 'X-Other': 'no', 'Content-Type': 'text/plain' }, forwarding)
  const { headers } = receiver.of('pre-create').at(-1) ?? {}
  assert.equal([headers?.['x-user'], headers?.['x-other']], ['ann', undefined])
  assert.is(headers?.['content-type'], 'application/json')
  assert.is(headers?.host, new URL(receiver.url).host)
})

test('--id-form hex: ids satisfy a receiver that insists on ^[a-f0-9]+$', async () => {
  const hex = await serverWith('pre-finish', ['--id-form', 'hex'])
  const location = await upload(hex)
  assert.match(idOf(location), /^\d{8}[a-f0-9]{32}$/)
  assert.is((await tus.patch(hex, location, 0, 'hello')).status, 204)
  assert.match(lastOf('pre-finish').Event.Upload.ID, /^[a-f0-9]+$/)
  assert.ok(existsSync(fileOf(hex, idOf(location))))
})

test.run()
