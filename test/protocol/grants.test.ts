import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp, withApp } from '../helpers/app-place.js'
import { sendWith } from '../helpers/js-client.js'
import { askOf } from '../helpers/routes.js'
import { eventually, idOf, locationOf, type TestAnswer, temporaryFolder } from '../helpers/server.js'
import { ADMIN_KEY, AS_ADMIN, as, bearer, SECRET } from '../helpers/tokens.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('grants')

interface Given {
  readonly token: string
  readonly endpoint: string
  readonly expiresAt: string
}

const SETTINGS = { adminKey: ADMIN_KEY, authSecret: SECRET }
const BODY = { 'Content-Type': OFFSET_TYPE }
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')

let app: TestApp

const ask = askOf(() => app.origin)

test.before(async () => {
  app = await startApp(SETTINGS)
})
test.after(() => app.close())

const askGrant = (body: string, headers: object = AS_ADMIN): Promise<TestAnswer> =>
  ask('POST', '/api/grants', { 'Content-Type': 'application/json', ...headers }, body)

async function grant(limits: object = {}): Promise<Given> {
  const answer = await askGrant(JSON.stringify(limits))
  assert.is(answer.status, 201, answer.text)
  return JSON.parse(answer.text)
}

const create = ({ token }: Given, length = 5, headers: object = {}): Promise<TestAnswer> =>
  ask('POST', '/files', { 'Upload-Length': length, ...bearer(token), ...headers })

const recordOf = async (id: string): Promise<Record<string, unknown>> =>
  JSON.parse((await ask('GET', `/api/uploads/${id}`, AS_ADMIN)).text)

test('"POST /api/grants (admin)": nobody else gets one', async () => {
  for (const headers of [{}, await as('ann'), bearer((await grant()).token)])
    assert.is((await askGrant('{}', headers)).status, 401)
})

test('a grant creates uploads of its owner, with metadata that the client cannot change', async () => {
  const given = await grant({ owner: 'ann', metadata: { folder: 'inbox', filename: 'fixed.txt' } })
  const sent = `filename ${Buffer.from('own.txt').toString('base64')},note ${Buffer.from('hi').toString('base64')}`
  const id = idOf(locationOf(await create(given, 5, { 'Upload-Metadata': sent, ...BODY })))
  const { owner, filename } = await recordOf(id)
  assert.equal([owner, filename], ['ann', 'fixed.txt'])
  const head = await ask('HEAD', `/files/${id}`, bearer(given.token))
  assert.is(
    head.headers['upload-metadata'],
    `note ${Buffer.from('hi').toString('base64')},folder ${Buffer.from('inbox').toString('base64')},filename ${Buffer.from('fixed.txt').toString('base64')}`,
  )
  assert.is((await ask('HEAD', `/files/${id}`, await as('ann'))).status, 200)
})

test('"so that an Uppy page needs only a URL": tus-js-client uploads by the endpoint alone, also a part at a time', async () => {
  const given = await grant({ count: 1 })
  const file = Buffer.alloc(3 * 2 ** 20, 'a')
  const sent = await sendWith({ url: given.endpoint }, file, { chunkSize: 2 ** 20 })
  assert.equal(sent.answers, ['POST 201', 'PATCH 204', 'PATCH 204', 'PATCH 204'])
  const parallel = await grant({ count: 4 })
  await sendWith({ url: parallel.endpoint }, file, { parallelUploads: 3 })
})

test('the address that a page is given continues its upload and no other, and cannot remove or read a file', async () => {
  const { endpoint } = await grant()
  const url = new URL(endpoint)
  const createByUrl = async (): Promise<URL> => {
    const headers = { 'Upload-Length': '5' }
    return new URL(locationOf(await ask('POST', url.pathname + url.search, headers)))
  }
  const [one, two] = [await createByUrl(), await createByUrl()]
  const at = ({ pathname }: URL, { search }: URL): string => pathname + search
  assert.is((await ask('HEAD', at(one, one), {})).headers['upload-offset'], '0')
  for (const method of ['HEAD', 'PATCH', 'DELETE', 'GET'])
    assert.is((await ask(method, at(one, two), {})).status, 401, `${method} with another's key`)
  assert.is((await ask('HEAD', one.pathname, {})).status, 401)
  assert.is((await ask('PATCH', at(one, one), { ...BODY, 'Upload-Offset': 0 }, 'hello')).status, 204)
  assert.is((await ask('HEAD', at(one, one), {})).headers['upload-offset'], '5', 'for a lost answer')
  assert.is((await ask('GET', at(one, one), {})).status, 401)
  assert.is((await ask('DELETE', at(one, one), {})).status, 404)
  assert.is((await ask('DELETE', at(two, two), {})).status, 204)
})

test('what was created with another grant, or by a token of the same owner, is not there', async () => {
  const [one, two] = [await grant({ owner: 'ann' }), await grant({ owner: 'ann' })]
  const id = idOf(locationOf(await create(one)))
  const own = idOf(locationOf(await ask('POST', '/files', { 'Upload-Length': '5', ...(await as('ann')) })))
  assert.is((await ask('HEAD', `/files/${id}`, bearer(one.token))).status, 200)
  assert.is((await ask('HEAD', `/files/${id}`, bearer(two.token))).status, 404)
  assert.is((await ask('HEAD', `/files/${own}`, bearer(one.token))).status, 404)
  for (const path of [`/files/${id}`, `/api/uploads/${id}`])
    assert.is((await ask('GET', path, bearer(one.token))).status, 401, path)
})

test('grant_used: `count` holds in a race, after a restart, and after the file is removed', async () => {
  const given = await grant({ count: 3 })
  const answers = await Promise.all(Array.from({ length: 12 }, () => create(given, 0)))
  const statuses = answers.map(({ status }) => status).sort()
  assert.equal(statuses, [...Array(3).fill(201), ...Array(9).fill(403)])
  const [refused] = answers.filter(({ status }) => status === 403)
  assert.match(refused?.text ?? '', /^grant_used: /)
  const [made] = answers.filter(({ status }) => status === 201)
  if (!made) throw new Error('none was made')
  assert.is((await ask('DELETE', new URL(locationOf(made)).pathname, AS_ADMIN)).status, 204)
  await app.close()
  app = await startApp({ ...SETTINGS, dataDir: app.dataDir })
  assert.is((await create(given)).status, 403)
})

test('an id that a hook names twice at once gives no use of the grant back', async () => {
  const path = join(temporaryFolder(), 'rules.mjs')
  writeFileSync(
    path,
    `const waiting = []
    let calls = 0
    export default {
      preCreate() {
        if (++calls > 2) return
        return new Promise((resolve) => {
          waiting.push(resolve)
          if (calls === 2) for (const each of waiting) each({ id: 'same' })
        })
      },
    }`,
  )
  await withApp({ ...SETTINGS, hooksModule: path }, async ({ origin }) => {
    const askThere = askOf(() => origin)
    const { token } = JSON.parse((await askThere('POST', '/api/grants', AS_ADMIN, '{"count":2}')).text)
    const createThere = async (): Promise<number> =>
      (await askThere('POST', '/files', { 'Upload-Length': 5, ...bearer(token) })).status
    assert.equal((await Promise.all([createThere(), createThere()])).sort(), [201, 409])
    assert.equal([await createThere(), await createThere()], [201, 403])
  })
})

test('an upload that never became a file does not count: refused, terminated, or not created', async () => {
  const given = await grant({ count: 1, maxSize: 1000, accept: ['image/png'] })
  const id = idOf(locationOf(await create(given)))
  assert.is((await create(given)).status, 403)
  assert.is((await ask('DELETE', `/files/${id}`, bearer(given.token))).status, 204)
  assert.is((await create(given, 1001)).status, 413)
  assert.is((await create(given, 5, { 'Upload-Metadata': `a ${'A'.repeat(8192)}` })).status, 400)
  const elf = await ask('POST', '/files', { 'Upload-Length': 5, ...BODY, ...bearer(given.token) }, '<svg/')
  assert.is(elf.status, 415)
  await eventually(30_000, 'the use that is given back', async () => {
    const answer = await ask('POST', '/files', { 'Upload-Length': PNG.length, ...bearer(given.token) })
    return answer.status === 201 || undefined
  })
})

test('`maxSize` holds for a declared length, for a deferred one, and for a final upload', async () => {
  const given = await grant({ maxSize: 10 })
  assert.is((await create(given, 11)).status, 413)
  const deferred = { 'Upload-Defer-Length': '1', ...bearer(given.token) }
  const path = new URL(locationOf(await ask('POST', '/files', deferred))).pathname
  const patch = { ...BODY, 'Upload-Offset': 0, ...bearer(given.token) }
  assert.is((await ask('PATCH', path, { ...patch, 'Upload-Length': 11 }, 'hello')).status, 413)
  assert.is((await ask('PATCH', path, patch, 'hello world')).status, 413)
  const part = async (): Promise<string> => {
    const headers = { 'Upload-Length': 6, 'Upload-Concat': 'partial', ...BODY, ...bearer(given.token) }
    return new URL(locationOf(await ask('POST', '/files', headers, 'abcdef'))).pathname
  }
  const parts = `final;${await part()} ${await part()}`
  const join = { 'Upload-Concat': parts, ...bearer(given.token) }
  await eventually(30_000, 'the end of the sweep', async () => {
    return (await ask('POST', '/files', join)).status !== 503 || undefined
  })
  assert.is((await ask('POST', '/files', join)).status, 413)
})

test('`accept` holds beside the list of the server, and after a restart', async () => {
  const given = await grant({ accept: ['image/*'] })
  const path = new URL(locationOf(await create(given, 5))).pathname
  await app.close()
  app = await startApp({ ...SETTINGS, dataDir: app.dataDir })
  const patch = { ...BODY, 'Upload-Offset': 0 }
  const refused = await ask('PATCH', path, { ...patch, ...bearer(given.token) }, 'hello')
  assert.is(refused.status, 415, refused.text)
  const png = { 'Upload-Length': PNG.length, ...BODY, ...bearer(given.token) }
  assert.is((await ask('POST', '/files', png, PNG)).status, 201)
})

test('a grant whose time is over creates nothing, and continues what it has created', async () => {
  const given = await grant({ expiresIn: 1 })
  const path = new URL(locationOf(await create(given))).pathname
  await eventually(30_000, 'the end of the grant', async () => {
    return (await create(given)).status === 401 || undefined
  })
  assert.match((await create(given)).text, /^token_expired: /)
  const own = bearer(given.token)
  assert.is((await ask('HEAD', path, own)).headers['upload-offset'], '0')
  assert.is((await ask('DELETE', path, own)).status, 401)
  assert.is((await ask('PATCH', path, { ...BODY, 'Upload-Offset': 0, ...own }, 'hello')).status, 204)
})

test('a grant with another payload or signature, or of another server, is none', async () => {
  const { token } = await grant({ maxSize: 1 })
  const [text = '', signature = ''] = token.slice(3).split('.')
  const payload = JSON.parse(Buffer.from(text, 'base64url').toString())
  const changed = Buffer.from(JSON.stringify({ ...payload, maxSize: 1_000 })).toString('base64url')
  const other = await startApp(SETTINGS)
  const foreign = await askOf(() => other.origin)('POST', '/api/grants', AS_ADMIN, '{}')
  await other.close()
  const forged = [
    `lg_${changed}.${signature}`,
    `lg_${text}.${signature.slice(1)}`,
    `lg_${text}.`,
    `lg_${text}`,
    `lg_${text}.${signature}.x`,
    JSON.parse(foreign.text).token,
  ]
  for (const wrong of forged) {
    const byHeader = await ask('POST', '/files', { 'Upload-Length': '1', ...bearer(wrong) })
    assert.match(byHeader.text, /^token_invalid: /, wrong)
    assert.is((await ask('POST', `/files?grant=${wrong}`, { 'Upload-Length': '1' })).status, 401)
  }
})

test('"tolerant when we receive": words of a client under key, link or grant are its own where no token is asked for', async () => {
  await withApp({ adminKey: ADMIN_KEY }, async (open) => {
    const askOpen = askOf(() => open.origin)
    for (const query of ['key=abc', 'link=next', 'grant=yes&key=', 'key=abc&link=1.2'])
      assert.is((await askOpen('POST', `/files?${query}`, { 'Upload-Length': '5' })).status, 201, query)
    for (const query of ['grant=lg_abc.def', `key=${'a'.repeat(32)}.abc`, 'key=x&grant=lg_abc.def'])
      assert.is((await askOpen('POST', `/files?${query}`, { 'Upload-Length': '5' })).status, 401, query)
  })
  assert.is((await ask('POST', '/files?key=abc', { 'Upload-Length': '5' })).status, 401)
})

test('body_invalid: a body that asks for what is no limit makes no grant', async () => {
  const wrong = [
    '{"maxsize":1}',
    '{"maxSize":0}',
    '{"count":1.5}',
    '{"expiresIn":"1h"}',
    '{"accept":[]}',
    '{"accept":["png"]}',
    '{"owner":"a\\nb"}',
    '{"metadata":{"a b":"c"}}',
    '{"metadata":{"a":1}}',
    '[]',
    '{',
    JSON.stringify({
      metadata: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'v'.repeat(900)])),
    }),
    `{"owner":"${'a'.repeat(70_000)}"}`,
  ]
  for (const body of wrong) {
    const answer = await askGrant(body)
    assert.is(answer.status, 400, body.slice(0, 60))
    assert.match(answer.text, /^body_invalid: /)
  }
})

test('the key that signs is in a file that only its owner may read', async () => {
  assert.is(statSync(join(app.dataDir, 'lading.key')).mode & 0o777, 0o600)
  assert.ok(readdirSync(join(app.dataDir, 'grants')).every((name) => /^[0-9a-f]{32}\.json$/.test(name)))
})

test.run()
