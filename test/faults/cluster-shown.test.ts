// cluster
// time-limit: 600s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EventClient } from '../helpers/event-client.js'
import { type NodesPlace, startNodes, withNodes } from '../helpers/node-pair.js'
import { Receiver } from '../helpers/receiver.js'
import { askOf } from '../helpers/routes.js'
import { Patch, PseudoFile, printedSeed } from '../helpers/sender.js'
import { eventually, idOf, locationOf, type TestServer } from '../helpers/server.js'
import { ADMIN_FLAGS, AS_ADMIN, as, SECRET_FLAGS } from '../helpers/tokens.js'

const WITHIN_MS = 60_000
const MIB = 1024 * 1024
const seed = printedSeed('cluster, what is shown')

const shown = suite<NodesPlace>('cluster, what is shown')
const test = withNodes(shown)
const nodes: TestServer[] = []
let receiver: Receiver

test.before(async (place) => {
  receiver = await Receiver.start()
  const events = 'post-create,post-finish,post-terminate'
  const hooks = ['--hooks-http', receiver.url, '--hooks-enabled-events', events]
  nodes.push(...(await startNodes(place, [...ADMIN_FLAGS, ...SECRET_FLAGS, ...hooks])))
})
test.after(() => receiver.close())

/** Both nodes. */
function pair(): readonly [TestServer, TestServer] {
  const [a, b] = nodes
  if (!a || !b) throw new Error('no nodes run')
  return [a, b]
}

const ask = (server: TestServer) => askOf(() => server.origin)
/** The JSON of a route, as the admin sees it. */
const json = async (server: TestServer, path: string) =>
  JSON.parse((await ask(server)('GET', path, AS_ADMIN)).text)

async function create(server: TestServer, owner: string, length: number): Promise<string> {
  const headers = { 'Upload-Length': length, ...(await as(owner)) }
  return new URL(locationOf(await ask(server)('POST', '/files', headers))).pathname
}

test('"an upload on node A shows on the page served by node B within a second", with its progress, to those who may see it', async () => {
  const [a, b] = pair()
  const [admin, anns, bobs] = await Promise.all(
    [AS_ADMIN, await as('ann'), await as('bob')].map((who) => EventClient.open(b.origin, '/api/events', who)),
  )
  assert.ok(admin && anns && bobs)
  const file = new PseudoFile(seed, 3 * MIB)
  const path = await create(a, 'ann', file.size)
  const id = idOf(path)
  const createdMs = performance.now()
  await admin.until(({ kind, data }) => kind === 'created' && data.id === id, 'its creation')
  const headers = [`Authorization: ${(await as('ann')).Authorization}`]
  const patch = await Patch.begin(a, path, file, 0, file.size, headers)
  await patch.send(MIB)
  const isReceiving = ({ kind, data }: { kind: string; data: Record<string, unknown> }) =>
    kind === 'progress' && data.id === id && data.state === 'receiving' && Number(data.offset) >= MIB
  const progress = await admin.until(isReceiving, 'its progress')
  console.log(
    `cluster: the progress came ${(performance.now() - createdMs).toFixed(0)} ms after the creation`,
  )
  assert.ok(Number(progress.data.bytesPerSecond) > 0)
  const listed = await json(b, '/api/uploads?state=receiving')
  assert.equal(
    listed.uploads.map((upload: Record<string, unknown>) => [upload.id, upload.offset]),
    [[id, MIB]],
  )
  const one = await json(b, `/api/uploads/${id}`)
  assert.equal([one.state, one.offset], ['receiving', MIB])
  const { cluster, active } = await json(b, '/api/status')
  assert.equal(active, [])
  assert.equal(
    cluster.active.map((upload: Record<string, unknown>) => [upload.id, upload.offset, upload.length]),
    [[id, MIB, file.size]],
  )
  assert.is((await patch.finish())?.status, 204)
  const finished = await admin.until(({ kind }) => kind === 'finished', 'its end')
  assert.equal([finished.data.id, finished.data.sha256], [id, file.sha256()])
  assert.is((await json(b, `/api/uploads/${id}`)).state, 'finished')
  await eventually(WITHIN_MS, 'a list without it', async () => {
    return (await json(b, '/api/uploads?state=receiving')).uploads.length === 0 || undefined
  })
  assert.is((await ask(a)('DELETE', path, await as('ann'))).status, 204)
  await Promise.all(
    [admin, anns].map((reader) => reader.until(({ kind }) => kind === 'terminated', 'its removal')),
  )
  assert.equal(
    anns.kinds.filter((kind) => kind !== 'progress'),
    ['created', 'finished', 'terminated'],
  )
  await create(a, 'bob', 1)
  await bobs.until(({ kind }) => kind === 'created', 'an upload of his own')
  assert.equal(bobs.kinds, ['created'])
  // "post-* hooks are sent by any node, one node at a time for each upload": both have heard of everything by now.
  await eventually(WITHIN_MS, 'four deliveries that are done', async () => {
    return (await json(b, '/api/deliveries?state=done')).deliveries.length >= 4 || undefined
  })
  assert.equal((await json(a, '/api/deliveries?state=pending')).deliveries, [])
  assert.equal(receiver.hooks.map(({ type }) => type).sort(), [
    ...['post-create', 'post-create', 'post-finish', 'post-terminate'],
  ])
  for (const reader of [admin, anns, bobs]) reader.close()
})

test('an upload that goes on at another node is shown as that node has it, everywhere', async () => {
  const [a, b] = pair()
  const readers = await Promise.all(
    pair().map(({ origin }) => EventClient.open(origin, '/api/events', AS_ADMIN)),
  )
  const file = new PseudoFile(seed + 1, MIB)
  const headers = [`Authorization: ${(await as('ann')).Authorization}`]
  const path = await create(a, 'ann', file.size)
  const first = await Patch.begin(a, path, file, 0, file.size, headers)
  await first.send(MIB / 2)
  await eventually(WITHIN_MS, 'its bytes', async () => {
    return (await json(a, `/api/uploads/${idOf(path)}`)).offset === MIB / 2 || undefined
  })
  const head = await ask(b)('HEAD', path, await as('ann'))
  assert.is(head.headers['upload-offset'], String(MIB / 2))
  assert.is((await first.answered)?.status, 423)
  const second = await Patch.begin(b, path, file, MIB / 2, file.size, headers)
  assert.is((await second.finish())?.status, 204)
  for (const reader of readers) {
    await reader.until(({ kind }) => kind === 'finished', 'the end')
    assert.is(reader.kinds.at(-1), 'finished')
    reader.close()
  }
  for (const node of pair()) assert.is((await json(node, `/api/uploads/${idOf(path)}`)).state, 'finished')
})

test('"missed → the stream says reset": readers of every node hear that events were lost while PostgreSQL was away', async (place) => {
  const readers = await Promise.all(
    pair().map(({ origin }) => EventClient.open(origin, '/api/events', AS_ADMIN)),
  )
  await place.postgres.kill()
  await place.postgres.restart()
  for (const reader of readers) {
    await reader.until(({ kind }) => kind === 'reset', 'a reset')
    reader.close()
  }
})

shown.run()
