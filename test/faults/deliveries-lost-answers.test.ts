// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, told, until } from '../helpers/deliveries-place.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { SqlDeliveriesPlace } from '../helpers/sql-deliveries-place.js'

interface Context {
  place: SqlDeliveriesPlace
  postgres: Postgres
}

const lost = suite<Context>('deliveries when answers of PostgreSQL are lost')
const test = needsPostgres(lost)

test.before(async (context) => {
  context.postgres = await startPostgres()
})
test.before.each(async (context) => {
  context.place = new SqlDeliveriesPlace(await context.postgres.database())
})
test.after.each(({ place }) => place.leave())
test.after(({ postgres }) => postgres.kill())

const TAKE = /SET node = \$5 FROM free/
const TAKE_IDLE = /AS "isTaken"/
const FREE = /SET node = NULL WHERE endpoint = \$1 AND node = \$2/

test('an upload is sent though the answer was lost that said that this node has it, and what comes later too', async ({
  place,
}) => {
  const { node, sql } = await place.startLossy()
  sql.loses = TAKE
  node.notify(call('post-create', 1))
  await told(place, node, 1)
  node.notify(call('post-terminate', 1))
  await told(place, node, 2)
  assert.is(sql.loses, undefined)
  assert.equal(place.endpoint.told, ['post-create 1', 'post-terminate 1'])
})

test('an upload is sent though PostgreSQL took it for a query that was given up seconds ago', async ({
  place,
}) => {
  const { node, sql } = await place.startLossy()
  sql.delays = { query: TAKE, after: FREE }
  node.notify(call('post-create', 1))
  await told(place, node, 1)
  assert.is(sql.delays, undefined)
})

test('events of an upload are sent though the answer was lost that let its notice of progress go out', async ({
  place,
}) => {
  const { node, sql } = await place.startLossy()
  sql.loses = TAKE_IDLE
  node.notify(call('post-receive', 1))
  await until('the loss', () => sql.loses === undefined)
  node.notify(call('post-terminate', 1))
  await until('its event', () => place.endpoint.told.includes('post-terminate 1'))
  await told(place, node, 1)
})

lost.run()
