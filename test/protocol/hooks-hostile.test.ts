import { Webhook } from 'standardwebhooks'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { flagsFor } from '../helpers/hooks-place.js'
import { Receiver } from '../helpers/receiver.js'
import { eventually, idOf, locationOf, send, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { base64 } from '../helpers/wire.js'

const test = suite('hooks and hostile clients')

const WITHIN_MS = 60_000
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

let receiver: Receiver
let server: TestServer

test.before(async () => {
  receiver = await Receiver.start()
  server = await startServer([
    ...flagsFor(receiver, 'pre-create,post-finish'),
    ...['--hooks-http-secret', SECRET],
    ...['--hooks-http-forward-headers', 'X-User,Webhook-Id,Webhook-Timestamp,Webhook-Signature'],
  ])
})
test.before.each(() => receiver.clear())
test.after(async () => {
  await killServers()
  receiver.close()
})

const namesOf = (headers: object): string[] => Object.keys(headers).sort()

test('"header injection by metadata into hook requests": metadata is in the JSON alone, byte for byte', async () => {
  await tus.create(server, 5)
  const injected =
    'a.png\r\nX-Evil: yes\r\nWebhook-Id: mine\r\n\r\nPOST /evil HTTP/1.1\r\n\r\n\0","Type":"post-finish"'
  const metadata = {
    filename: injected,
    'webhook-id': injected,
    'x-user': injected,
    __proto_: injected,
    ['__proto__']: injected,
    constructor: 'own',
    'host:': '\u2028{}',
  }
  const header = Object.entries(metadata).map(([key, value]) => `${key} ${base64(value)}`)
  await tus.create(server, 5, { 'Upload-Metadata': header.join(',') })
  const [plain, hostile] = receiver.of('pre-create')
  assert.equal(namesOf(hostile?.headers ?? {}), namesOf(plain?.headers ?? {}))
  assert.equal(Object.entries(hostile?.json.Event.Upload.MetaData ?? {}), Object.entries(metadata))
  assert.is(receiver.hooks.length, 2)
  new Webhook(SECRET).verify(hostile?.text ?? '', Object(hostile?.headers))
})

test('headers of a client take the place of no signature, and of no other header of the hook', async () => {
  const forged = { 'Webhook-Id': 'mine', 'Webhook-Timestamp': '1', 'Webhook-Signature': 'v1,bWluZQ==' }
  await tus.create(server, 5, { ...forged, 'X-User': 'ann', ['__proto__']: 'own' })
  const [hook] = receiver.of('pre-create')
  assert.is(hook?.headers['x-user'], 'ann')
  assert.match(String(hook?.headers['webhook-id']), /^msg_/)
  new Webhook(SECRET).verify(hook?.text ?? '', Object(hook?.headers))
})

test('"webhooks to an address that redirects (never followed)": it is a failure, and what was told is tried again', async () => {
  receiver.reply = ({ type }) => {
    return type === 'post-finish' ? { status: 307, headers: { Location: `${receiver.url}/elsewhere` } } : {}
  }
  const location = locationOf(await tus.create(server, 5))
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 204)
  const failed = await eventually(WITHIN_MS, 'a failure', async () => {
    const { text } = await send(server.origin, { method: 'GET', path: '/api/deliveries?state=pending' })
    const found: { uploadId: string; lastError: string | null }[] = JSON.parse(text).deliveries
    return found.find(({ uploadId, lastError }) => uploadId === idOf(location) && lastError !== null)
  })
  assert.match(failed.lastError ?? '', /307/)
  assert.is(receiver.of('post-finish').length, 1)
})

test.run()
