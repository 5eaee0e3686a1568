import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn } from '../helpers/health.js'
import { locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { exchange, OFFSET_TYPE, patchHeaders, unknownId } from '../helpers/wire.js'

const server = serverFor(test, ['--idle-timeout', '2s'])

const pathOf = (location: string): string => new URL(location).pathname
const OVERRIDE = { 'Tus-Resumable': '1.0.0' }

test('X-HTTP-Method-Override names the method that counts, for PATCH, HEAD and DELETE', async () => {
  const location = locationOf(await tus.create(server, 4))
  const as = (method: string, headers: Record<string, string | number> = {}, body = '') =>
    send(server.origin, {
      method: 'POST',
      path: location,
      headers: { ...OVERRIDE, 'X-HTTP-Method-Override': method, ...headers },
      body,
    })
  const patched = await as('PATCH', { 'Upload-Offset': 0, 'Content-Type': OFFSET_TYPE }, 'ab')
  assert.is(patched.status, 204)
  assert.is(patched.headers['upload-offset'], '2')
  const seen = await as('HEAD')
  assert.is(seen.status, 200)
  assert.is(seen.headers['upload-offset'], '2')
  assert.is((await as('delete')).status, 204)
  assert.is((await tus.head(server, location)).status, 404)
})

test('POST with X-HTTP-Method-Override at the creation URL never creates an upload', async () => {
  const before = filesIn(server)
  for (const method of ['PATCH', 'HEAD', 'DELETE', 'GET', 'PUT', 'patch', 'POST, PATCH', 'PATCH, POST']) {
    const answer = await tus.create(server, 3, { 'X-HTTP-Method-Override': method })
    assert.is(answer.status, 405, method)
    assert.is(answer.headers.location, undefined)
  }
  assert.equal(filesIn(server), before)
})

test('the actual method is ignored, also where it is OPTIONS, GET or HEAD', async () => {
  const location = locationOf(await tus.create(server, 4))
  const path = pathOf(location)
  const before = filesIn(server)
  for (const actual of ['OPTIONS', 'GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'MKCOL']) {
    for (const at of [path, '/files', `/files/${unknownId()}`, '/files/nothing']) {
      const options = await exchange(server, `${actual} ${at}`, ['X-HTTP-Method-Override: OPTIONS'])
      assert.equal([options.status, options.headers.get('tus-version')], [204, '1.0.0'], `${actual} ${at}`)
    }
    const head = await exchange(server, `${actual} ${path}`, ['X-HTTP-Method-Override: HEAD'])
    assert.equal([head.status, head.text], [200, ''], actual)
    const unknown = await exchange(server, `${actual} /files/nothing`, ['X-HTTP-Method-Override: GET'])
    assert.is(unknown.status, 404, actual)
  }
  assert.equal(filesIn(server), before)
  for (const [offset, actual] of ['OPTIONS', 'GET', 'HEAD'].entries()) {
    const headers = [...patchHeaders(offset, 1), 'X-HTTP-Method-Override: PATCH']
    const answer = await exchange(server, `${actual} ${path}`, headers, 'a')
    assert.equal([answer.status, answer.headers.get('upload-offset')], [204, `${offset + 1}`], actual)
  }
  const lines = ['Tus-Resumable: 1.0.0', 'Upload-Length: 3', 'X-HTTP-Method-Override: POST']
  assert.is((await exchange(server, 'OPTIONS /files', lines)).status, 201)
  const removal = ['Tus-Resumable: 1.0.0', 'X-HTTP-Method-Override: DELETE']
  assert.is((await exchange(server, `OPTIONS ${path}`, removal)).status, 204)
  assert.is((await tus.head(server, location)).status, 404)
})

test.run()
