// waits
// time-limit: 300s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cluster, ClusterOptions } from '../../server/cluster/cluster.js'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import {
  killNodes,
  makeEvidence,
  mostAtOnce,
  type NodeReport,
  openCluster,
  readEvidence,
  startNode,
  type TestNode,
  tooLate,
} from '../helpers/cluster-node.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { eventually } from '../helpers/server.js'

interface Place {
  postgres: Postgres
  url: string
  sql: Sql
  open(options?: Partial<ClusterOptions>): Promise<Cluster>
}

const HOLDER = { end: () => {}, mayInterrupt: () => true }
const WITHIN_MS = 60_000
const SHORT_LEASE_MS = 2_000
const never = new AbortController().signal
const opened: Cluster[] = []

const cluster = suite<Place>('cluster')
const test = needsPostgres(cluster)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const sql = await openSql(url)
  await makeEvidence(sql)
  const open = async (options: Partial<ClusterOptions> = {}) => {
    const node = await openCluster(url, options)
    opened.push(node)
    return node
  }
  Object.assign(place, { url, sql, open })
})
test.after.each(async ({ sql }) => {
  await killNodes()
  await Promise.all(opened.splice(0).map((node) => node.close()))
  await sql.end()
})
test.after(({ postgres }) => postgres.kill())

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const shown = (ms: number) => `${(ms / 1_000).toFixed(2)} s`

test('one lock for each upload: another node asks for it, and has it once the holder gives it back', async ({
  open,
}) => {
  const [one, two] = [await open(), await open()]
  const asked: string[] = []
  const first = await one.locks.acquire('x', (cause) => asked.push(cause), WITHIN_MS)
  const beganMs = performance.now()
  const second = two.locks.acquire('x', () => {}, WITHIN_MS)
  await eventually(WITHIN_MS, 'the request', async () => asked[0])
  assert.ok(first?.isValid)
  assert.is(asked[0], 'asked')
  await first.release()
  assert.is(first.isValid, false)
  const taken = await second
  console.log(`cluster: a holder that lives hands over in ${shown(performance.now() - beganMs)}`)
  assert.ok(taken && taken.token > first.token)
  assert.ok(await one.locks.acquire('y', () => {}, 0), 'another upload')
  assert.is(await one.locks.acquire('x', () => {}, 0), undefined)
})

test('who only tries for a lock asks nobody for it', async ({ open }) => {
  const [one, two] = [await open(), await open()]
  const asked: string[] = []
  for (const id of ['x', 'y']) assert.ok(await one.locks.acquire(id, () => asked.push(id), WITHIN_MS))
  assert.is(await two.locks.tryAcquire('x', () => {}), undefined)
  // Notices come in their order.
  assert.is(await two.locks.acquire('y', () => {}, 1), undefined)
  await eventually(WITHIN_MS, 'the request for the other', async () => asked[0])
  assert.is(asked[0], 'y')
  assert.ok(await two.locks.tryAcquire('z', () => {}))
})

test('a node that leaves frees what it holds', async ({ open, sql }) => {
  const [one, two] = [await open({ slots: 1 }), await open({ slots: 1 })]
  assert.ok(await one.locks.acquire('x', () => {}, WITHIN_MS))
  assert.ok(await one.slots?.take('x', HOLDER, WITHIN_MS, never))
  const shownOf = async () => (await one.nodes()).map(({ locks, slots }) => `${locks} ${slots}`).toSorted()
  await eventually(WITHIN_MS, 'the other node', async () => (await shownOf()).length === 2 || undefined)
  assert.equal(await shownOf(), ['0 0', '1 1'])
  await one.close()
  assert.ok(await two.locks.acquire('x', () => {}, 0))
  assert.ok(await two.slots?.take('x', HOLDER, 0, never))
  assert.is((await sql.query('SELECT 1 FROM nodes')).changes, 1)
})

test('slots go to those who wait in their order, and never to more than there are', async ({ open }) => {
  const [one, two] = [await open({ slots: 2 }), await open({ slots: 2 })]
  const take = (node: Cluster, id: string, waitMs: number, gone = never) =>
    node.slots?.take(id, HOLDER, waitMs, gone)
  const [a, b] = [await take(one, 'a', WITHIN_MS), await take(two, 'b', WITHIN_MS)]
  assert.ok(a && b)
  assert.is(await take(one, 'c', 0), undefined)
  const order: string[] = []
  const waiting = ['d', 'e', 'f'].map(async (id) => {
    const held = await take(two, id, WITHIN_MS)
    order.push(id)
    await held?.release()
  })
  const left = new AbortController()
  const leaving = take(two, 'g', WITHIN_MS, left.signal)
  left.abort()
  assert.is(await leaving, undefined)
  await a.release()
  await Promise.all(waiting)
  assert.equal(order, ['d', 'e', 'f'])
})

test('two nodes that take turns at the same uploads never hold one at the same time', async ({
  url,
  sql,
}) => {
  const keys = ['x', 'y']
  const nodes = ['a', 'b', 'c'].map((name) => startNode(url, { name, keys, workers: 2, holdMs: 30 }))
  for (const node of nodes)
    await eventually(WITHIN_MS, 'twenty turns', async () => node.reports.length > 40 || undefined)
  assert.equal(refusalsOf(nodes), [])
  const rows = await readEvidence(sql)
  assert.is(tooLate(rows), 0)
  assert.is(new Set(rows.map(({ node }) => node)).size, 3)
})

test('after kill -9 of a holder another node takes over when the lease is over', async ({ url, open }) => {
  const victim = startNode(url, { name: 'victim', keys: ['x'], workers: 1 })
  const { token } = await victim.report('took')
  const other = await open()
  const beganMs = performance.now()
  await victim.kill()
  const held = await other.locks.acquire('x', () => {}, WITHIN_MS)
  console.log(`cluster: takeover ${shown(performance.now() - beganMs)} after a kill, with the lease of 10 s`)
  assert.ok(held && held.token > token)
})

test('a holder that is stopped for longer than its lease has lost it when it goes on', async ({
  url,
  open,
  sql,
}) => {
  const victim = startNode(url, { name: 'victim', keys: ['x'], workers: 1, leaseMs: SHORT_LEASE_MS })
  const { token } = await victim.report('took')
  victim.process.kill('SIGSTOP')
  const other = await open()
  const held = await other.locks.acquire('x', () => {}, WITHIN_MS)
  assert.ok(held && held.token > token)
  await sql.query(`INSERT INTO evidence (key, token, node) VALUES ('x', $1, 'other')`, [held.token])
  const before = victim.reports.length
  victim.process.kill('SIGCONT')
  const ended = await victim.report('ended', before)
  // The request of the other node may have come before its own clock says that the time is over.
  assert.ok(ended.cause === 'lost' || ended.cause === 'asked')
  assert.is(ended.isValid, false)
  const late = await victim.report('late', before)
  assert.is(late.isWritten, false, 'PostgreSQL refuses the token')
  assert.is(tooLate(await readEvidence(sql)), 0)
})

test('"A holder that cannot renew ends its own PATCH before its lease is over"', async (place) => {
  const { postgres, open } = place
  const node = await open({ leaseMs: SHORT_LEASE_MS })
  const other = await open()
  const ends: number[] = []
  const end = (cause: string) => void (cause === 'lost' && ends.push(performance.now()))
  const held = await node.locks.acquire('x', end, WITHIN_MS)
  assert.ok(held?.isValid)
  // A pause, so that it is a heartbeat that is renewed.
  await pause(SHORT_LEASE_MS)
  assert.ok(held.isValid)
  assert.is(await other.locks.acquire('x', () => {}, 0), undefined, 'by the clock of PostgreSQL too')
  const beganMs = performance.now()
  await postgres.kill()
  await eventually(WITHIN_MS, 'the end', async () => ends[0])
  const afterMs = (ends[0] ?? 0) - beganMs
  console.log(
    `cluster: a holder ended ${shown(afterMs)} after PostgreSQL, with a lease of ${shown(SHORT_LEASE_MS)}`,
  )
  assert.is(held.isValid, false)
  await held.release()
  await postgres.restart()
  assert.ok(await node.locks.acquire('x', () => {}, WITHIN_MS), 'it is a member again')
})

test('a short crash of PostgreSQL costs no holder its lock', async ({ postgres, open }) => {
  const node = await open()
  const ends: string[] = []
  const held = await node.locks.acquire('x', (cause) => ends.push(cause), WITHIN_MS)
  await postgres.kill()
  await postgres.restart()
  const other = await open()
  assert.is(
    await other.locks.acquire('x', () => {}, 3_000),
    undefined,
    'the holder was asked, and does not end',
  )
  assert.ok(held?.isValid)
  assert.ok(ends.every((cause) => cause === 'asked'))
})

test('never N + 1 slots: through kill -9 of a node, SIGSTOP beyond the lease, and kill -9 of PostgreSQL', async (place) => {
  const { postgres, url, sql } = place
  const task = { keys: ['x'], workers: 3, slots: 4, leaseMs: SHORT_LEASE_MS, holdMs: 50 }
  const start = (name: string) => startNode(url, { ...task, name })
  const nodes = ['killed', 'stopped', 'c', 'd'].map(start)
  const [killed, stopped, ...others] = nodes
  const turns = async (count: number) => {
    const from = others.map(({ reports }) => reports.length)
    await eventually(WITHIN_MS, `${count} turns`, async () => {
      return (
        others.every(({ reports }, index) => reports.length >= (from[index] ?? 0) + 2 * count) || undefined
      )
    })
  }
  await turns(20)
  await killed?.kill()
  stopped?.process.kill('SIGSTOP')
  await turns(20)
  await pause(2 * SHORT_LEASE_MS)
  stopped?.process.kill('SIGCONT')
  await turns(20)
  await postgres.kill()
  await postgres.restart()
  await turns(20)
  assert.equal(refusalsOf(nodes), [])
  const rows = await readEvidence(sql)
  console.log(
    `cluster: ${rows.length} rows of evidence of ${new Set(rows.map(({ token }) => token)).size} holders of 4 slots`,
  )
  assert.is(tooLate(rows), 0)
  assert.is(mostAtOnce(rows), 4)
})

/** What PostgreSQL refused of holders whose own clocks said that they hold it. */
function refusalsOf(nodes: readonly TestNode[]): readonly NodeReport[] {
  return nodes.flatMap(({ reports }) => reports).filter(({ kind }) => kind === 'refused')
}

cluster.run()
