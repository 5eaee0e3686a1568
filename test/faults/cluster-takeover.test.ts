// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cluster, ClusterOptions } from '../../server/cluster/cluster.js'
import type { SlotHolder } from '../../server/model/cluster.js'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { openCluster } from '../helpers/cluster-node.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'

interface Place {
  postgres: Postgres
  sql: Sql
  open(options?: Partial<ClusterOptions>): Promise<Cluster>
}

const HOLDER: SlotHolder = { end: () => {}, mayInterrupt: () => true }
const WITHIN_MS = 60_000
const never = new AbortController().signal
const opened: Cluster[] = []

const cluster = suite<Place>('cluster, slots that move')
const test = needsPostgres(cluster)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const sql = await openSql(url)
  const open = async (options: Partial<ClusterOptions> = {}) => {
    const node = await openCluster(url, options)
    opened.push(node)
    return node
  }
  Object.assign(place, { sql, open })
})
test.after.each(async ({ sql }) => {
  await Promise.all(opened.splice(0).map((node) => node.close()))
  await sql.end()
})
test.after(({ postgres }) => postgres.kill())

const take = (node: Cluster, id: string, waitMs: number, gone = never) =>
  node.slots?.take(id, HOLDER, waitMs, gone)

/** Takes an upload's slot and lock at a node; both are given back when another node asks, after `ending`. */
async function hold(node: Cluster, id: string, { waitMs = WITHIN_MS, ending = async () => {} } = {}) {
  const held = await take(node, id, waitMs)
  if (!held) throw new Error(`there is no slot for ${id}`)
  let isEnded = false
  const end = async (): Promise<void> => {
    if (isEnded) return
    isEnded = true
    await ending()
    await Promise.all([held.release(), lock?.release()])
  }
  const lock = await node.locks.acquire(id, () => void end(), WITHIN_MS)
}

/** The uploads that have slots. */
async function holdersIn(sql: Sql): Promise<string[]> {
  const { rows } = await sql.query<{ upload: string }>(
    'SELECT upload FROM cluster_slots WHERE node IS NOT NULL ORDER BY upload',
  )
  return rows.map(({ upload }) => upload)
}

test('an upload that goes on at another node gets the slot of its older request, also where nobody may wait', async ({
  open,
}) => {
  const [one, two] = [await open({ slots: 1 }), await open({ slots: 1 })]
  const held = await one.slots?.take('x', HOLDER, WITHIN_MS, never)
  assert.is(await two.slots?.take('y', HOLDER, 0, never), undefined)
  const stranger = { ...HOLDER, mayInterrupt: () => false }
  const asked: string[] = []
  const lock = await one.locks.acquire(
    'x',
    (cause) => {
      asked.push(cause)
      void lock?.release()
      void held?.release()
    },
    WITHIN_MS,
  )
  assert.is(await two.slots?.take('x', stranger, 0, never), undefined)
  assert.equal(asked, [])
  assert.ok(await two.slots?.take('x', HOLDER, 0, never))
  assert.ok(asked.includes('asked'))
})

test('the slot of an upload that goes on at another node stays with that upload, whoever waits at any node', async ({
  open,
  sql,
}) => {
  const [one, two, three] = [await open({ slots: 1 }), await open({ slots: 1 }), await open({ slots: 1 })]
  await hold(one, 'x')
  const over = new AbortController()
  const others = [one, two, two, three].map((node, n) => take(node, `other ${n}`, WITHIN_MS, over.signal))
  // A call that asks later has its answer.
  for (const node of [one, two, three]) assert.is(await take(node, 'late', 0), undefined)
  await hold(two, 'x', { waitMs: 10_000 })
  assert.equal(await holdersIn(sql), ['x'])
  await hold(three, 'x', { waitMs: 0 })
  assert.equal(await holdersIn(sql), ['x'])
  over.abort()
  assert.equal(await Promise.all(others), [undefined, undefined, undefined, undefined])
})

test('an upload that goes on at another node has one slot all the time: another upload gets the second', async ({
  open,
  sql,
}) => {
  const [one, two, three] = [await open({ slots: 2 }), await open({ slots: 2 }), await open({ slots: 2 })]
  const seen: string[][] = []
  await hold(one, 'x', {
    ending: async () => {
      seen.push(await holdersIn(sql))
      assert.ok(await take(three, 'y', 0), 'there is room for another')
    },
  })
  await hold(two, 'x')
  assert.equal([...seen, await holdersIn(sql)], [['x'], ['x', 'y']])
})

test('a holder that does not end keeps nobody from a slot that is free, nor does a request that has left', async ({
  open,
}) => {
  const [one, two] = [await open({ slots: 2 }), await open({ slots: 2 })]
  const held = await take(one, 'x', 0)
  const next = await take(two, 'x', 0)
  assert.ok(next, 'after a while')
  const gone = new AbortController()
  const asking = take(two, 'x', WITHIN_MS, gone.signal)
  assert.is(await take(two, 'y', 0), undefined)
  gone.abort()
  assert.is(await asking, undefined)
  await Promise.all([held?.release(), next.release()])
  // The slot is kept for whoever asked, and then for nobody.
  assert.ok(await take(one, 'y', WITHIN_MS))
  assert.ok(await take(one, 'z', WITHIN_MS))
})

cluster.run()
