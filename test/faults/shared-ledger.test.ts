// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cluster } from '../../server/cluster/cluster.js'
import type { HeldTokens } from '../../server/cluster/held-tokens.js'
import type { Held } from '../../server/model/cluster.js'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { FINALS_STEPS } from '../../server/s3/finals-schema.js'
import { LEDGER_STEPS } from '../../server/s3/ledger-schema.js'
import { SqlLedger } from '../../server/s3/sql-ledger.js'
import { openCluster } from '../helpers/cluster-node.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'

const ID = '20261126-0123456789abcdef0123456789abcdef'
const OTHER = '20261126-fedcba9876543210fedcba9876543210'
const NEW = '20261126-00000000000000000000000000000000'

interface Node {
  readonly cluster: Cluster
  readonly tokens: HeldTokens
  readonly ledger: SqlLedger
  /** Takes the lock of an upload. */
  take(id: string): Promise<Held>
}

interface Place {
  postgres: Postgres
  url: string
  sql: Sql
  nodes: Node[]
  node(): Promise<Node>
}

const ledgers = suite<Place>('ledger of many nodes')
const test = needsPostgres(ledgers)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const sql = await openSql(url)
  await sql.migrate('s3', LEDGER_STEPS)
  await sql.migrate('s3_finals', FINALS_STEPS)
  const nodes: Node[] = []
  const node = async (): Promise<Node> => {
    const cluster = await openCluster(url)
    await cluster.joined()
    const { tokens } = cluster
    const take = async (id: string): Promise<Held> => {
      const held = await cluster.locks.tryAcquire(id, () => {})
      assert.ok(held)
      tokens.add(id, held)
      return held
    }
    const ledger = new SqlLedger({ sql, tokenOf: (id) => tokens.of(id), isShared: true })
    const made = { cluster, tokens, ledger, take }
    nodes.push(made)
    return made
  }
  Object.assign(place, { url, sql, nodes, node })
})
test.after.each(async ({ nodes, sql }) => {
  await Promise.all(nodes.map(({ cluster }) => cluster.close()))
  await sql.end()
})
test.after(({ postgres }) => postgres.kill())

/** What another node does that finds the lease of all others over. */
const reap = (sql: Sql, keep: string) =>
  sql.query('DELETE FROM nodes WHERE id <> (SELECT node FROM upload_locks WHERE id = $1)', [keep])

test('a holder whose lease another node has found over writes nothing more, and removes nothing', async ({
  node,
  sql,
}) => {
  const [one, two] = [await node(), await node()]
  const held = await one.take(ID)
  assert.ok(await one.ledger.create(ID, 'first', held.token))
  assert.ok(await one.ledger.write(ID, held.token, { facts: 'second' }))
  const unborn = await one.take(NEW)
  const other = await two.take(OTHER)
  await reap(sql, OTHER)
  assert.not(await one.ledger.write(ID, held.token, { facts: 'late' }), 'before the next holder has written')
  assert.equal(await one.ledger.beginRemoval([ID], [held.token]), [])
  assert.not(await one.ledger.create(NEW, 'late', unborn.token))
  assert.is((await two.ledger.find(ID))?.facts, 'second')
  const next = await two.take(ID)
  assert.ok(await two.ledger.write(ID, next.token, { facts: 'third' }))
  assert.equal(
    (await two.ledger.beginRemoval([ID, OTHER], [next.token, other.token])).map(({ id }) => id),
    [ID],
  )
})

test('what a node has in memory is old once another one has written, and not because another one has read', async ({
  node,
}) => {
  const [one, two] = [await node(), await node()]
  const first = await one.take(ID)
  await one.ledger.create(ID, 'first', first.token)
  await first.release()
  const reader = await two.take(ID)
  assert.not(await two.ledger.isAsLeft(ID), 'it never had it')
  assert.ok(await two.ledger.isAsLeft(ID), 'it has read it since')
  await reader.release()
  const again = await one.take(ID)
  assert.ok(await one.ledger.isAsLeft(ID))
  await again.release()
  const writer = await two.take(ID)
  await two.ledger.write(ID, writer.token, { facts: 'second' })
  await writer.release()
  await one.take(ID)
  assert.not(await one.ledger.isAsLeft(ID))
})

test('what is read without the lock is not taken for what is in memory', async ({ node }) => {
  const [one, two] = [await node(), await node()]
  const first = await one.take(ID)
  await one.ledger.create(ID, 'first', first.token)
  one.tokens.remove(ID, first)
  await first.release()
  const writer = await two.take(ID)
  await two.ledger.write(ID, writer.token, { facts: 'second' })
  assert.is((await one.ledger.find(ID))?.facts, 'second')
  await writer.release()
  await one.take(ID)
  assert.not(await one.ledger.isAsLeft(ID))
})

test('tokens of an existing ledger go on above all that were written', async ({ node, sql }) => {
  await sql.query(`SELECT setval('s3_tokens', 500)`)
  const { cluster } = await node()
  const held = await cluster.locks.tryAcquire(ID, () => {})
  assert.ok(held && held.token > 500, `${held?.token}`)
})

ledgers.run()
