import { readFileSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import { askOf, routesOf, seen } from '../helpers/routes.js'
import { eventually, fileOf, idOf, locationOf, startServer, type TestServer } from '../helpers/server.js'
import {
  ADMIN_FLAGS,
  AS_ADMIN,
  as,
  bearer,
  inSeconds,
  joined,
  lapsed,
  SECRET,
  SECRET_FLAGS,
  signed,
} from '../helpers/tokens.js'
import { OFFSET_TYPE, unknownId } from '../helpers/wire.js'

const test = suite('tokens')

type Headers = Record<string, string>

const ISSUER = 'https://id.example'
const PARTIAL = { 'Upload-Concat': 'partial' }
const BODY = { 'Content-Type': OFFSET_TYPE }

let server: TestServer
/** It wants an issuer and an audience. */
let strict: TestServer

const ask = askOf(() => server.origin)
const ROUTES = routesOf(() => server.origin)

test.before(async () => {
  server = await startServer([...SECRET_FLAGS, ...ADMIN_FLAGS])
  strict = await startServer([...SECRET_FLAGS, '--auth-issuer', ISSUER, '--auth-audience', 'up'])
  // Before the sweep of the start has ended, nobody knows what became of a part.
  const ann = await as('ann')
  await eventually(30_000, 'the end of the sweep', async () => {
    const answer = await ask('POST', '/files', { 'Upload-Concat': `final;/files/${unknownId()}`, ...ann })
    return answer.text.startsWith('part_unknown') || undefined
  })
})
test.after(async () => {
  await server.stop()
  await strict.stop()
})

/** Creates an upload of five bytes and stores `bytes`. */
async function create(headers: Headers, bytes: string): Promise<string> {
  return idOf(locationOf(await ask('POST', '/files', { ...BODY, 'Upload-Length': '5', ...headers }, bytes)))
}

/** An unfinished upload, a finished one and a part, all of ann's. */
async function threeOf(ann: Headers): Promise<readonly string[]> {
  return [await create(ann, 'hel'), await create(ann, 'hello'), await create({ ...ann, ...PARTIAL }, 'hel')]
}

const FORGED: Readonly<Record<string, () => Promise<string> | string>> = {
  'of another secret': () => signed({ sub: 'ann' }, `${SECRET}.`),
  'whose claims were changed': async () => {
    const [head, , signature] = (await signed({ sub: 'bob' })).split('.')
    const claims = Buffer.from(JSON.stringify({ sub: 'ann' })).toString('base64url')
    return `${head}.${claims}.${signature}`
  },
  'with alg none': () => joined({ alg: 'none' }, { sub: 'ann' }),
  'with alg NONE and a signature': () => joined({ alg: 'NONE' }, { sub: 'ann' }, 'AAAA'),
  'with an algorithm of another kind of key': () => joined({ alg: 'RS256' }, { sub: 'ann' }, 'AAAA'),
  'without a subject': () => signed({ exp: inSeconds(60) }),
  'with an empty subject': () => signed({ sub: '' }),
  'with a subject that is no header value': () => signed({ sub: 'ann\r\nX-Admin: 1' }),
  'with a subject of 257 characters': () => signed({ sub: 'a'.repeat(257) }),
  'that is not valid yet': () => signed({ sub: 'ann', nbf: inSeconds(600) }),
  'that is no token': () => 'ann',
  'that is over and of another secret': () => signed({ sub: 'ann', exp: inSeconds(-60) }, `${SECRET}.`),
}

for (const [name, make] of Object.entries(FORGED)) {
  test(`token_invalid: a token ${name} is refused on every route, whether or not the upload exists`, async () => {
    const [own = ''] = await threeOf(await as('ann'))
    const headers = bearer(await make())
    for (const route of ROUTES) {
      const denied = await route.ask(own, headers)
      assert.is(denied.status, 401, route.name)
      assert.match(String(denied.headers['www-authenticate']), /^Bearer .*error="invalid_token"$/)
      assert.equal(seen(denied), seen(await route.ask(unknownId(), headers)), route.name)
    }
    assert.match((await ask('POST', '/files', { 'Upload-Length': '5', ...headers })).text, /^token_invalid: /)
  })
}

test('a token that is valid from a moment ahead counts: clocks differ', async () => {
  const headers = bearer(await signed({ sub: 'ann', nbf: inSeconds(4), exp: inSeconds(60) }))
  assert.is((await ask('POST', '/files', { 'Upload-Length': '5', ...headers })).status, 201)
  const early = bearer(await signed({ sub: 'ann', nbf: inSeconds(30), exp: inSeconds(60) }))
  assert.is((await ask('POST', '/files', { 'Upload-Length': '5', ...early })).status, 401)
  // The time of a token that is over is not made longer.
  const over = bearer(await signed({ sub: 'ann', nbf: inSeconds(-60), exp: inSeconds(-1) }))
  assert.match((await ask('POST', '/files', { 'Upload-Length': '5', ...over })).text, /^token_expired: /)
})

for (const { name, ask } of ROUTES) {
  test(`token_missing: without a token the answer is 401, whether or not the upload exists: ${name}`, async () => {
    for (const id of await threeOf(await as('ann'))) {
      const denied = await ask(id, {})
      assert.is(denied.status, 401)
      assert.is(denied.headers['www-authenticate'], 'Bearer realm="lading"')
      assert.equal(seen(denied), seen(await ask(unknownId(), {})))
      assert.equal(seen(denied), seen(await ask(id, { Authorization: 'Basic YTpi' })))
    }
  })

  test(`"Strangers get 404 for uploads that are not theirs": ${name}`, async () => {
    const bob = await as('bob')
    for (const id of await threeOf(await as('ann'))) {
      const denied = await ask(id, bob)
      assert.ok([400, 404].includes(denied.status), `${denied.status} ${denied.text}`)
      assert.equal(seen(denied), seen(await ask(unknownId(), bob)))
    }
  })
}

test('"No token on POST: 401 with WWW-Authenticate", which a page can read, and a preflight needs no token', async () => {
  const origin = { Origin: 'https://app.example' }
  const denied = await ask('POST', '/files', { 'Upload-Length': '5', ...origin })
  assert.is(denied.status, 401)
  assert.match(denied.text, /^token_missing: /)
  assert.is(denied.headers['access-control-allow-origin'], '*')
  assert.match(String(denied.headers['access-control-expose-headers']), /\bWWW-Authenticate\b/)
  const preflight = await ask('OPTIONS', '/files', { ...origin, 'Access-Control-Request-Method': 'POST' })
  assert.is(preflight.status, 204)
  assert.match(String(preflight.headers['access-control-allow-headers']), /\bAuthorization\b/)
  assert.is((await ask('GET', '/healthz', {})).status, 200)
})

test('the owner is in the sidecar, in the record and in the API, and every route is open to them', async () => {
  const ann = await as('ann')
  const id = await create(ann, 'hel')
  assert.is(JSON.parse(readFileSync(`${fileOf(server, id)}.json`, 'utf8')).owner, 'ann')
  assert.is(JSON.parse((await ask('GET', `/api/uploads/${id}`, ann)).text).owner, 'ann')
  assert.is((await ask('HEAD', `/files/${id}`, ann)).headers['upload-offset'], '3')
  assert.is((await ask('PATCH', `/files/${id}`, { 'Upload-Offset': 3, ...BODY, ...ann }, 'lo')).status, 204)
  assert.is((await ask('GET', `/files/${id}`, ann)).text, 'hello')
  assert.is(JSON.parse((await ask('GET', `/api/uploads/${id}`, ann)).text).owner, 'ann')
  assert.is((await ask('DELETE', `/files/${id}`, ann)).status, 204)
})

test('a stranger does not end the request that sends to an upload', async () => {
  const [ann, bob] = [await as('ann'), await as('bob')]
  const id = await create(ann, 'he')
  const sender = await RawConnection.open(server.port)
  const own = ['Tus-Resumable: 1.0.0', `Content-Type: ${OFFSET_TYPE}`, 'Upload-Offset: 2']
  await sender.head(`PATCH /files/${id}`, [
    ...own,
    'Content-Length: 3',
    `Authorization: ${ann.Authorization}`,
  ])
  await sender.write('l')
  await eventually(30_000, 'the first byte', async () => {
    return (await ask('GET', `/api/uploads/${id}`, ann)).text.includes('"state":"receiving"') || undefined
  })
  for (const route of ROUTES.slice(0, 4)) {
    assert.is((await route.ask(id, bob)).status, 404)
    assert.is((await route.ask(id, {})).status, 401)
  }
  await sender.write('lo')
  assert.is((await sender.answer()).status, 204)
  sender.cut()
})

test('the same parts give each owner a final upload of their own, and nobody gets that of a stranger', async () => {
  const [ann, bob] = [await as('ann'), await as('bob')]
  const part = await create({ ...ann, ...PARTIAL }, 'hello')
  const join = (headers: Headers) =>
    ask('POST', '/files', { 'Upload-Concat': `final;/files/${part}`, ...headers })
  const first = await join(ann)
  assert.is(first.status, 201)
  assert.match((await join(bob)).text, /^part_unknown: /)
  assert.is(locationOf(await join(ann)), locationOf(first), 'asked again by its owner')
  const byAdmin = await join(AS_ADMIN)
  assert.is.not(byAdmin.headers.location, first.headers.location)
})

test('"A token whose time is over may still HEAD and PATCH its own unfinished uploads, and nothing else"', async () => {
  const [ann, late] = [await as('ann'), await lapsed('ann')]
  const id = await create(ann, 'hel')
  assert.is((await ask('HEAD', `/files/${id}`, late)).headers['upload-offset'], '3')
  for (const route of ROUTES.slice(3)) {
    const denied = await route.ask(id, late)
    assert.is(denied.status, 401, route.name)
    assert.match(String(denied.headers['www-authenticate']), 'invalid_token')
    assert.equal(seen(denied), seen(await route.ask(unknownId(), late)), route.name)
  }
  assert.match((await ask('POST', '/files', { 'Upload-Length': '5', ...late })).text, /^token_expired: /)
  const others = await create(await as('bob'), 'hel')
  for (const route of ROUTES.slice(0, 3)) assert.is((await route.ask(others, late)).status, 404)
  assert.is((await ask('PATCH', `/files/${id}`, { 'Upload-Offset': 3, ...BODY, ...late }, 'lo')).status, 204)
  // The client whose last answer was lost asks for the offset; a refusal would make it send everything again.
  assert.is((await ask('HEAD', `/files/${id}`, late)).headers['upload-offset'], '5')
  assert.is((await ask('GET', `/files/${id}`, late)).status, 401)
})

test('an upload that finished longer ago than --expire-after is not there for a token whose time is over', async () => {
  const id = await create(await as('ann'), 'hello')
  const path = `${fileOf(server, id)}.json`
  const sidecar = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...sidecar, finishedAt: '2020-01-02T03:04:05.000Z' }))
  assert.is((await ask('HEAD', `/files/${id}`, await lapsed('ann'))).status, 404)
  assert.is((await ask('HEAD', `/files/${id}`, await as('ann'))).status, 200)
})

test('an upload without an owner, as from before tokens were asked for, is there for the admin alone', async () => {
  const id = await create(AS_ADMIN, 'hel')
  const path = `${fileOf(server, id)}.json`
  const { owner, ...old } = JSON.parse(readFileSync(path, 'utf8'))
  assert.is(owner, null)
  writeFileSync(path, JSON.stringify(old))
  assert.is((await ask('HEAD', `/files/${id}`, await as('ann'))).status, 404)
  assert.is((await ask('GET', `/api/uploads/${id}`, await as('ann'))).status, 404)
  assert.is((await ask('HEAD', `/files/${id}`, AS_ADMIN)).status, 200)
  const others = await create(await as('ann'), 'hel')
  for (const method of ['HEAD', 'DELETE'])
    assert.ok((await ask(method, `/files/${others}`, AS_ADMIN)).status < 300)
})

test('a token of another issuer or audience than the settings name is refused', async () => {
  const create = async (claims: object): Promise<number> => {
    const headers = { 'Upload-Length': '5', ...bearer(await signed({ sub: 'ann', ...claims })) }
    return (await askOf(() => strict.origin)('POST', '/files', headers)).status
  }
  assert.is(await create({ iss: ISSUER, aud: 'up' }), 201)
  assert.is(await create({ iss: ISSUER, aud: ['other', 'up'] }), 201)
  for (const claims of [
    {},
    { iss: ISSUER },
    { aud: 'up' },
    { iss: ISSUER, aud: 'down' },
    { iss: 'x', aud: 'up' },
  ])
    assert.is(await create(claims), 401, JSON.stringify(claims))
  const late = { iss: 'x', aud: 'up', exp: inSeconds(-60) }
  const own = { ...late, iss: ISSUER }
  const head = async (claims: object): Promise<number> => {
    const headers = bearer(await signed({ sub: 'ann', ...claims }))
    return (await askOf(() => strict.origin)('HEAD', `/files/${unknownId()}`, headers)).status
  }
  assert.equal([await head(late), await head(own)], [401, 404])
})

test('neither a token nor a key is in the log', async () => {
  const token = await signed({ sub: 'ann' }, `${SECRET}.`)
  await ask('HEAD', `/files/${unknownId()}`, bearer(token))
  await ask('GET', '/api/status', bearer(`${SECRET}-as-admin-key`))
  await eventually(
    30_000,
    'the refusal in the log',
    async () => server.log().includes('token_invalid') || undefined,
  )
  for (const secret of [token, token.split('.')[2] ?? '', SECRET, AS_ADMIN.Authorization.slice(7)])
    assert.not.match(server.log(), secret)
})

test.run()
