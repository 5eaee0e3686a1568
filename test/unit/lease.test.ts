import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Lease } from '../../server/cluster/lease.js'
import { type Sql, SqlError } from '../../server/model/sql.js'
import { eventually } from '../helpers/server.js'

const test = suite('lease')

const WITHIN_MS = 30_000
const log = { info() {}, warn() {}, error() {} }

/** A PostgreSQL that only knows heartbeats, and a clock that is set by hand. */
class FakeSql implements Sql {
  readonly place = 'nowhere'
  readonly asked: string[] = []
  nowMs = 1_000
  /** How long a registration takes. */
  takesMs = 0
  beats: 'renewed' | 'unknown' | 'gone' = 'renewed'

  async query<Row extends object>(text: string): Promise<{ rows: Row[]; changes: number }> {
    const [verb = ''] =
      /INSERT|UPDATE|DELETE/.exec(text.replace(/^WITH [\s\S]*?\n {2}UPDATE/, 'UPDATE')) ?? []
    this.asked.push(verb)
    if (verb === 'INSERT') this.nowMs += this.takesMs
    if (verb === 'UPDATE' && this.beats === 'gone') throw new SqlError('gone', 'nobody there')
    return { rows: [], changes: verb === 'UPDATE' && this.beats === 'unknown' ? 0 : 1 }
  }

  async transaction(): Promise<never> {
    throw new Error('is not used')
  }

  async migrate(): Promise<number> {
    return 1
  }

  async end(): Promise<void> {}
}

async function withLease(
  work: (lease: Lease, sql: FakeSql) => Promise<void>,
  leaseMs?: number,
): Promise<void> {
  const sql = new FakeSql()
  const options = { sql, log, name: 'node', monotonic: () => sql.nowMs }
  const lease = new Lease(leaseMs === undefined ? options : { ...options, leaseMs })
  try {
    await work(lease, sql)
  } finally {
    await lease.close()
  }
}

const countOf = (sql: FakeSql, verb: string): number => sql.asked.filter((each) => each === verb).length

test('"a holder that cannot renew ends before its lease is over": 8 of 10 s, from before the lease was asked for', async () => {
  await withLease(async (lease, sql) => {
    sql.takesMs = 3_000
    const id = await lease.obtained()
    sql.nowMs = 1_000 + 7_999
    assert.equal([lease.isValid, lease.id], [true, id])
    sql.nowMs += 1
    assert.equal([lease.isValid, lease.id], [false, undefined])
  })
})

test('a process that was stopped for longer ends what it held, and begins again under one new id', async () => {
  await withLease(async (lease, sql) => {
    const first = await lease.obtained()
    const ends: string[] = []
    lease.hold((cause) => ends.push(cause))
    lease.hold(() => ends.push('given back'))()
    sql.nowMs += 60_000
    const second = await lease.obtained()
    assert.equal([ends, countOf(sql, 'INSERT')], [['lost'], 2])
    assert.is.not(first, second)
    assert.is(lease.id, second)
  })
})

test('a lease that PostgreSQL does not know any more is lost at the next heartbeat', async () => {
  await withLease(async (lease, sql) => {
    await lease.obtained()
    const ends: string[] = []
    lease.hold((cause) => ends.push(cause))
    sql.beats = 'unknown'
    await eventually(WITHIN_MS, 'the loss', async () => ends[0])
    sql.beats = 'renewed'
    await eventually(WITHIN_MS, 'the new lease', async () => lease.id)
    assert.equal([ends, countOf(sql, 'INSERT')], [['lost'], 2])
  }, 40)
})

test('a heartbeat that fails is tried again, and the lease goes on', async () => {
  await withLease(async (lease, sql) => {
    const id = await lease.obtained()
    sql.beats = 'gone'
    const before = countOf(sql, 'UPDATE')
    await eventually(WITHIN_MS, 'three tries', async () => countOf(sql, 'UPDATE') > before + 3 || undefined)
    assert.is(lease.id, id)
    sql.beats = 'renewed'
    sql.nowMs += 20
    const until = countOf(sql, 'UPDATE')
    await eventually(WITHIN_MS, 'a renewal', async () => countOf(sql, 'UPDATE') > until + 1 || undefined)
    sql.nowMs += 20
    assert.is(lease.id, id, 'from the last heartbeat on')
  }, 40)
})

test('a node that leaves deletes its row, and takes no lease again', async () => {
  const sql = new FakeSql()
  const lease = new Lease({ sql, log, name: 'node', monotonic: () => sql.nowMs })
  await lease.obtained()
  await lease.close()
  assert.is(sql.asked.at(-1), 'DELETE')
  assert.is(lease.id, undefined)
  const refused = await lease.obtained().catch((error: unknown) => error)
  assert.ok(refused instanceof SqlError)
})

test.run()
