// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterEvents } from '../../server/cluster/events.js'
import type { ClusterEvent } from '../../server/model/cluster.js'
import type { Notices, Sql } from '../../server/model/sql.js'
import { openNotices } from '../../server/postgres/notices.js'
import { openSql } from '../../server/postgres/pool.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { record } from '../helpers/record.js'
import { eventually } from '../helpers/server.js'

interface Node {
  readonly sql: Sql
  readonly notices: Notices
  readonly events: ClusterEvents
  readonly heard: ClusterEvent[]
  missed: number
}

interface Place {
  postgres: Postgres
  nodes: readonly [Node, Node]
}

const WITHIN_MS = 60_000
const log = { info() {}, warn() {}, error() {} }

const suiteOfEvents = suite<Place>('cluster, events')
const test = needsPostgres(suiteOfEvents)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  place.nodes = [await open(url, 'one'), await open(url, 'two')]
})
test.after.each(async ({ nodes }) => {
  for (const { events, notices, sql } of nodes) {
    await events.close()
    await Promise.all([notices.end(), sql.end()])
  }
})
test.after(({ postgres }) => postgres.kill())

async function open(url: string, origin: string): Promise<Node> {
  const [sql, notices] = [await openSql(url), await openNotices(url)]
  const heard: ClusterEvent[] = []
  const missed = (): void => {
    node.missed += 1
  }
  const events = new ClusterEvents({
    ...{ sql, notices, log, origin, missed },
    heard: (event) => heard.push(event),
  })
  const node: Node = { sql, notices, events, heard, missed: 0 }
  await connected(notices)
  return node
}

const connected = (notices: Notices) =>
  eventually(WITHIN_MS, 'the connection', async () => notices.isConnected || undefined)

test('"an upload on node A shows on the page served by node B": events come in order, and not to oneself', async ({
  nodes: [one, two],
}) => {
  const beganMs = performance.now()
  for (let number = 0; number < 100; number++) one.events.send('progress', record(1, { offset: number }))
  one.events.send('finished', record(1, { state: 'finished' }))
  await eventually(WITHIN_MS, 'the events', async () => two.heard.length === 101 || undefined)
  console.log(`cluster: 101 events in ${(performance.now() - beganMs).toFixed(0)} ms`)
  assert.equal(
    two.heard.slice(0, 100).map((event) => event.record?.offset),
    Array.from({ length: 100 }, (_, number) => number),
  )
  assert.equal(two.heard[100], {
    kind: 'finished',
    id: record(1).id,
    record: record(1, { state: 'finished' }),
  })
  two.events.send('created', record(2))
  await eventually(WITHIN_MS, 'the answer', async () => one.heard[0])
  assert.equal(
    one.heard.map(({ id }) => id),
    [record(2).id],
  )
})

test('a record that is too long for a notice comes without its contents', async ({ nodes: [one, two] }) => {
  one.events.send('created', record(1, { metadata: 'x'.repeat(8_000) }))
  one.events.send('created', record(2, { metadata: 'x'.repeat(7_000) }))
  await eventually(WITHIN_MS, 'the events', async () => two.heard.length === 2 || undefined)
  assert.equal(two.heard[0], { kind: 'created', id: record(1).id, record: null })
  assert.is(two.heard[1]?.record?.metadata?.length, 7_000)
})

test('what is sent while PostgreSQL is away is missed, and the other node is told so', async (place) => {
  const { postgres, nodes } = place
  const [one, two] = nodes
  await postgres.kill()
  for (let number = 0; number < 1_000; number++) one.events.send('created', record(number))
  await postgres.restart()
  await connected(two.notices)
  await eventually(WITHIN_MS, 'the word of it', async () => two.missed > 0 || undefined)
  await eventually(WITHIN_MS, 'an event after it', async () => {
    one.events.send('created', record(5_000))
    return two.heard.some(({ id }) => id === record(5_000).id) || undefined
  })
})

suiteOfEvents.run()
