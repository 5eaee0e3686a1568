import { suite } from 'uvu'
import { keepsDeliveries } from '../helpers/deliveries-contract.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { SqlDeliveriesPlace } from '../helpers/sql-deliveries-place.js'

interface Context {
  place: SqlDeliveriesPlace
  postgres: Postgres
}

const deliveries = suite<Context>('deliveries in PostgreSQL')
const test = needsPostgres(deliveries)

test.before(async (context) => {
  context.postgres = await startPostgres()
})
test.before.each(async (context) => {
  context.place = new SqlDeliveriesPlace(await context.postgres.database())
})
test.after.each(({ place }) => place.leave())
test.after(({ postgres }) => postgres.kill())

keepsDeliveries(test)

deliveries.run()
