// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OwnerSlots } from '../../hooks/owner-slots.js'
import { SharedDayBytes } from '../../hooks/shared-day-bytes.js'
import { Slots } from '../../hooks/slots.js'
import type { Cluster, ClusterOptions } from '../../server/cluster/cluster.js'
import { UploadError } from '../../server/errors.js'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { openCluster } from '../helpers/cluster-node.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { eventually } from '../helpers/server.js'

interface Place {
  postgres: Postgres
  sql: Sql
  open(options?: Partial<ClusterOptions>): Promise<Cluster>
}

const WITHIN_MS = 60_000
const never = new AbortController().signal
const log = { error() {} }
const opened: Cluster[] = []

const owners = suite<Place>('limits of owners in PostgreSQL')
const test = needsPostgres(owners)

test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const open = async (options: Partial<ClusterOptions> = {}) => {
    const node = await openCluster(url, options)
    opened.push(node)
    await node.joined()
    return node
  }
  Object.assign(place, { open, sql: await openSql(url) })
})
test.after.each(async ({ sql }) => {
  await Promise.all(opened.splice(0).map((node) => node.close()))
  await sql.end()
})
test.after(({ postgres }) => postgres.kill())

const codeOf = (error: unknown): string => (error instanceof UploadError ? error.code : String(error))
const slotsOf = (cluster: Cluster, waitMs = 0): OwnerSlots =>
  new OwnerSlots({
    own: new Slots({ limit: 50, limitPerOwner: 3, waitMs, mostWaiting: 50 }),
    cluster: cluster.ownerSlots(3),
    ...{ waitMs, monotonic: () => performance.now() },
  })

test('an owner has at most as many active uploads on all nodes as --slots-per-owner says, exactly', async ({
  open,
}) => {
  const nodes = [slotsOf(await open()), slotsOf(await open())] as const
  const taken = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const node = nodes[n % 2 === 0 ? 0 : 1]
      return node.take(`upload ${n}`, never, 'ann').catch(codeOf)
    }),
  )
  const held = taken.filter((each) => typeof each === 'function')
  assert.is(held.length, 3)
  assert.equal([...new Set(taken.filter((each) => typeof each === 'string'))], ['owner_slots_full'])
  assert.type(await nodes[1].take('of another', never, 'ben'), 'function')
  assert.type(nodes[1].tryTake('of nobody'), 'function')
})

test('a node that is stopped while it takes a slot keeps no other node from the slots of the same owner', async ({
  open,
  sql,
}) => {
  let goOn = (): void => {}
  let asked = (): void => {}
  const stop = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  // The node says nothing more after the first answer in a transaction.
  const stopped: Sql = {
    place: sql.place,
    query: (text, values) => sql.query(text, values),
    migrate: (part, steps) => sql.migrate(part, steps),
    end: async () => {},
    transaction: (work) =>
      sql.transaction((queries) =>
        work({
          query: async (text, values) => {
            const answer = await queries.query<never>(text, values)
            asked()
            await stop
            return answer
          },
        }),
      ),
  }
  const [one, two] = [slotsOf(await open({ sql: stopped })), slotsOf(await open())]
  const taking = one.take('a', never, 'ann')
  await Promise.race([taking, isAsked])
  try {
    assert.type(await two.take('b', never, 'ann'), 'function')
  } finally {
    goOn()
    await taking
  }
})

test('an upload that goes on at another node shares the slot that its older request still has', async ({
  open,
}) => {
  const [one, two] = [slotsOf(await open()), slotsOf(await open())]
  for (const id of ['a', 'b', 'c']) await one.take(id, never, 'ann')
  const again = await two.take('c', never, 'ann')
  assert.type(again, 'function')
  assert.is(await two.take('d', never, 'ann').then(String, codeOf), 'owner_slots_full')
  again?.()
  again?.()
})

test('a slot that comes free at one node is given to a request that waits at another', async ({ open }) => {
  const [one, two] = [slotsOf(await open()), slotsOf(await open(), WITHIN_MS)]
  const held = await Promise.all(['a', 'b', 'c'].map((id) => one.take(id, never, 'ann')))
  const waiting = two.take('d', never, 'ann')
  held[0]?.()
  assert.type(await waiting, 'function')
  const left = new AbortController()
  const gone = two.take('e', left.signal, 'ann')
  left.abort()
  assert.is(await gone, null)
})

test('the slots of a node that died are free once its lease is over', async ({ open, sql }) => {
  const one = slotsOf(await open({ leaseMs: 2_000 }))
  const two = slotsOf(await open({ leaseMs: 2_000 }), WITHIN_MS)
  for (const id of ['a', 'b', 'c']) await one.take(id, never, 'ann')
  // As if its last heartbeat were long ago.
  await sql.query(`DELETE FROM nodes WHERE id IN (SELECT node FROM owner_slots)`)
  assert.type(await two.take('d', never, 'ann'), 'function')
})

test('"503" while PostgreSQL is away', async ({ open, postgres }) => {
  const one = slotsOf(await open())
  await one.take('a', never, 'ann')
  const days = new SharedDayBytes(100, (await open()).sql, log)
  ;(await days.reserve('ann', 1, 1))(1)
  await postgres.kill()
  assert.is(await one.take('b', never, 'ann').then(String, codeOf), 'storage_unavailable')
  assert.is(await days.reserve('ann', 1, 1).then(String, codeOf), 'storage_unavailable')
  await postgres.restart()
  await eventually(WITHIN_MS, 'a slot', async () => {
    const taken = await one.take('b', never, 'ann').catch(() => undefined)
    return taken ?? undefined
  })
})

test('an owner sends at most --max-bytes-per-owner-per-day on all nodes, exactly', async ({ open, sql }) => {
  const nodes = [await open(), await open()].map((node) => new SharedDayBytes(100, node.sql, log))
  const asked = Array.from({ length: 30 }, async (_, n) => {
    return nodes[n % 2]?.reserve('ann', 9, 9).then(
      (stored) => stored,
      (error: unknown) => codeOf(error),
    )
  })
  const said = await Promise.all(asked)
  const reserved = said.flatMap((each) => (typeof each === 'function' ? [each] : []))
  assert.is(reserved.length, 11)
  assert.is(said.filter((each) => each === 'owner_bytes_used').length, 19)
  for (const stored of reserved) stored(1)
  await eventually(WITHIN_MS, 'the bytes that were stored', async () => {
    const { rows } = await sql.query<{ bytes: number }>('SELECT bytes FROM owner_days')
    return rows[0]?.bytes === 11 || undefined
  })
  assert.is(await nodes[1]?.reserve('ann', 0, 90).then(String, codeOf), 'owner_bytes_used')
  assert.type(await nodes[1]?.reserve('ann', 0, 89), 'function')
  assert.is(await nodes[1]?.reserve('ben', 0, 101).then(String, codeOf), 'owner_bytes_used')
})

test('bytes of earlier days are removed', async ({ open, sql }) => {
  const { sql: own } = await open()
  await new SharedDayBytes(100, own, log).reserve('ann', 1, 1)
  await sql.query(`INSERT INTO owner_days VALUES ('2020-01-01', 'ann', 100)`)
  assert.type(await new SharedDayBytes(100, own, log).reserve('ann', 1, 1), 'function')
  await eventually(WITHIN_MS, 'one day', async () => {
    return (await sql.query('SELECT 1 FROM owner_days')).rows.length === 1 || undefined
  })
})

test('a heartbeat waits for nothing that nodes share: a node keeps its lease while requests queue for one row', async ({
  open,
  sql,
}) => {
  const node = await open({ leaseMs: 3_000 })
  const id = node.nodeId
  await new SharedDayBytes(100, node.sql, log).reserve('ann', 1, 1)
  const take = `UPDATE owner_days SET bytes = bytes + 1 WHERE owner = 'ann'`
  await sql.transaction(async (queries) => {
    await queries.query(take)
    // All of them fail, after seconds.
    const waiting = await Promise.allSettled(Array.from({ length: 40 }, () => node.sql.query(take)))
    assert.ok(waiting.every(({ status }) => status === 'rejected'))
  })
  assert.ok(id)
  assert.is(node.nodeId, id)
})

owners.run()
