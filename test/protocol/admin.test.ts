import { request as httpRequest } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp, withApp } from '../helpers/app-place.js'
import { RawConnection } from '../helpers/raw.js'
import { askOf } from '../helpers/routes.js'
import { locationOf } from '../helpers/server.js'
import { ADMIN_KEY, AS_ADMIN, as, bearer, SECRET } from '../helpers/tokens.js'

const test = suite('admin')

/** Addresses that are only for the admin, whether or not anything is there yet. */
const ADMINS = [
  '/api/status',
  '/api/uploads',
  '/api/events',
  '/api/grants',
  '/api/deliveries',
  '/metrics',
  '/api/',
]

let keyless: TestApp
let keyed: TestApp

test.before(async () => {
  keyless = await startApp()
  keyed = await startApp({ adminKey: ADMIN_KEY })
})
test.after(async () => {
  await keyless.close()
  await keyed.close()
})

const WRONG: readonly Record<string, string>[] = [
  {},
  bearer(`${ADMIN_KEY}.`),
  bearer(ADMIN_KEY.slice(1)),
  { Authorization: ADMIN_KEY },
  { Authorization: `Basic ${Buffer.from(`:${ADMIN_KEY}`).toString('base64')}` },
]

/** What shows that a request was not made on this machine, although its connection was. */
const PROXIED: readonly Record<string, string>[] = [
  { Forwarded: 'for=203.0.113.9' },
  { 'X-Forwarded-For': '203.0.113.9' },
  { 'X-Forwarded-Proto': 'https' },
  { 'X-Forwarded-Host': 'up.example' },
  { 'X-Real-IP': '203.0.113.9' },
  { 'X-Client-IP': '203.0.113.9' },
  // A tunnel on this machine.
  { 'CF-Connecting-IP': '203.0.113.9' },
  { Via: '1.1 proxy' },
  // A proxy that passes the name on; also a name of a web page that now leads to this machine.
  { Host: 'up.example' },
  // A web page in a browser on this machine.
  { Origin: 'https://evil.example' },
  { Origin: 'null' },
]

/** The first way to be refused at every address, the others at one: refusals are limited in rate. */
const waysAt = <T>(path: string, ways: readonly T[]): readonly T[] =>
  path === '/api/status' ? ways : ways.slice(0, 1)

/** An answer of events has no end. */
const methodAt = (path: string): string => (path === '/api/events' ? 'HEAD' : 'GET')

for (const path of ADMINS) {
  test(`"--admin-key protects /api, /metrics": ${path} asks for it, also on the machine itself`, async () => {
    const ask = askOf(() => keyed.origin)
    for (const headers of waysAt(path, WRONG)) {
      const denied = await ask('GET', path, headers)
      assert.is(denied.status, 401, JSON.stringify(headers))
      assert.match(denied.text, /^admin_key_needed: /)
      assert.is(denied.headers['www-authenticate'], 'Bearer realm="lading"')
    }
    assert.ok([200, 404, 405].includes((await ask(methodAt(path), path, AS_ADMIN)).status))
  })

  test(`"Without it these answer only to loopback": ${path} does not answer to a proxy's request`, async () => {
    const ask = askOf(() => keyless.origin)
    assert.ok([200, 404, 405].includes((await ask(methodAt(path), path, {})).status))
    for (const headers of waysAt(path, PROXIED)) {
      const denied = await ask('GET', path, headers)
      assert.is(denied.status, 403, JSON.stringify(headers))
      assert.match(denied.text, /^admin_only: /)
    }
  })
}

test('a request that nginx passes on by `proxy_pass` alone does not count as made on this machine', async () => {
  const ask = async (version: string): Promise<number> => {
    const raw = await RawConnection.open(keyless.port)
    // What such an nginx sends: its address for us as Host, and no header of a proxy.
    const lines = [`GET /api/status ${version}`, `Host: 127.0.0.1:${keyless.port}`, 'Connection: close']
    await raw.write(`${lines.join('\r\n')}\r\n\r\n`)
    return (await raw.answer()).status
  }
  assert.is(await ask('HTTP/1.0'), 403)
  assert.is(await ask('HTTP/1.1'), 200)
})

test('a request of a page on the machine itself is answered', async () => {
  const ask = askOf(() => keyless.origin)
  const { port } = keyless
  for (const headers of [
    { Origin: 'http://localhost:3000' },
    { Host: `localhost:${port}` },
    { Host: `[::1]:${port}` },
  ])
    assert.is((await ask('GET', '/api/status', headers)).status, 200, JSON.stringify(headers))
})

test('the admin key is no token of an upload on a server that asks for none, and no other token is', async () => {
  const ask = askOf(() => keyed.origin)
  const location = locationOf(await ask('POST', '/files', { 'Upload-Length': '5' }))
  for (const headers of [{}, AS_ADMIN, bearer('anything-else')])
    assert.is((await ask('HEAD', location, headers)).status, 200)
  const path = location.replace(/^.*\/files/, '/api/uploads')
  for (const headers of [{}, AS_ADMIN]) assert.is((await ask('GET', path, headers)).status, 200)
})

test('the token of an owner is not the admin key', async () => {
  await withApp({ adminKey: ADMIN_KEY, authSecret: SECRET }, async ({ origin }) => {
    assert.is((await askOf(() => origin)('GET', '/api/status', await as('admin'))).status, 401)
    assert.is((await askOf(() => origin)('GET', '/api/status', AS_ADMIN)).status, 200)
  })
})

test('too_many_refusals: whoever tries many keys is not listened to for a time, and others are', async () => {
  await withApp({ adminKey: ADMIN_KEY, host: '0.0.0.0' }, async (server) => {
    let refused = 0
    for (; refused < 200; refused++) {
      const { status, headers } = await statusFrom(server, '127.0.0.1', bearer(`a-wrong-key-${refused}....`))
      if (status === 429) {
        assert.match(String(headers['retry-after']), /^\d+$/)
        break
      }
      assert.is(status, 401)
    }
    assert.ok(refused >= 10 && refused < 200, `${refused} keys were tried`)
    assert.is((await statusFrom(server, '127.0.0.2', AS_ADMIN)).status, 200)
    // Whoever shares the admin's address would lock them out.
    assert.is((await statusFrom(server, '127.0.0.1', AS_ADMIN)).status, 200)
    assert.is((await statusFrom(server, '127.0.0.1', bearer('a-wrong-key........'))).status, 429)
  })
})

/** Asks for the status from one of this machine's addresses. */
function statusFrom(server: TestApp, localAddress: string, headers: Record<string, string>) {
  return new Promise<{ status: number | undefined; headers: Record<string, unknown> }>((resolve, reject) => {
    const options = {
      port: server.port,
      host: '127.0.0.1',
      path: '/api/status',
      localAddress,
      headers,
      agent: false,
    }
    httpRequest(options, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers }))
    })
      .on('error', reject)
      .end()
  })
}

test.run()
