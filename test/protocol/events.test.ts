import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp, withApp } from '../helpers/app-place.js'
import { EventClient } from '../helpers/event-client.js'
import { askOf } from '../helpers/routes.js'
import { eventually, idOf, locationOf } from '../helpers/server.js'
import { ADMIN_KEY, AS_ADMIN, as, bearer, SECRET } from '../helpers/tokens.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('events')
const BODY = { 'Content-Type': OFFSET_TYPE }
const WITHIN_MS = 30_000

let app: TestApp
const ask = askOf(() => app.origin)
const open = (path = '/api/events', headers: Record<string, string> = AS_ADMIN): Promise<EventClient> =>
  EventClient.open(app.origin, path, headers)

test.before(async () => {
  app = await startApp({ adminKey: ADMIN_KEY, authSecret: SECRET })
})
test.after(() => app.close())

const create = async (headers: object, length = 5, body?: string): Promise<string> =>
  idOf(
    locationOf(
      await ask('POST', '/files', { 'Upload-Length': length, ...(body ? BODY : {}), ...headers }, body),
    ),
  )

const patch = (id: string, offset: number, body: string, headers: object) =>
  ask('PATCH', `/files/${id}`, { ...BODY, 'Upload-Offset': offset, ...headers }, body)

async function grant(): Promise<string> {
  return JSON.parse((await ask('POST', '/api/grants', AS_ADMIN, '{}')).text).token
}

test('"created, progress, finished, terminated": each with what GET /api/uploads/<id> says then', async () => {
  const stream = await open()
  const { headers } = stream.response
  assert.match(headers['content-type'] ?? '', /^text\/event-stream/)
  assert.equal([headers['cache-control'], headers['x-accel-buffering']], ['no-store', 'no'])
  const ann = await as('ann')
  const id = await create(ann)
  const created = await stream.until(({ kind, data }) => kind === 'created' && data.id === id, 'created')
  assert.equal([created.data.state, created.data.offset, created.data.owner], ['paused', 0, 'ann'])
  await patch(id, 0, 'hel', ann)
  const progress = await stream.until(
    ({ kind, data }) => kind === 'progress' && data.offset === 3,
    'progress',
  )
  assert.equal(progress.data, JSON.parse((await ask('GET', `/api/uploads/${id}`, ann)).text))
  await patch(id, 3, 'lo', ann)
  const finished = await stream.until(({ kind }) => kind === 'finished', 'finished')
  assert.equal(finished.data, JSON.parse((await ask('GET', `/api/uploads/${id}`, ann)).text))
  await ask('DELETE', `/api/uploads/${id}`, ann)
  const terminated = await stream.until(({ kind }) => kind === 'terminated', 'terminated')
  assert.equal([terminated.data.id, terminated.data.state], [id, 'terminated'])
  const program = Buffer.from('7f454c46020101000000000000000000', 'hex')
  const { status } = await ask('POST', '/files', { 'Upload-Length': 16, ...BODY, ...ann }, program)
  assert.is(status, 415)
  await stream.until(({ kind }) => kind === 'refused', 'refused')
  stream.close()
})

test('"Last-Event-ID resumes": what was missed comes once and in order, by header and by parameter', async () => {
  const stream = await open()
  await stream.until(({ id }) => id !== '', 'the first id')
  const from = stream.lastId
  const ids = [await create(AS_ADMIN), await create(AS_ADMIN)]
  await stream.until(({ data }) => data.id === ids[1], 'both')
  const seen = stream.events.filter(({ kind }) => kind === 'created').map(({ id, data }) => [id, data.id])
  stream.close()
  for (const [path, headers] of [
    ['/api/events', { 'Last-Event-ID': from }],
    [`/api/events?lastEventId=${from}`, {}],
  ] as const) {
    const again = await open(path, { ...AS_ADMIN, ...headers })
    await again.until(({ data }) => data.id === ids[1], 'what was missed')
    const got = again.events.filter(({ kind }) => kind === 'created').map(({ id, data }) => [id, data.id])
    assert.equal(got, seen)
    assert.not(again.kinds.includes('reset'))
    again.close()
  }
  const one = await open(`/api/events?id=${ids[1]}`, { ...AS_ADMIN, 'Last-Event-ID': from })
  await one.until(({ data }) => data.id === ids[1], 'the one upload')
  assert.ok(one.events.every(({ data }) => data.id === undefined || data.id === ids[1]))
  one.close()
})

test('"reset": an id of another process, of the future or of nothing', async () => {
  for (const id of ['00000000-1', 'nonsense', '%00', '-', '99999999999999999999']) {
    const stream = await open(`/api/events?lastEventId=${encodeURIComponent(id)}`)
    const reset = await stream.until(({ kind }) => kind !== '', 'reset')
    assert.is(reset.kind, 'reset')
    stream.close()
  }
  const stream = await open()
  await stream.until(({ id }) => id !== '', 'the first id')
  stream.close()
  await withApp({ adminKey: ADMIN_KEY }, async ({ origin }) => {
    const after = await EventClient.open(origin, '/api/events', {
      ...AS_ADMIN,
      'Last-Event-ID': stream.lastId,
    })
    assert.is((await after.until(({ kind }) => kind !== '', 'reset')).kind, 'reset')
    after.close()
  })
})

test('"at most 4 a second for each upload; the last state always arrives"', async () => {
  const ann = await as('ann')
  const id = await create(ann, 1_000)
  const stream = await open(`/api/events?id=${id}`)
  const startedAtMs = performance.now()
  for (let offset = 0; offset < 60; offset++) await patch(id, offset, 'x', ann)
  await stream.until(({ data }) => data.offset === 60 && data.state === 'paused', 'the last state')
  const seconds = (performance.now() - startedAtMs) / 1_000
  const count = stream.kinds.filter((kind) => kind === 'progress').length
  assert.ok(count <= 4 * seconds + 2, `${count} in ${seconds} s`)
  stream.close()
})

test("a token sees its owner's uploads, and nobody else's", async () => {
  const [ann, bob] = [await as('ann'), await as('bob')]
  const stream = await open('/api/events', ann)
  const first = await create(ann)
  await create(bob)
  await create(bearer(await grant()))
  const all = await open('/api/events', AS_ADMIN)
  const last = await create(ann)
  await stream.until(({ data }) => data.id === last, 'its last upload')
  assert.equal(
    stream.events.filter(({ kind }) => kind !== '').map(({ data }) => data.id),
    [first, last],
  )
  stream.close()
  await all.until(({ data }) => data.id === last, 'all')
  all.close()
})

test('an event stream without a key, or with a wrong one, is refused', async () => {
  for (const headers of [{}, bearer('x'.repeat(20)), bearer('eyJhbGciOiJub25lIn0.e30.')])
    assert.is((await ask('GET', '/api/events', headers)).status, 401)
  for (const query of ['grant=lg_x.y', 'key=x', 'link=x'])
    assert.is((await ask('GET', `/api/events?${query}`, {})).status, 401)
})

test('query_invalid names the parameter that is wrong; HEAD answers headers only', async () => {
  for (const [query, name] of [
    ['id=..%2F', 'id'],
    ['since=1', 'since'],
    ['id=a&id=b', 'id'],
  ]) {
    const refused = await ask('GET', `/api/events?${query}`, AS_ADMIN)
    assert.is(refused.status, 400)
    assert.match(
      refused.text,
      `query_invalid: The query parameter \`${name}\``.replace(
        name === 'since' ? 'The query parameter ' : '',
        '',
      ),
    )
  }
  const head = await ask('HEAD', '/api/events', AS_ADMIN)
  assert.equal([head.status, head.text], [200, ''])
  assert.match(String(head.headers['content-type']), /^text\/event-stream/)
})

test('event_streams_full: beyond --event-streams, until a reader leaves', async () => {
  await withApp({ adminKey: ADMIN_KEY, eventStreams: 1 }, async ({ origin }) => {
    const first = await EventClient.open(origin, '/api/events', AS_ADMIN)
    const second = await askOf(() => origin)('GET', '/api/events', AS_ADMIN)
    assert.is(second.status, 503)
    assert.match(second.text, /^event_streams_full: /)
    first.close()
    const third = await eventually(WITHIN_MS, 'a free stream', async () => {
      const stream = await EventClient.open(origin, '/api/events', AS_ADMIN)
      return stream.response.statusCode === 200 ? stream : undefined
    })
    third.close()
  })
})

test('"a reader that does not read is dropped", and others go on', async () => {
  const silent = connect(Number(new URL(app.origin).port), '127.0.0.1')
  silent.on('error', () => {})
  silent.pause()
  silent.write(`GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\n\r\n`)
  const taken = async (): Promise<number> =>
    JSON.parse((await ask('GET', '/api/status', AS_ADMIN)).text).eventStreams.taken
  await eventually(WITHIN_MS, 'the stream', async () => ((await taken()) === 1 ? true : undefined))
  const reader = await open()
  const ann = await as('ann')
  const metadata = { 'Upload-Metadata': `note ${'A'.repeat(8_000)}` }
  const ids: string[] = []
  await eventually(120_000, 'the end of the silent reader', async () => {
    for (let count = 0; count < 40; count++) ids.push(await create({ ...ann, ...metadata }))
    return (await taken()) === 1 ? true : undefined
  })
  await reader.until(({ data }) => data.id === ids.at(-1), 'the last event')
  assert.not(reader.kinds.includes('reset'))
  reader.close()
  silent.destroy()
})

test('"shutdown ends streams at once"', async () => {
  const other = await startApp({ adminKey: ADMIN_KEY })
  const stream = await EventClient.open(other.origin, '/api/events', AS_ADMIN)
  const closed = other.close()
  await stream.ended()
  await closed
})

test.run()
