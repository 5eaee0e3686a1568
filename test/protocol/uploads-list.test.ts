import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { RawConnection } from '../helpers/raw.js'
import { askOf } from '../helpers/routes.js'
import { eventually, idOf, locationOf } from '../helpers/server.js'
import { ADMIN_KEY, AS_ADMIN, as, bearer, lapsed, SECRET } from '../helpers/tokens.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('uploads, list')
const BODY = { 'Content-Type': OFFSET_TYPE }

interface Page {
  readonly uploads: ReadonlyArray<Record<string, unknown>>
  readonly cursor: string | null
  readonly total?: number
}

let app: TestApp
const ask = askOf(() => app.origin)

test.before(async () => {
  app = await startApp({ adminKey: ADMIN_KEY, authSecret: SECRET })
})
test.after(() => app.close())

const create = async (name: string, headers: object, body = 'hello', length = 5): Promise<string> => {
  const metadata = `filename ${Buffer.from(name).toString('base64')}`
  const all = { 'Upload-Length': length, 'Upload-Metadata': metadata, ...BODY, ...headers }
  return idOf(locationOf(await ask('POST', '/files', all, body)))
}

async function list(query = '', headers: object = AS_ADMIN): Promise<Page> {
  const answer = await ask('GET', `/api/uploads?${query}`, headers)
  assert.is(answer.status, 200, answer.text)
  return JSON.parse(answer.text)
}

const idsOf = ({ uploads }: Page): unknown[] => uploads.map(({ id }) => id)

test('each is as GET /api/uploads/<id> gives it, newest first, right after its own answer', async () => {
  const ann = await as('ann')
  const ids = [await create('one.txt', ann), await create('two.txt', ann, 'he')]
  const page = await list('owner=ann')
  assert.equal(idsOf(page), ids.reverse())
  for (const upload of page.uploads)
    assert.equal(upload, JSON.parse((await ask('GET', `/api/uploads/${upload.id}`, AS_ADMIN)).text))
  assert.is(page.cursor, null)
  assert.not('total' in page)
})

test('"keyset paging": pages follow each other, and uploads that come meanwhile are not doubled', async () => {
  const eve = await as('eve')
  const ids: string[] = []
  for (let number = 0; number < 7; number++) ids.unshift(await create(`${number}.txt`, eve))
  const first = await list('owner=eve&limit=3&total=true')
  assert.is(first.total, 7)
  await create('later.txt', eve)
  const second = await list(`owner=eve&limit=3&cursor=${first.cursor}`)
  const third = await list(`owner=eve&limit=3&cursor=${second.cursor}`)
  assert.equal([first, second, third].flatMap(idsOf), ids)
  assert.is(third.cursor, null)
})

test('filters go together, and a state or a type may be given several times', async () => {
  const dan = await as('dan')
  const finished = await create('Übung eins.txt', dan)
  const paused = await create('übung zwei.txt', dan, 'he')
  const removed = await create('gone.txt', dan)
  assert.is((await ask('DELETE', `/api/uploads/${removed}`, dan)).status, 204)
  const all = async (query: string): Promise<unknown[]> => idsOf(await list(`owner=dan&${query}`))
  assert.equal(await all('state=finished'), [finished])
  assert.equal(await all('state=finished,paused'), [paused, finished])
  assert.equal(await all('state=terminated&state=paused'), [removed, paused])
  assert.equal(await all('type=text/*&state=finished'), [finished])
  assert.equal(await all('type=text/plain&type=image/png&state=finished'), [finished])
  assert.equal(await all(`q=${encodeURIComponent('ÜBUNG')}`), [paused, finished])
  assert.equal(await all(`q=${paused.slice(0, 20)}`), [paused])
  assert.equal(await all('after=2020-01-01&before=2020-01-02'), [])
  assert.equal(await all('after=2020-01-01T10:00:00+01:00&before=2020-01-02'), [], 'a form sends + as it is')
  assert.is((await all(`after=${new Date(Date.now() - 3_600_000).toISOString()}`)).length, 3)
  assert.equal(await all('state=&type=&q=&after=&before=&limit=&cursor=&total='), [removed, paused, finished])
})

test('an upload that receives is listed as receiving, and has its place among the active of the status', async () => {
  const ann = await as('ann')
  const id = await create('live.txt', ann, '', 100)
  const raw = await RawConnection.open(app.port)
  const head = [
    'Tus-Resumable: 1.0.0',
    `Content-Type: ${OFFSET_TYPE}`,
    'Upload-Offset: 0',
    'Content-Length: 100',
  ]
  await raw.head(`PATCH /files/${id}`, [...head, `Authorization: ${ann.Authorization}`])
  await raw.write('a'.repeat(60))
  await eventually(30_000, 'the bytes', async () => {
    const page = await list('state=receiving&total=true')
    return page.uploads[0]?.offset === 60 && page.total === 1 ? true : undefined
  })
  assert.not(idsOf(await list('state=paused')).includes(id))
  const { active, slots } = JSON.parse((await ask('GET', '/api/status', AS_ADMIN)).text)
  assert.is(slots.taken, 1)
  const [{ bytesPerSecond, ...shown }] = active
  assert.equal(shown, { id, filename: 'live.txt', type: null, offset: 60, length: 100 })
  assert.type(bytesPerSecond, 'number')
  assert.is((await ask('DELETE', `/api/uploads/${id}`, AS_ADMIN)).status, 204)
  assert.match((await raw.answer()).text, /^upload_stopped: /)
  raw.socket.destroy()
  await eventually(30_000, 'the free slot', async () => {
    const { active } = JSON.parse((await ask('GET', '/api/status', AS_ADMIN)).text)
    return active.length === 0 ? true : undefined
  })
})

test('"exactly its own uploads": a token; a grant, which several people may have, lists nothing', async () => {
  const [sue, tom] = [await as('sue'), await as('tom')]
  const { token } = JSON.parse((await ask('POST', '/api/grants', AS_ADMIN, '{"owner":"sue"}')).text)
  const own = await create('own.txt', sue)
  const granted = await create('granted.txt', bearer(token))
  await create('theirs.txt', tom)
  assert.equal(idsOf(await list('', sue)), [granted, own])
  assert.equal(await list('owner=tom&total=true', sue), { uploads: [], cursor: null, total: 0 })
  for (const path of ['/api/uploads', '/api/events'])
    assert.is((await ask('GET', path, bearer(token))).status, 401, path)
  assert.is((await ask('GET', `/api/uploads?grant=${token}`, {})).status, 401)
})

test('without a key, with a wrong one, or with a token that is over, nothing is listed or removed', async () => {
  const ann = await as('ann')
  const id = await create('kept.txt', ann)
  for (const headers of [{}, bearer('no-such-key-at-all'), await lapsed('ann')]) {
    assert.is((await ask('GET', '/api/uploads', headers)).status, 401)
    assert.is((await ask('DELETE', `/api/uploads/${id}`, headers)).status, 401)
  }
  assert.is((await ask('GET', '/api/uploads?grant=lg_e30.x', {})).status, 401)
  assert.is((await ask('DELETE', `/api/uploads/${id}`, await as('stranger'))).status, 404)
  assert.is((await ask('DELETE', `/api/uploads/${id}`, AS_ADMIN)).status, 204)
  for (const path of [`/files/${id}`, `/api/uploads/${id}`])
    assert.is((await ask('DELETE', path, AS_ADMIN)).status, 404)
})

test('DELETE removes a finished upload: its file, and its links with it', async () => {
  const ann = await as('ann')
  const id = await create('linked.txt', ann)
  const { url } = JSON.parse((await ask('POST', `/api/uploads/${id}/links`, ann, '{}')).text)
  const { pathname, search } = new URL(url)
  assert.is((await ask('GET', pathname + search, {})).status, 200)
  assert.is((await ask('DELETE', `/api/uploads/${id}`, ann)).status, 204)
  assert.is((await ask('GET', pathname + search, {})).status, 404)
  assert.is((await list(`q=${id}`)).uploads[0]?.state, 'terminated')
})

/** Parameters that are refused, and the one that the answer names. */
const WRONG: ReadonlyArray<[query: string, name: string]> = [
  ...['0', '201', '-1', '1.5', 'ten', '1e2', '9'.repeat(1_000)].map((value): [string, string] => [
    `limit=${value}`,
    'limit',
  ]),
  ['limit=1&limit=2', 'limit'],
  ['state=done', 'state'],
  ['state=finished,nothing', 'state'],
  ['type=png', 'type'],
  ['type=*/*', 'type'],
  ['type=image/%27', 'type'],
  [`type=${Array.from({ length: 21 }, (_, at) => `a/b${at}`).join()}`, 'type'],
  ['total=yes', 'total'],
  ['after=yesterday', 'after'],
  ['after=2026-02-30', 'after'],
  ['before=2026-11-26T10:00:00', 'before'],
  ['before=1', 'before'],
  ['cursor=abc', 'cursor'],
  [`cursor=${Buffer.from('["2026"]').toString('base64url')}`, 'cursor'],
  [`cursor=${Buffer.from('["%",{}]').toString('base64url')}`, 'cursor'],
  [`cursor=${Buffer.from('["2026-11-26T10:00:00.000Z","a b"]').toString('base64url')}`, 'cursor'],
  [`cursor=${'A'.repeat(10_000)}`, 'cursor'],
  ['q=%00', 'q'],
  ['q=a%0Ab', 'q'],
  [`q=${'x'.repeat(201)}`, 'q'],
  ['owner=%7F', 'owner'],
  ['q=a&q=b', 'q'],
  ['offset=5', 'offset'],
]

test('query_invalid: a wrong parameter is refused, and the answer names it', async () => {
  for (const [query, name] of WRONG) {
    const refused = await ask('GET', `/api/uploads?${query}`, AS_ADMIN)
    assert.is(refused.status, 400, query.slice(0, 80))
    assert.match(refused.text, new RegExp(`^query_invalid: .*\`${name}\``))
  }
  const made = await ask('GET', '/api/uploads?%3Cscript%3E=1', AS_ADMIN)
  assert.is(made.status, 400)
  assert.not.match(made.text, 'script', 'what a client made up is not repeated')
})

test('CORS: a page of an allowed origin may read the list and remove', async () => {
  const answer = await ask('GET', '/api/uploads', { ...AS_ADMIN, Origin: 'https://app.example' })
  assert.is(answer.headers['access-control-allow-origin'], '*')
  const preflight = await ask('OPTIONS', '/api/uploads/x', { Origin: 'https://app.example' })
  assert.match(String(preflight.headers['access-control-allow-methods']), /DELETE/)
})

test.run()
