// cluster
// time-limit: 600s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { createUpload, Patch, PseudoFile, printedSeed } from '../helpers/sender.js'
import { eventually, statusOf, type TestServer } from '../helpers/server.js'

const MIB = 2 ** 20
const WITHIN_MS = 60_000
const SLOTS = 2
/** More than the slots: each node has as many of its own. */
const OWN_SLOTS = 8
const FLAGS = [
  ...['--cluster-slots', `${SLOTS}`, '--slots', `${OWN_SLOTS}`, '--slot-wait', '5m', '--idle-timeout', '5m'],
]

const seed = printedSeed('nodes-slots')

const slots = suite<Shared>('slots of the cluster')
const test = needsRadosgw(needsPostgres(slots))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** PATCHes that have sent half of their bodies to a node: as many as there are slots. */
async function beginAll(node: TestServer): Promise<Patch[]> {
  const files = Array.from({ length: SLOTS }, (_, i) => new PseudoFile(seed + i, MIB))
  return await Promise.all(
    files.map(async (file) => {
      const patch = await Patch.begin(node, await createUpload(node, file), file, 0)
      await patch.send(MIB / 2)
      return patch
    }),
  )
}

/** The uploads whose bytes a node receives now: those that wait have none. */
async function receivedBy(node: TestServer): Promise<string[]> {
  return (await statusOf(node)).active.filter(({ offset }) => offset > 0).map(({ id }) => id)
}

async function untilReceiving(node: TestServer, count: number): Promise<void> {
  await eventually(WITHIN_MS, `${count} uploads that ${node.origin} receives`, async () => {
    return (await receivedBy(node)).length === count || undefined
  })
}

/** The uploads that have the slots, as the database says. */
async function holders({ sql }: Nodes): Promise<string[]> {
  const { rows } = await sql.query<{ upload: string }>(
    'SELECT upload FROM cluster_slots WHERE node IS NOT NULL ORDER BY upload',
  )
  return rows.map(({ upload }) => upload)
}

/** Has uploads wait at a node until `end` has ended those of the other node; then they have all slots. */
async function takesOver(nodes: Nodes, node: TestServer, end: () => Promise<void>): Promise<Patch[]> {
  const waiting = await beginAll(node)
  await eventually(WITHIN_MS, 'all of them in the line', async () => {
    return (await statusOf(node)).slots.taken === SLOTS || undefined
  })
  assert.equal(await receivedBy(node), [], 'they receive nothing without a slot')
  await end()
  await untilReceiving(node, SLOTS)
  assert.equal(await holders(nodes), (await receivedBy(node)).sort())
  return waiting
}

async function assertFinish(patches: readonly Patch[]): Promise<void> {
  for (const patch of patches) assert.is((await patch.finish())?.status, 204)
}

test(`with --cluster-slots ${SLOTS} two nodes never receive more, also where one is stopped or killed`, async (place) => {
  const nodes = await Nodes.start(place, { count: 2, flags: FLAGS })
  const [one, two] = [nodes.node(0), nodes.node(1)]
  try {
    const stopped = await beginAll(one)
    await untilReceiving(one, SLOTS)
    const next = await takesOver(nodes, two, async () => void one.process.kill('SIGSTOP'))
    one.process.kill('SIGCONT')
    // Their clients do not send more: the node ends them by itself.
    await untilReceiving(one, 0)
    for (const patch of stopped) assert.is.not((await patch.answered)?.status, 204)
    assert.equal(await holders(nodes), (await receivedBy(two)).sort())
    await assertFinish(next)

    await beginAll(two)
    await untilReceiving(two, SLOTS)
    await assertFinish(await takesOver(nodes, one, () => nodes.kill(1)))
    await nodes.restart(1)
    await eventually(WITHIN_MS, 'free slots', async () => (await holders(nodes)).length === 0 || undefined)
  } finally {
    one.process.kill('SIGCONT')
    await nodes.end()
  }
})

slots.run()
