import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import { locationOf, send, startServer, type TestAnswer, type TestServer, tus } from '../helpers/server.js'
import { exchange, patchHeaders, unknownId, VERSION } from '../helpers/wire.js'

const ALLOW = [
  'Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata,',
  'Upload-Defer-Length, Upload-Concat, Upload-Checksum, Upload-Complete, Upload-Draft-Interop-Version,',
  'X-HTTP-Method-Override, X-Request-ID, X-Requested-With, Repr-Digest, Content-Digest, Want-Repr-Digest,',
  'Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Last-Event-ID',
].join(' ')
const EXPOSE = [
  'Location, Retry-After, Repr-Digest, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Defer-Length,',
  'Upload-Concat, Upload-Expires, Upload-Complete, Upload-Limit, Upload-Draft-Interop-Version, Tus-Resumable,',
  'Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, WWW-Authenticate,',
  'Accept-Ranges, Content-Disposition, Content-Range, ETag',
].join(' ')
const METHODS = 'GET, HEAD, POST, PATCH, DELETE, OPTIONS'
const ALLOWED = 'https://a.example'

/** Any origin may use the first; only https://a.example the second. */
let open: TestServer
let strict: TestServer
/** Two origins may use it, with credentials and with two headers of their own. */
let trusting: TestServer

test.before(async () => {
  open = await startServer(['--max-size', '1MiB'])
  strict = await startServer(['--max-size', '1MiB', '--cors-origin', ALLOWED])
  trusting = await startServer([
    ...['--cors-origin', `${ALLOWED},https://c.example`, '--cors-allow-credentials'],
    ...['--cors-allow-headers', 'X-Api-Key,X-Trace', '--max-size', '1MiB'],
  ])
})
test.after(async () => {
  await open.stop()
  await strict.stop()
  await trusting.stop()
})

const words = (list: unknown): string[] =>
  String(list)
    .toLowerCase()
    .split(/\s*,\s*/)
    .sort()

/** An answer of every kind, errors included, each with its request in words. */
async function answers(server: TestServer, origin: string): Promise<[string, TestAnswer][]> {
  const Origin = origin
  const own = { 'Tus-Resumable': '1.0.0', Origin }
  const location = locationOf(await tus.create(server, 4))
  const ask = (method: string, path: string, headers: Record<string, string> = own) =>
    send(server.origin, { method, path, headers })
  return [
    ['creation', await tus.create(server, 3, { Origin })],
    ['creation refused for its length', await ask('POST', '/files')],
    ['creation over the maximum', await tus.create(server, 2 ** 30, { Origin })],
    ['version refused', await tus.create(server, 3, { Origin, 'Tus-Resumable': '0.0.1' })],
    ['HEAD', await ask('HEAD', location)],
    ['HEAD of an unknown upload', await ask('HEAD', `/files/${unknownId()}`)],
    ['GET of an unfinished upload', await ask('GET', location)],
    ['PATCH at another offset', await tus.patch(server, location, 1, 'ab', { Origin })],
    ['PATCH of another type', await tus.patch(server, location, 0, 'a', { Origin, 'Content-Type': 'a/b' })],
    ['PATCH', await tus.patch(server, location, 0, 'ab', { Origin })],
    ['PATCH past the length', await tus.patch(server, location, 2, 'cde', { Origin })],
    ['last PATCH', await tus.patch(server, location, 2, 'cd', { Origin })],
    ['GET of a file', await ask('GET', location)],
    ['unknown method', await ask('PUT', location)],
    ['an id that is none', await ask('PATCH', '/files/nothing')],
    ['OPTIONS', await ask('OPTIONS', '/files', { Origin, 'Access-Control-Request-Method': 'POST' })],
    ['DELETE', await ask('DELETE', location)],
    ['an unknown address', await ask('GET', '/nothing')],
    ['health', await ask('GET', '/healthz')],
    ['readiness', await ask('GET', '/readyz')],
    ['status', await ask('GET', '/api/status')],
    ['an unknown record', await ask('GET', `/api/uploads/${unknownId()}`)],
  ]
}

test('every answer, errors and GET included, allows any origin and exposes the tus headers', async () => {
  for (const [what, { headers }] of await answers(open, 'https://b.example')) {
    assert.is(headers['access-control-allow-origin'], '*', what)
    assert.equal(words(headers['access-control-expose-headers']), words(EXPOSE), what)
  }
})

test('a preflight tells the methods and headers that are allowed', async () => {
  const location = locationOf(await tus.create(open, 4))
  for (const path of ['/files', location, '/api/status']) {
    const headers = { Origin: ALLOWED, 'Access-Control-Request-Method': 'PATCH' }
    const answer = await send(open.origin, { method: 'OPTIONS', path, headers })
    assert.is(answer.status, 204)
    assert.equal(words(answer.headers['access-control-allow-methods']), words(METHODS))
    assert.equal(words(answer.headers['access-control-allow-headers']), words(ALLOW))
  }
})

test('an allowed origin is echoed on every answer, with Vary: Origin', async () => {
  for (const [what, { headers }] of await answers(strict, ALLOWED)) {
    assert.is(headers['access-control-allow-origin'], ALLOWED, what)
    assert.equal(words(headers['access-control-expose-headers']), words(EXPOSE), what)
    assert.ok(words(headers.vary).includes('origin'), what)
  }
})

test('another origin, or none, is not allowed on any answer, and still Vary: Origin', async () => {
  for (const origin of ['https://b.example', 'https://a.example.evil', 'http://a.example', 'null']) {
    for (const [what, { headers }] of await answers(strict, origin)) {
      assert.is(headers['access-control-allow-origin'], undefined, `${what} from ${origin}`)
      assert.ok(words(headers.vary).includes('origin'), what)
    }
  }
  const none = await send(strict.origin, { method: 'GET', path: '/healthz' })
  assert.is(none.headers['access-control-allow-origin'], undefined)
})

test('"--cors-allow-credentials": an allowed origin may send credentials, another one may not, and never is it *', async () => {
  for (const [what, { headers }] of await answers(trusting, ALLOWED)) {
    assert.is(headers['access-control-allow-credentials'], 'true', what)
    assert.is(headers['access-control-allow-origin'], ALLOWED, what)
  }
  for (const server of [trusting, strict, open]) {
    for (const [what, { headers }] of await answers(server, 'https://b.example'))
      assert.is(headers['access-control-allow-credentials'], undefined, what)
  }
  for (const [what, { headers }] of await answers(strict, ALLOWED))
    assert.is(headers['access-control-allow-credentials'], undefined, what)
})

test('"--cors-allow-headers": a preflight allows these headers beside those of tus', async () => {
  const headers = { Origin: ALLOWED, 'Access-Control-Request-Method': 'PATCH' }
  const answer = await send(trusting.origin, { method: 'OPTIONS', path: '/files', headers })
  assert.is(answer.headers['access-control-allow-credentials'], 'true')
  assert.equal(words(answer.headers['access-control-allow-headers']), words(`${ALLOW}, X-Api-Key, X-Trace`))
})

test('a 503 for want of slots is readable by a page', async () => {
  const full = await startServer(['--slots', '1'])
  try {
    const [first, second] = [locationOf(await tus.create(full, 9)), locationOf(await tus.create(full, 9))]
    const path = (location: string) => `PATCH ${new URL(location).pathname}`

    const raw = await RawConnection.open(full.port)
    await raw.head(path(first), [...patchHeaders(0, 9), 'Expect: 100-continue'])
    assert.is((await raw.answer()).status, 100)
    const refused = await tus.patch(full, second, 0, 'ab', { Origin: ALLOWED })
    assert.is(refused.status, 503)
    assert.is(refused.headers['access-control-allow-origin'], '*')
    assert.ok(words(refused.headers['access-control-expose-headers']).includes('retry-after'))
    raw.cut()
  } finally {
    await full.stop()
  }
})

test('what is refused before it is a request allows no origin that is not allowed elsewhere', async () => {
  const long = [VERSION, `X-Long: ${'a'.repeat(100 * 1024)}`]
  const anyone = await exchange(open, 'GET /healthz', long)
  assert.is(anyone.status, 431)
  assert.is(anyone.headers.get('access-control-allow-origin'), '*')
  const other = await exchange(strict, 'GET /healthz', [...long, 'Origin: https://b.example'])
  assert.is(other.status, 431)
  assert.is(other.headers.get('access-control-allow-origin'), undefined)
})

test('Vary names what compresses the page beside the origin, so that no cache gives it to everybody', async () => {
  const path = /"(page\/[^"]+)"/.exec((await send(strict.origin, { method: 'GET', path: '/' })).text)?.[1]
  const { headers } = await send(strict.origin, { method: 'GET', path: `/${path}` })
  assert.is(headers.vary, 'Origin, Accept-Encoding')
})

test.run()
