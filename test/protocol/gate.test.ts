import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type App, createApp } from '../../server/app.js'
import type { Gate } from '../../server/http/gate.js'
import { ANONYMOUS, mayAccess, type Principal } from '../../server/model/principal.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, idOf, locationOf, send, type TestAnswer, temporaryFolder } from '../helpers/server.js'
import { OFFSET_TYPE, unknownId } from '../helpers/wire.js'

const test = suite('gate')

const STRANGER: Principal = { kind: 'anonymous' }
/** No upload is there for a request with this header. */
const AS_STRANGER = { 'X-Stranger': '1' }
const GATE: Gate = {
  identify: ({ headers }) => (headers['x-stranger'] === undefined ? ANONYMOUS : STRANGER),
  mayAccess: (principal, upload) => principal !== STRANGER && mayAccess(principal, upload),
}

const PARTIAL = { 'Upload-Concat': 'partial' }
const TUS = { 'Tus-Resumable': '1.0.0' }
const BODY = { 'Content-Type': OFFSET_TYPE }

interface Route {
  readonly name: string
  ask(id: string, headers: Record<string, string>): Promise<TestAnswer>
}

let app: App
let url: string

const ask = (method: string, path: string, headers: object, body?: string): Promise<TestAnswer> =>
  send(url, { method, path, headers: { ...TUS, ...headers }, ...(body === undefined ? {} : { body }) })

const ROUTES: readonly Route[] = [
  { name: 'HEAD', ask: (id, headers) => ask('HEAD', `/files/${id}`, headers) },
  {
    name: 'PATCH',
    ask: (id, headers) => ask('PATCH', `/files/${id}`, { 'Upload-Offset': 3, ...BODY, ...headers }, 'lo'),
  },
  { name: 'DELETE', ask: (id, headers) => ask('DELETE', `/files/${id}`, headers) },
  { name: 'download', ask: (id, headers) => ask('GET', `/files/${id}`, headers) },
  {
    name: 'headers of a download',
    ask: (id, headers) => ask('HEAD', `/files/${id}`, { 'X-HTTP-Method-Override': 'GET', ...headers }),
  },
  { name: 'API', ask: (id, headers) => ask('GET', `/api/uploads/${id}`, headers) },
  { name: 'part of a final upload', ask: (id, headers) => join([id], headers) },
]

function join(ids: readonly string[], headers: Record<string, string> = {}): Promise<TestAnswer> {
  const list = ids.map((id) => `/files/${id}`).join(' ')
  return ask('POST', '/files', { 'Upload-Concat': `final;${list}`, ...headers })
}

/** Creates an upload of five bytes and stores `bytes`. */
async function create(bytes: string, headers: Record<string, string> = {}): Promise<string> {
  return idOf(locationOf(await ask('POST', '/files', { ...BODY, 'Upload-Length': '5', ...headers }, bytes)))
}

/** What a client can tell of an answer, but for its date. */
function seen({ status, headers, text }: TestAnswer): object {
  return { status, text, headers: { ...headers, date: undefined } }
}

test.before(async () => {
  const dataDir = `${temporaryFolder()}/data`
  const settings = { host: '127.0.0.1', port: 0, dataDir, minFreeBytes: 0, logLevel: 'silent' } as const
  app = await createApp(settings, GATE)
  url = (await app.listen()).url
  // Before the sweep of the start has ended, nobody knows what became of a part.
  await eventually(30_000, 'the end of the sweep', async () => {
    return (await join([unknownId()])).text.startsWith('part_unknown') || undefined
  })
})
test.after(() => app.close())

const offsetOf = async (id: string): Promise<string | string[] | undefined> =>
  (await ask('HEAD', `/files/${id}`, {})).headers['upload-offset']

for (const { name, ask } of ROUTES) {
  test(`an upload that the principal may not access is not there: ${name}`, async () => {
    for (const id of [await create('hel'), await create('hello'), await create('hel', PARTIAL)]) {
      const denied = await ask(id, AS_STRANGER)
      assert.ok([400, 404].includes(denied.status), `${denied.status} ${denied.text}`)
      assert.equal(seen(denied), seen(await ask(unknownId(), AS_STRANGER)))
    }
  })
}

test('a request that may not access an upload does not end the request that sends to it', async () => {
  const id = await create('he')
  const sender = await RawConnection.open(Number(new URL(url).port))
  const own = [
    'Tus-Resumable: 1.0.0',
    `Content-Type: ${OFFSET_TYPE}`,
    'Upload-Offset: 2',
    'Content-Length: 3',
  ]
  await sender.head(`PATCH /files/${id}`, own)
  await sender.write('l')
  await eventually(30_000, 'the first byte', async () => {
    const { text } = await ask('GET', `/api/uploads/${id}`, {})
    return text.includes('"state":"receiving"') || undefined
  })
  for (const { ask } of ROUTES.slice(0, 3)) assert.is((await ask(id, AS_STRANGER)).status, 404)
  await sender.write('lo')
  assert.is((await sender.answer()).status, 204)
  sender.socket.destroy()
})

test('the same final upload asked for again is made of parts that are not there', async () => {
  const part = await create('hel', PARTIAL)
  const first = await join([part])
  assert.is(first.status, 201)
  assert.equal(seen(await join([part], AS_STRANGER)), seen(await join([unknownId()])))
  assert.is(locationOf(await join([part])), locationOf(first), 'its own client still gets it')
  await ask('PATCH', `/files/${part}`, { ...BODY, 'Upload-Offset': '3' }, 'lo')
  await eventually(30_000, 'the join', () => offsetOf(idOf(locationOf(first))))
  assert.equal(seen(await join([part], AS_STRANGER)), seen(await join([unknownId()])))
  assert.is(locationOf(await join([part])), locationOf(first))
})

test('a part that was joined is not there for a DELETE either', async () => {
  const part = await create('hello', PARTIAL)
  const final = idOf(locationOf(await join([part])))
  await eventually(30_000, 'the join', () => offsetOf(final))
  await eventually(30_000, 'the end of the part', async () => {
    return (await ask('HEAD', `/files/${part}`, {})).status === 404 || undefined
  })
  const unknown = await ask('DELETE', `/files/${unknownId()}`, AS_STRANGER)
  assert.equal(seen(await ask('DELETE', `/files/${part}`, AS_STRANGER)), seen(unknown))
  assert.is((await ask('DELETE', `/files/${part}`, {})).status, 204)
})

test.run()
