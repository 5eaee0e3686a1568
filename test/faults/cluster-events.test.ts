// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterEvents } from '../../server/cluster/events.js'
import type { ClusterEvent } from '../../server/model/cluster.js'
import type { EventKind } from '../../server/model/event.js'
import type { UploadRecord } from '../../server/model/record.js'
import { type Notices, type Sql, SqlError } from '../../server/model/sql.js'
import { restView } from '../../server/model/upload-state.js'
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
  /** PostgreSQL takes nothing of what this node sends. */
  isAway: boolean
  /** How often it has not taken it. */
  failed: number
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
  const sending: Sql = {
    ...sql,
    query: async (text, values) => {
      if (!node.isAway) return await sql.query(text, values)
      node.failed += 1
      throw new SqlError('gone', 'it is away')
    },
  }
  const events = new ClusterEvents({ sql: sending, notices, log, origin })
  events.listen({
    heard: (event) => heard.push(event),
    missed: () => {
      node.missed += 1
    },
  })
  const node: Node = { sql, notices, events, heard, missed: 0, isAway: false, failed: 0 }
  await connected(notices)
  return node
}

/** An event of an upload. */
const event = (kind: EventKind, number: number, changes: Partial<UploadRecord> = {}) => {
  return { kind, state: restView(record(number, changes)), token: number }
}

const connected = (notices: Notices) =>
  eventually(WITHIN_MS, 'the connection', async () => notices.isConnected || undefined)

test('"an upload on node A shows on the page served by node B": events come in order, and not to oneself', async ({
  nodes: [one, two],
}) => {
  const beganMs = performance.now()
  for (let number = 0; number < 100; number++) one.events.send(event('progress', 1, { offset: number }))
  one.events.send(event('finished', 1, { state: 'finished' }))
  await eventually(WITHIN_MS, 'the events', async () => two.heard.length === 101 || undefined)
  console.log(`cluster: 101 events in ${(performance.now() - beganMs).toFixed(0)} ms`)
  assert.equal(
    two.heard.slice(0, 100).map(({ state }) => state.offset),
    Array.from({ length: 100 }, (_, number) => number),
  )
  assert.equal(two.heard[100], { ...event('finished', 1, { state: 'finished' }), origin: 'one' })
  two.events.send(event('created', 2))
  await eventually(WITHIN_MS, 'the answer', async () => one.heard[0])
  assert.equal(
    one.heard.map(({ state }) => state.id),
    [record(2).id],
  )
})

test('a record that is too long for one notice comes whole, in its place among the others', async ({
  nodes: [one, two],
}) => {
  // Each of these characters takes six bytes in a notice.
  const long = { metadata: 'x'.repeat(8_192), filename: 'é😀\0"\\'.repeat(1_000) }
  const sent = [event('created', 1, long), event('created', 2), event('progress', 1, long)]
  for (const each of sent) one.events.send(each)
  await eventually(WITHIN_MS, 'the events', async () => two.heard.length === 3 || undefined)
  assert.equal(
    two.heard,
    sent.map((each) => ({ ...each, origin: 'one' })),
  )
  assert.is(two.missed, 0)
})

test('a notice that is none of ours may stand in the place of one: then events count as missed', async ({
  nodes: [one, two],
}) => {
  const strange = ['', 'x', 'x:1:2/2:{}', 'x:1:1/1:{}', 'x:1:1/1:null', 'x:1:1/1:{"kind":1}', 'x:1:1/99:{}']
  for (const text of strange) await one.sql.query("SELECT pg_notify('lading_events', $1)", [text])
  one.events.send(event('created', 1))
  await eventually(WITHIN_MS, 'an event after them', async () => two.heard[0])
  assert.equal([two.missed, two.heard.length], [strange.length, 1])
})

/** The other node hears that it has missed events, and of what comes afterwards. Its own connection was there all the time. */
async function assertMissed({ nodes: [one, two] }: Place): Promise<void> {
  await eventually(WITHIN_MS, 'the word that events were missed', async () => two.missed > 0 || undefined)
  one.events.send(event('created', 9_999))
  await eventually(WITHIN_MS, 'an event after it', async () => {
    return two.heard.some(({ state }) => state.id === record(9_999).id) || undefined
  })
  assert.ok(two.notices.isConnected)
}

test('"Events are dropped while PostgreSQL is away; a payload says so afterwards"', async (place) => {
  const [one] = place.nodes
  one.isAway = true
  one.events.send(event('created', 1))
  await eventually(WITHIN_MS, 'the event dropped', async () => one.failed > 0 || undefined)
  one.isAway = false
  await assertMissed(place)
  assert.not(place.nodes[1].heard.some(({ state }) => state.id === record(1).id))
})

test('events beyond the bytes that may wait are dropped, and a payload says so', async (place) => {
  const [one] = place.nodes
  const long = { metadata: 'x'.repeat(8_192) }
  for (let number = 0; number < 300; number++) one.events.send(event('created', number, long))
  await assertMissed(place)
})

test('a node that PostgreSQL was away from has missed events', async (place) => {
  const { postgres, nodes } = place
  const [one, two] = nodes
  await postgres.kill()
  for (let number = 0; number < 1_000; number++) one.events.send(event('created', number))
  await postgres.restart()
  await connected(two.notices)
  await eventually(WITHIN_MS, 'the word of it', async () => two.missed > 0 || undefined)
  await eventually(WITHIN_MS, 'an event after it', async () => {
    one.events.send(event('created', 5_000))
    return two.heard.some(({ state }) => state.id === record(5_000).id) || undefined
  })
})

suiteOfEvents.run()
