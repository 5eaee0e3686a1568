// cluster
// time-limit: 600s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type NodesPlace, startNodes, withNodes } from '../helpers/node-pair.js'
import { Receiver } from '../helpers/receiver.js'
import { askOf } from '../helpers/routes.js'
import { eventually, locationOf, type TestAnswer, type TestServer } from '../helpers/server.js'
import { ADMIN_FLAGS, AS_ADMIN, bearer } from '../helpers/tokens.js'
import { uploaded } from '../helpers/uploaded.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const WITHIN_MS = 60_000

interface Place extends NodesPlace {
  receiver: Receiver
}

const servers = suite<Place>('cluster, hooks and grants of servers')
const test = withNodes(servers)

test.before.each(async (place) => {
  place.receiver = await Receiver.start()
})
test.after.each(({ receiver }) => receiver.close())

const ask = (server: TestServer) => askOf(() => server.origin)
const pathOf = (answer: TestAnswer | undefined) => (answer ? new URL(locationOf(answer)).pathname : '')
const idOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** The deliveries of a state, as a node shows them. */
async function listed(server: TestServer, state: string): Promise<readonly Record<string, unknown>[]> {
  const { text } = await ask(server)('GET', `/api/deliveries?state=${state}`, {})
  return JSON.parse(text).deliveries
}

test('"told at least once": the node that finished an upload is killed while it sends, and the other one goes on in order', async (place) => {
  const { receiver } = place
  const [a, b] = await startNodes(place, ['--hooks-http', receiver.url])
  receiver.reply = ({ type }) => ({ hang: type === 'post-create' })
  const path = await uploaded(ask(a), { bytes: 'finished' })
  await eventually(WITHIN_MS, 'the first try', async () => receiver.of('post-create')[0])
  await eventually(
    WITHIN_MS,
    'both events',
    async () => (await listed(b, 'pending')).length === 2 || undefined,
  )
  await a.stop('SIGKILL')
  receiver.reply = () => ({})
  await eventually(WITHIN_MS, 'the end of the upload', async () => receiver.of('post-finish')[0])
  await eventually(
    WITHIN_MS,
    'nothing that is pending',
    async () => (await listed(b, 'pending')).length === 0 || undefined,
  )
  const told = receiver.hooks.filter(({ type }) => type.startsWith('post-'))
  assert.equal(
    told.map(({ type, json }) => [type, json.Event.Upload.ID]),
    ['post-create', 'post-create', 'post-finish'].map((type) => [type, idOf(path)]),
  )
  assert.is(receiver.of('post-finish')[0]?.json.Lading.SHA256?.length, 64)
})

test('events of an upload that goes from node to node come in order, and each node lists and resends them', async (place) => {
  const { receiver } = place
  const nodes = await startNodes(place, ['--hooks-http', receiver.url])
  const [a, b] = nodes
  const bytes = Buffer.from('0123456789')
  const created = await ask(a)('POST', '/files', { 'Upload-Length': 10 })
  const path = pathOf(created)
  for (const [offset, digit] of [...bytes].entries()) {
    const headers = { 'Upload-Offset': offset, 'Content-Type': OFFSET_TYPE, 'Content-Length': 1 }
    const server = nodes[offset % 2 === 0 ? 1 : 0]
    const answer = await ask(server)('PATCH', path, headers, Buffer.of(digit))
    assert.is(answer.status, 204, answer.text)
  }
  assert.is((await ask(a)('DELETE', path, {})).status, 204)
  const done = await eventually(WITHIN_MS, 'all events', async () => {
    const found = await listed(a, 'done')
    return found.length === 3 ? found : undefined
  })
  const events = receiver.hooks
    .map(({ type }) => type)
    .filter((type) => /^post-(create|finish|term)/.test(type))
  assert.equal(events, ['post-create', 'post-finish', 'post-terminate'])
  assert.equal(await listed(b, 'done'), done)
  receiver.clear()
  const id = `${done.find(({ event }) => event === 'post-finish')?.id}`
  assert.is((await ask(b)('POST', `/api/deliveries/${id}/resend`, {})).status, 202)
  await eventually(WITHIN_MS, 'it once more', async () => receiver.of('post-finish')[0])
})

test('a grant of one node is one at every other, and all nodes together create what it allows', async (place) => {
  const [a, b] = await startNodes(place, ADMIN_FLAGS)
  const made = await ask(a)(
    'POST',
    '/api/grants',
    { ...AS_ADMIN, 'Content-Type': 'application/json' },
    '{"count":3}',
  )
  const { token } = JSON.parse(made.text)
  const asHolder = { ...bearer(token), 'Upload-Length': 5 }
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => ask(n % 2 === 0 ? a : b)('POST', '/files', asHolder)),
  )
  assert.is(answers.filter(({ status }) => status === 201).length, 3)
  const refused = answers.filter(({ status }) => status !== 201)
  assert.ok(refused.every(({ text }) => text.startsWith('grant_used')))
  // What never became a file does not count, whichever node removed it.
  const pathname = pathOf(answers.filter(({ status }) => status === 201)[0])
  assert.is((await ask(b)('DELETE', pathname, bearer(token))).status, 204)
  await eventually(WITHIN_MS, 'a free use', async () => {
    return (await ask(a)('POST', '/files', asHolder)).status === 201 || undefined
  })
  assert.is((await ask(b)('POST', '/files', asHolder)).status, refused[0]?.status)
})

test('"--max-unfinished" counts the uploads of the other node too', async (place) => {
  const [a, b] = await startNodes(place, ['--max-unfinished', '2'])
  for (const _ of [1, 2]) assert.is((await ask(a)('POST', '/files', { 'Upload-Length': 5 })).status, 201)
  await eventually(WITHIN_MS, 'the refusal at the other node', async () => {
    const { uploads } = JSON.parse((await ask(b)('GET', '/api/status', {})).text)
    return uploads.unfinished === 2 || undefined
  })
  const refused = await ask(b)('POST', '/files', { 'Upload-Length': 5 })
  assert.is(refused.status, 503)
  assert.match(refused.text, /^unfinished_full/)
})

servers.run()
