/**
 * A node in a process of its own: `deliveries-main.js URL JSON`. It finishes uploads one after the other, as far as its
 * task says for each, tells the test, and lives on. Its endpoint never answers.
 */
import { SqlDeliveries } from '../../hooks/delivery/postgres/sql-deliveries.js'
import { openCluster } from './cluster-node.js'
import { call, idOf } from './deliveries-place.js'
import { type FinishTask, finishedIn } from './finish-node.js'

const [, , url = '', json = '[]'] = process.argv
const tasks: readonly FinishTask[] = JSON.parse(json)
const log = { info() {}, warn() {}, error() {} }
const cluster = await openCluster(url, { leaseMs: 2_000, name: 'finishing' })
await cluster.joined()
const { sql } = cluster
const deliveries = await SqlDeliveries.start({
  endpoints: [
    {
      name: 'http',
      listensTo: () => true,
      notify: () => {
        process.send?.('sending')
        return new Promise(() => {})
      },
    },
  ],
  cluster,
  finished: (id) => finishedIn(sql, id),
  stopUpload: () => {},
  progressIntervalMs: 1_000,
  log,
  now: Date.now,
})
for (const { number, until } of tasks) {
  await deliveries.intend(idOf(number))
  if (until === 'intended') continue
  await sql.query('INSERT INTO facts VALUES ($1, $2)', [idOf(number), number])
  if (until === 'stored') continue
  deliveries.confirm(call('post-finish', number))
  if (until === 'kept') await deliveries.settled(idOf(number))
}
process.send?.('ready')
