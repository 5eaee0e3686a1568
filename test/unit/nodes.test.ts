import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EventHearer } from '../../server/cluster/events.js'
import { HeldTokens } from '../../server/cluster/held-tokens.js'
import type { ClusterEvent } from '../../server/model/cluster.js'
import type { UploadRecord } from '../../server/model/record.js'
import { SqlError } from '../../server/model/sql.js'
import { restView } from '../../server/model/upload-state.js'
import { createNodes } from '../../server/nodes.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import { record } from '../helpers/record.js'

const test = suite('nodes')
const opened: (() => void)[] = []
test.after(() => {
  for (const stop of opened) stop()
})

const noSql = async (): Promise<never> => {
  throw new SqlError('gone', 'a test has no database')
}

/** A node whose cluster is the test. */
async function place() {
  const sent: Omit<ClusterEvent, 'origin'>[] = []
  const lease = { isMember: true }
  const tokens = new HeldTokens()
  const unfinished = new Unfinished(10)
  let hearer: EventHearer | undefined
  const slots = { take: async () => null, tryTake: () => undefined }
  const nodes = await createNodes({
    cluster: {
      ...{ name: 'own', nodes: noSql, slots: undefined, tokens },
      sql: { place: '', query: noSql, transaction: noSql, migrate: noSql, end: async () => {} },
      get isMember() {
        return lease.isMember
      },
      events: {
        send: (event) => void sent.push(event),
        listen: (each) => {
          hearer = each
        },
      },
    },
    ...{ slots, slotWaitMs: 0, unfinished, monotonic: () => 0, log: { error() {} } },
    uploads: { peek: () => undefined, receiving: () => [] },
    take: () => {},
    reset: () => {},
  })
  opened.push(nodes.stop)
  const hear = (number: number, state: UploadRecord['state'], token: number | null): void =>
    hearer?.heard({ origin: 'other', kind: 'progress', token, state: restView(record(number, { state })) })
  const hold = (number: number): void =>
    tokens.add(record(number).id, { token: 7, isValid: true, release: async () => {} })
  return { nodes, sent, lease, unfinished, hear, hold }
}

test('"bounded memory": an upload that ends on another node is no longer among the unfinished ones here', async () => {
  const { unfinished, hear } = await place()
  for (const number of [1, 2, 3, 4]) unfinished.set(record(number).id, 0)
  hear(1, 'finished', 2)
  hear(2, 'terminated', null)
  hear(3, 'paused', 3)
  // It came late for those who look: an upload that has ended does not begin again.
  hear(4, 'paused', 5)
  hear(4, 'finished', 4)
  assert.equal(
    [1, 2, 3, 4].map((number) => unfinished.has(record(number).id)),
    [false, false, true, false],
  )
})

test('a node without a lease says nothing of uploads, which other nodes may have by now', async () => {
  const { nodes, sent, lease, hold } = await place()
  hold(1)
  nodes.note({ kind: 'progress', record: record(1, { state: 'paused' }) })
  assert.equal(
    sent.map(({ kind, token }) => [kind, token]),
    [['progress', 7]],
  )
  lease.isMember = false
  for (const kind of ['progress', 'finished', 'terminated'] as const) nodes.note({ kind, record: record(1) })
  assert.is(sent.length, 1)
})

test('with a new lease it says nothing of how far uploads were under the one that was lost', async () => {
  const { nodes, sent } = await place()
  nodes.note({ kind: 'progress', record: record(1, { state: 'paused' }) })
  assert.is(sent.length, 0)
  // A node that has just given the lock back.
  nodes.note({ kind: 'finished', record: record(1, { state: 'finished' }) })
  assert.equal(
    sent.map(({ kind, token }) => [kind, token]),
    [['finished', null]],
  )
})

test.run()
