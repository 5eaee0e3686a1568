// cluster
// time-limit: 600s
import { Ajv2020 } from 'ajv/dist/2020.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SCHEMAS } from '../../server/http/openapi/schemas.js'
import { type NodesPlace, startNodes, withNodes } from '../helpers/node-pair.js'
import { askOf } from '../helpers/routes.js'
import { scrape } from '../helpers/scrape.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed } from '../helpers/sender.js'
import { eventually, type TestServer } from '../helpers/server.js'

const WITHIN_MS = 60_000
const MIB = 1024 * 1024
const seed = printedSeed('cluster, slots of servers')

const servers = suite<NodesPlace>('cluster, slots of servers')
const test = withNodes(servers)
type Pair = readonly [TestServer, TestServer]
/** Both nodes, which share two slots. */
let pair = (): Pair => none()
/** Two other nodes, which share one slot, for which a request waits. */
let waitingPair = (): Pair => none()

test.before(async (place) => {
  const two = await startNodes(place, ['--cluster-slots', '2'])
  const one = await startNodes(place, ['--cluster-slots', '1', '--slot-wait', '1m'])
  pair = () => two
  waitingPair = () => one
})

function none(): never {
  throw new Error('no nodes run')
}

const ask = (server: TestServer) => askOf(() => server.origin)
const statusOf = async (server: TestServer) => JSON.parse((await ask(server)('GET', '/api/status', {})).text)

/** Fails where a status is not as the description of the API says. */
function assertDocumented(status: object): void {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  assert.ok(ajv.validate(SCHEMAS.Status, status), ajv.errorsText())
}

interface Running {
  readonly path: string
  readonly file: PseudoFile
  readonly patch: Patch
}

/** A PATCH that has sent half of its body. */
async function begin(server: TestServer, number: number): Promise<Running> {
  const file = new PseudoFile(seed + number, MIB)
  const path = await createUpload(server, file)
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(MIB / 2)
  return { path, file, patch }
}

/** Waits until this number of the cluster's slots is taken, as a node says. */
async function untilTaken(server: TestServer, wanted: number): Promise<void> {
  await eventually(WITHIN_MS, `${wanted} slots that are taken`, async () => {
    return (await statusOf(server)).cluster.slots.taken === wanted || undefined
  })
}

async function untilReady(server: TestServer, status: number): Promise<void> {
  await eventually(WITHIN_MS, `${status} of /readyz`, async () => {
    return (await ask(server)('GET', '/readyz', {})).status === status || undefined
  })
}

test('"--cluster-slots N limits the whole cluster exactly": the next gets 503 at either node, before its body is read', async () => {
  const [a, b] = pair()
  const [one, two] = [await begin(a, 1), await begin(b, 2)]
  await untilTaken(a, 2)
  for (const server of [a, b]) {
    const path = await createUpload(server, new PseudoFile(seed, MIB))
    const patch = await Patch.begin(server, path, new PseudoFile(seed, MIB), 0)
    const answer = await patch.answered
    assert.is(answer?.status, 503)
    assert.match(answer?.text ?? '', /^slots_full: /)
    assert.ok(Number(answer?.headers.get('retry-after')) > 0)
    const status = await statusOf(server)
    assertDocumented(status)
    const { cluster, slots } = status
    assert.equal([slots.taken, cluster.slots, cluster.isMember], [1, { taken: 2, limit: 2 }, true])
    assert.equal(
      cluster.nodes.map((node: Record<string, unknown>) => node.slots),
      [1, 1],
    )
    const { series } = await scrape(server.origin)
    const names = ['member', 'nodes', 'slots_taken', 'slots_limit']
    assert.equal(
      names.map((name) => series.get(`lading_cluster_${name}`)),
      [1, 2, 2, 2],
    )
  }
  for (const { patch } of [one, two]) assert.is((await patch.finish())?.status, 204)
  // The answer has come: at every node the slot is free.
  const next = await begin(b, 3)
  assert.is((await next.patch.finish())?.status, 204)
  await untilTaken(a, 0)
})

test('an upload that has the only slot resumes at another node, which gets the slot', async () => {
  const [a, b] = waitingPair()
  const { path, file, patch } = await begin(a, 4)
  await untilTaken(b, 1)
  await eventually(WITHIN_MS, 'its bytes', async () => {
    return (await statusOf(a)).active[0]?.offset === MIB / 2 || undefined
  })
  // Without a HEAD, as a client that knows what it has sent; the connection to the other node hangs.
  const resumed = await Patch.begin(b, path, file, MIB / 2)
  assert.is((await resumed.finish())?.status, 204)
  assert.is((await patch.answered)?.status, 423)
  await untilTaken(b, 0)
})

test('"--slot-wait covers both together": a request waits for a slot that another node has', async () => {
  const [a, b] = waitingPair()
  const { patch } = await begin(a, 5)
  await untilTaken(b, 1)
  const file = new PseudoFile(seed + 6, MIB)
  const [leaving, waiting] = [
    await Patch.begin(b, await createUpload(b, file), file, 0),
    await Patch.begin(b, await createUpload(b, file), file, 0),
  ]
  await eventually(WITHIN_MS, 'both in the line', async () => {
    return (await statusOf(b)).slots.taken === 2 || undefined
  })
  leaving.connection.socket.destroy()
  await eventually(WITHIN_MS, 'one of them', async () => {
    return (await statusOf(b)).slots.taken === 1 || undefined
  })
  assert.is((await patch.finish())?.status, 204)
  assert.is((await waiting.finish())?.status, 204)
  await untilTaken(a, 0)
})

test('"/readyz says no while PostgreSQL is away": so does a PATCH, with storage_unavailable, and all goes on afterwards', async (place) => {
  const [a, b] = pair()
  const file = new PseudoFile(seed + 7, MIB)
  const path = await createUpload(a, file)
  await place.postgres.kill()
  for (const server of [a, b]) await untilReady(server, 503)
  const patch = await Patch.begin(a, path, file, 0)
  const answer = await patch.finish()
  assert.is(answer?.status, 503)
  assert.match(answer?.text ?? '', /^storage_unavailable: /)
  const status = await statusOf(a)
  assertDocumented(status)
  const { cluster, slots } = status
  assert.equal([cluster.nodes, cluster.slots, slots.taken], [null, { taken: null, limit: 2 }, 0])
  await place.postgres.restart()
  for (const server of [a, b]) await untilReady(server, 200)
  const again = await Patch.begin(b, path, file, await offsetOf(b, path))
  assert.is((await again.finish())?.status, 204)
  await untilTaken(a, 0)
})

servers.run()
