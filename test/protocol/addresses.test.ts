import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { fileOf, idOf, locationOf, send, startServer, type TestServer, tus } from '../helpers/server.js'
import { exchange, offsetOf, patchHeaders, unknownId, VERSION } from '../helpers/wire.js'

/** With its standard settings, and behind a proxy that is trusted. */
let server: TestServer
let proxied: TestServer

test.before(async () => {
  // The page would answer at `/`, where an absolute address with `..` leads.
  server = await startServer(['--no-page'])
  proxied = await startServer(['--behind-proxy', '--base-path', '/up/files'])
})
test.after(async () => {
  await server.stop()
  await proxied.stop()
})

const create = [VERSION, 'Upload-Length: 3', 'Content-Length: 0']

test('a query is not part of the id, nor of the creation URL', async () => {
  const created = await send(server.origin, {
    method: 'POST',
    path: '/files?a=/b&c=..',
    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': 4 },
  })
  const location = locationOf(created)
  assert.match(location, /\/files\/\d{8}-[0-9a-f]{32}$/)
  assert.is((await tus.patch(server, `${location}?token=/x?y`, 0, 'ab')).status, 204)
  assert.is(await offsetOf(server, `${location}?`), 2)
  assert.is((await tus.patch(server, `${location}?#`, 2, 'cd')).status, 204)
  assert.is((await send(server.origin, { method: 'GET', path: `${location}?download=1` })).text, 'abcd')
  assert.is((await send(server.origin, { method: 'GET', path: '/healthz?x' })).status, 200)
  assert.is((await tus.remove(server, `${location}?x=1`)).status, 204)
})

const FORWARDED: readonly (readonly [string, readonly string[], string])[] = [
  ['no header', [], 'http://lading.test'],
  [
    'X-Forwarded-*',
    ['X-Forwarded-Proto: https', 'X-Forwarded-Host: up.example:8443'],
    'https://up.example:8443',
  ],
  ['a list of protocols', ['X-Forwarded-Proto: https,http'], 'https://lading.test'],
  ['a spaced list', ['X-Forwarded-Host: a.example , b.example'], 'http://a.example'],
  ['two headers', ['X-Forwarded-Proto: https', 'X-Forwarded-Proto: http'], 'https://lading.test'],
  ['Forwarded', ['Forwarded: for=1.2.3.4;proto=https;host=f.example'], 'https://f.example'],
  [
    'a list in Forwarded',
    ['Forwarded: host="q.example:81";proto=https, host=b.example;proto=http'],
    'https://q.example:81',
  ],
  ['letter case', ['Forwarded: Proto=HTTPS; Host=c.example'], 'https://c.example'],
  [
    'Forwarded before X-Forwarded-Host',
    ['Forwarded: host=f.example', 'X-Forwarded-Host: x'],
    'http://f.example',
  ],
  ['a port', ['X-Forwarded-Host: up.example', 'X-Forwarded-Port: 8080'], 'http://up.example:8080'],
  [
    'a port, of the own host',
    ['X-Forwarded-Port: 8443', 'X-Forwarded-Proto: https'],
    'https://lading.test:8443',
  ],
  ['a host with a port', ['X-Forwarded-Host: up.example:81', 'X-Forwarded-Port: 82'], 'http://up.example:81'],
  ['the port of http', ['X-Forwarded-Port: 80'], 'http://lading.test'],
  ['the port of https', ['X-Forwarded-Port: 443', 'X-Forwarded-Proto: https'], 'https://lading.test'],
  [
    'the port of another scheme',
    ['X-Forwarded-Port: 80', 'X-Forwarded-Proto: https'],
    'https://lading.test:80',
  ],
  ['a list of ports', ['X-Forwarded-Port: 8080, 80'], 'http://lading.test:8080'],
  ['a port beside IPv6', ['X-Forwarded-Host: [::1]', 'X-Forwarded-Port: 81'], 'http://[::1]:81'],
  ['a port of IPv6', ['X-Forwarded-Host: [::1]:82', 'X-Forwarded-Port: 81'], 'http://[::1]:82'],
  ['a port that is none', ['X-Forwarded-Port: 65536'], 'http://lading.test'],
  ['a port with more behind it', ['X-Forwarded-Port: 80/x'], 'http://lading.test'],
  ['an empty port', ['X-Forwarded-Port:'], 'http://lading.test'],
  ['a scheme that is none', ['X-Forwarded-Proto: javascript'], 'http://lading.test'],
  ['a host that is none', ['X-Forwarded-Host: a/b@c d'], 'http://lading.test'],
]

test('Forwarded and X-Forwarded-* name the Location behind a trusted proxy, lists included', async () => {
  for (const [what, headers, origin] of FORWARDED) {
    const answer = await exchange(proxied, 'POST /up/files', [...create, ...headers])
    assert.is(answer.status, 201, what)
    const location = answer.headers.get('location') ?? ''
    assert.is(location.slice(0, -idOf(location).length), `${origin}/up/files/`, what)
  }
})

test('Forwarded and X-Forwarded-* do not count where no proxy is trusted, lists included', async () => {
  for (const [what, headers] of FORWARDED) {
    const answer = await exchange(server, 'POST /files', [...create, ...headers])
    assert.is(answer.status, 201, what)
    assert.match(answer.headers.get('location') ?? '', /^http:\/\/lading\.test\/files\/\d{8}-/, what)
  }
})

test('under another base path nothing is at /files', async () => {
  const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': 3 }
  assert.is((await send(proxied.origin, { method: 'POST', path: '/files', headers })).status, 404)
  assert.is((await send(proxied.origin, { method: 'POST', path: '/up', headers })).status, 404)
  assert.is((await send(proxied.origin, { method: 'GET', path: '/healthz' })).status, 200)
})

test('HTTP/1.0 without Host is served, with a relative Location', async () => {
  const raw = await RawConnection.open(server.port)
  await raw.write('POST /files HTTP/1.0\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 3\r\n\r\n')
  const answer = await raw.answer()
  assert.is(answer.status, 201)
  const location = answer.headers.get('location') ?? ''
  assert.match(location, /^\/files\/\d{8}-[0-9a-f]{32}$/)
  await raw.closed()
  assert.is(await offsetOf(server, location), 0)
})

test('an absolute-form request target is served as its path', async () => {
  const answer = await exchange(server, 'POST http://other.example:99/files?x=1', create)
  assert.is(answer.status, 201)
  const path = new URL(answer.headers.get('location') ?? '').pathname
  const headers = [...patchHeaders(0, 3)]
  assert.is((await exchange(server, `PATCH https://other.example${path}`, headers, 'abc')).status, 204)
  assert.is((await exchange(server, `GET http://other.example${path}`)).text, 'abc')
  assert.is((await exchange(server, 'GET http://other.example/healthz')).status, 200)
  assert.is((await exchange(server, 'GET http://other.example')).status, 404)
})

const HEX = 'a'.repeat(32)
const STRANGE_IDS = [
  ...['..', '.', '../files', '../../etc/passwd', '..%2f..%2fetc%2fpasswd', '%2e%2e', '%2e%2e%2f%2e%2e'],
  ...['%2fetc%2fpasswd', '/etc/passwd', '//etc/passwd', '\\..\\..\\x', '..%5c..%5cx', '%00', 'a%00b'],
  ...[`20200102-${HEX}%00`, `20200102-${HEX}/`, `20200102-${HEX}/..`, `20200102-${HEX}.json`, '2020/01/02'],
  ...[`20200102-${HEX}%2f..`, `../uploads/2020/01/02/20200102-${HEX}`, `20200102-${HEX.toUpperCase()}`],
  ...[`2020-102-${HEX}`, `20200102-${HEX}a`, `20200102-${HEX.slice(1)}`, '%', '%zz', '%252e%252e', '~', '*'],
  ...['20200102', 'lading.db', '../lading.db', '%2e%2e/lading.db', '%F0%9F%92%A9', 'a'.repeat(10_000)],
  ...['files', 'file', 's', 'constructor', '__proto__', '', '/'],
]

test('ids with .., %2f, %00, absolute paths and other forms that are none get 404 or 405', async () => {
  const id = idOf(locationOf(await tus.create(server, 3)))
  writeFileSync(join(server.dataDir, 'secret'), 'secret')
  const before = filesIn(server)
  for (const strange of [
    ...STRANGE_IDS,
    '../../secret',
    '%2e%2e%2f%2e%2e%2fsecret',
    `${id}.json`,
    `${id}/x`,
  ]) {
    for (const base of ['/files/', 'http://lading.test/files/', '/api/uploads/']) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const headers = method === 'PATCH' ? patchHeaders(0, 3) : [VERSION]
        const answer = await exchange(server, `${method} ${base}${strange}`, headers, 'abc')
        const told = `${method} ${base}${strange.slice(0, 50)} got ${answer.status}`
        assert.ok([400, 404, 405].includes(answer.status), told)
        assert.not.match(answer.text, /secret|root:|SQLite/, told)
      }
    }
  }
  await unharmed(server, before)
})

test('ids of other days that are folders, links to nothing, or name no day get 404 and change nothing', async () => {
  const folder = unknownId('20200102')
  mkdirSync(join(fileOf(server, folder), 'inside'), { recursive: true })
  const model = `${fileOf(server, idOf(locationOf(await tus.create(server, 3))))}.json`
  const sidecar = { ...JSON.parse(readFileSync(model, 'utf8')), id: folder }
  writeFileSync(`${fileOf(server, folder)}.json`, JSON.stringify(sidecar))
  const lone = unknownId('20200103')
  mkdirSync(dirname(fileOf(server, lone)), { recursive: true })
  const before = filesIn(server)
  for (const id of [folder, lone, unknownId('99999999'), unknownId('00000000'), unknownId('20201399')]) {
    const path = `/files/${id}`
    assert.is((await tus.head(server, path)).status, 404, id)
    assert.is((await tus.patch(server, path, 0, 'ab')).status, 404, id)
    assert.is((await tus.remove(server, path)).status, 404, id)
    assert.is((await send(server.origin, { method: 'GET', path })).status, 404, id)
    assert.is((await send(server.origin, { method: 'GET', path: `/api/uploads/${id}` })).status, 404, id)
  }
  await unharmed(server, before)
})

test.run()
