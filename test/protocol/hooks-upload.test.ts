import { existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HooksPlace } from '../helpers/hooks-place.js'
import { eventually, fileOf, idOf, send, type TestAnswer, tus } from '../helpers/server.js'
import { killServers } from '../helpers/servers.js'
import { unknownId } from '../helpers/wire.js'

const test = suite('hooks, of an upload')

let place: HooksPlace

test.before(async () => {
  place = await HooksPlace.start()
})
test.before.each(() => place.receiver.clear())
test.after(async () => {
  await killServers()
  place.receiver.close()
})

test('pre-accept gets the first bytes, and may refuse the upload: nothing of it stays', async () => {
  const location = await place.upload()
  place.answerTo('pre-accept', { json: { RejectUpload: true, HTTPResponse: { StatusCode: 415 } } })
  const answer = await tus.patch(place.server, location, 0, 'hello')
  assert.is(answer.status, 415)
  assert.is(Buffer.from(place.lastOf('pre-accept').Lading.FirstBytes ?? '', 'base64').toString(), 'hello')
  assert.is((await tus.head(place.server, location)).status, 404)
  assert.not.ok(existsSync(fileOf(place.server, idOf(location))))
  assert.is(await place.stateOf(location), 'refused')
})

test('pre-accept may name another type, which the download has', async () => {
  const location = await place.upload()
  place.answerTo('pre-accept', { json: { Lading: { Type: 'text/x-special' } } })
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 204)
  const file = await send(place.server.origin, { method: 'GET', path: location })
  assert.match(String(file.headers['content-type']), 'text/x-special')
})

test('pre-accept that fails keeps the upload, and is asked again for the next request', async () => {
  const location = await place.upload()
  place.answerTo('pre-accept', { status: 503 })
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 500)
  place.receiver.clear()
  assert.is((await tus.head(place.server, location)).headers['upload-offset'], '0')
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 204)
  assert.is(place.receiver.of('pre-accept').length, 1)
})

test('pre-finish knows the digest and the complete file, and may add headers and a body to the last answer', async () => {
  const location = await place.upload()
  place.answerTo('pre-finish', { json: { HTTPResponse: { Body: '{"id":7}', Header: { 'X-Id': '7' } } } })
  const answer = await tus.patch(place.server, location, 0, 'hello')
  assert.equal([answer.status, answer.text, answer.headers['x-id']], [200, '{"id":7}', '7'])
  assert.is(answer.headers['upload-offset'], '5')
  const { Event, Lading } = place.lastOf('pre-finish')
  assert.is(Lading.SHA256, '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
  assert.equal([Event.Upload.Offset, Event.Upload.ID], [5, idOf(location)])
  assert.is(Event.Upload.Storage?.Type, 'filestore')
  assert.ok(existsSync(Event.Upload.Storage?.Path ?? ''))
})

test('"a client must never see a refused file as finished": pre-finish removes what it refuses', async () => {
  const location = await place.upload()
  place.answerTo('pre-finish', {
    json: { RejectUpload: true, HTTPResponse: { StatusCode: 422, Body: 'infected' } },
  })
  const answer = await tus.patch(place.server, location, 0, 'hello')
  assert.equal([answer.status, answer.text], [422, 'infected'])
  assert.is((await tus.head(place.server, location)).status, 404)
  assert.is((await send(place.server.origin, { method: 'GET', path: location })).status, 404)
  assert.is(await place.stateOf(location), 'refused')
})

test('pre-finish that fails, or answers 4xx, keeps the bytes: the next request finishes the upload', async () => {
  for (const status of [500, 404]) {
    const location = await place.upload()
    place.answerTo('pre-finish', { status })
    assert.is((await tus.patch(place.server, location, 0, 'hello')).status, status)
    assert.is((await send(place.server.origin, { method: 'GET', path: location })).status, 404)
    place.receiver.clear()
    assert.is((await tus.head(place.server, location)).headers['upload-offset'], '5')
    assert.is(await place.stateOf(location), 'finished')
    assert.is((await send(place.server.origin, { method: 'GET', path: location })).text, 'hello')
  }
})

test('a PATCH without bytes that is sent after pre-finish failed has what the hook adds to the last answer', async () => {
  const location = await place.upload()
  place.answerTo('pre-finish', { status: 500 })
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 500)
  place.answerTo('pre-finish', {
    json: { HTTPResponse: { Header: { 'X-File': '17' }, Body: 'It is file 17' } },
  })
  const { status, headers, text } = await tus.patch(place.server, location, 5, '')
  assert.equal([status, headers['x-file'], text], [200, '17', 'It is file 17'])
  assert.is(headers['upload-offset'], '5')
})

test('pre-finish is asked about an upload of no bytes too', async () => {
  place.answerTo('pre-finish', { json: { RejectUpload: true } })
  assert.is((await tus.create(place.server, 0)).status, 400)
  assert.is(place.receiver.of('pre-finish').length, 1)
})

test('pre-terminate may refuse a DELETE, and the upload goes on', async () => {
  const location = await place.upload()
  place.answerTo('pre-terminate', { json: { RejectTermination: true } })
  const answer = await tus.remove(place.server, location)
  assert.is(answer.status, 400)
  assert.match(answer.text, /^termination_rejected: /)
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 204)
  place.receiver.clear()
  assert.is((await tus.remove(place.server, location)).status, 204)
})

const ROUTES: Readonly<Record<string, (location: string) => Promise<TestAnswer>>> = {
  HEAD: (location) => tus.head(place.server, location),
  PATCH: (location) => tus.patch(place.server, location, 3, 'lo'),
  DELETE: (location) => tus.remove(place.server, location),
  'GET of a download': (location) => send(place.server.origin, { method: 'GET', path: location }),
  'GET of the record': (location) =>
    send(place.server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` }),
}

for (const [name, ask] of Object.entries(ROUTES)) {
  test(`pre-access is asked for every request to an upload: ${name}`, async () => {
    const location = await place.upload()
    await tus.patch(place.server, location, 0, 'hel')
    place.receiver.clear()
    place.answerTo('pre-access', { json: { RejectAccess: true } })
    const answer = await ask(location)
    assert.is(answer.status, 403)
    if (name !== 'HEAD') assert.match(answer.text, /^access_rejected: /)
    const { Event } = place.lastOf('pre-access')
    assert.is(Event.Upload.ID, idOf(location))
    assert.is(Event.HTTPRequest.Method, name.split(' ')[0])
    place.receiver.clear()
    assert.is((await tus.head(place.server, location)).headers['upload-offset'], '3')
  })
}

test('pre-access is not asked about an upload that is not there', async () => {
  assert.is((await tus.head(place.server, `/files/${unknownId()}`)).status, 404)
  assert.is(place.receiver.of('pre-access').length, 0)
})

test('pre-access gets the method that counts: X-HTTP-Method-Override names it', async () => {
  const location = await place.upload()
  const headers = { 'X-HTTP-Method-Override': 'DELETE', 'Tus-Resumable': '1.0.0' }
  const answer = await send(place.server.origin, { method: 'POST', path: location, headers })
  assert.is(answer.status, 204)
  assert.is(place.lastOf('pre-access').Event.HTTPRequest.Method, 'DELETE')
})

test('a HEAD that a receiver answers with 4xx is 423: a wrong address of the receiver costs no client its bytes', async () => {
  const location = await place.upload()
  place.answerTo('pre-access', { status: 404 })
  assert.is((await tus.head(place.server, location)).status, 423)
  place.answerTo('pre-finish', { status: 404 })
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 404)
  assert.is((await tus.head(place.server, location)).status, 423)
  place.receiver.clear()
  assert.is((await tus.head(place.server, location)).headers['upload-offset'], '5')
})

test('RejectTermination counts in pre-terminate alone, as in tusd', async () => {
  place.receiver.reply = () => ({ json: { RejectTermination: true } })
  const location = await place.upload()
  assert.is((await tus.patch(place.server, location, 0, 'hello')).status, 204)
  assert.is((await tus.remove(place.server, location)).status, 400)
})

test('a creation that names the id of an upload does not end the request that sends its bytes', async () => {
  place.answerTo('pre-create', { json: { ChangeFileInfo: { ID: 'order-18' } } })
  const location = await place.upload()
  place.receiver.reply = ({ type }) => (type === 'pre-accept' ? { hang: true } : {})
  const sending = tus.patch(place.server, location, 0, 'hello')
  sending.catch(() => {})
  await eventually(60_000, 'the hook of the first bytes', async () => {
    return place.receiver.of('pre-accept').length > 0 || undefined
  })
  place.answerTo('pre-create', { json: { ChangeFileInfo: { ID: 'order-18' } } })
  // It does not wait for the upload's lock either.
  assert.match((await place.create()).text, /^upload_exists: /)
})

test('a HEAD whose hook cannot be asked is 423: a client that sees 500 would begin again at byte 0', async () => {
  const location = await place.upload()
  place.answerTo('pre-access', { status: 500 })
  assert.is((await tus.head(place.server, location)).status, 423)
})

test.run()
