// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Notices, type Sql, SqlError } from '../../server/model/sql.js'
import { openNotices } from '../../server/postgres/notices.js'
import { openSql } from '../../server/postgres/pool.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { eventually } from '../helpers/server.js'

interface Place {
  postgres: Postgres
  url: string
  sql: Sql
  open(): Promise<Sql>
  listen(): Promise<Notices>
}

const WITHIN_MS = 60_000
const opened: { end(): Promise<void> }[] = []

const postgres = suite<Place>('PostgreSQL')
const test = needsPostgres(postgres)

test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const kept = async <T extends Sql | Notices>(opening: Promise<T>): Promise<T> => {
    const each = await opening
    opened.push(each)
    return each
  }
  Object.assign(place, { url, open: () => kept(openSql(url)), listen: () => kept(openNotices(url)) })
  place.sql = await place.open()
})
test.after.each(async () => {
  await Promise.all(opened.splice(0).map((each) => each.end()))
})
test.after(({ postgres }) => postgres.kill())

async function problemOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof SqlError ? `${error.problem} ${error.code}`.trim() : String(error)),
  )
}

test('a query gives rows and changes; a bigint is a number', async ({ sql }) => {
  const one = await sql.query('SELECT $1::bigint AS big, $2::text AS text', [2 ** 50, 'é'])
  assert.equal(one, { rows: [{ big: 2 ** 50, text: 'é' }], changes: 1 })
  await sql.query('CREATE TABLE numbers (n integer PRIMARY KEY)')
  const added = await sql.query('INSERT INTO numbers SELECT unnest($1::integer[])', [[1, 2, 3]])
  assert.is(added.changes, 3)
})

test('a transaction is written whole or not at all', async ({ sql }) => {
  await sql.query('CREATE TABLE numbers (n integer PRIMARY KEY)')
  const count = async () => (await sql.query('SELECT n FROM numbers')).rows.length
  const own = new Error('of the work')
  const failing = sql.transaction(async (queries) => {
    await queries.query('INSERT INTO numbers VALUES (1)')
    throw own
  })
  assert.is(await failing.catch((error: unknown) => error), own)
  assert.is(await count(), 0)
  const swallowed = sql.transaction(async (queries) => {
    await queries.query('INSERT INTO numbers VALUES (1)')
    await queries.query('INSERT INTO numbers VALUES (1)').catch(() => {})
  })
  assert.is(await problemOf(swallowed), 'failing', 'PostgreSQL answers ROLLBACK to the COMMIT')
  assert.is(await count(), 0)
  await sql.transaction((queries) => queries.query('INSERT INTO numbers VALUES (1), (2)'))
  assert.is(await count(), 2)
})

test('errors are told apart: locked, slow, failing, gone', async (place) => {
  const { sql } = place
  await sql.query('CREATE TABLE numbers (n integer PRIMARY KEY)')
  assert.is(await problemOf(sql.query('INSERT INTO numbers VALUES (1), (1)')), 'failing 23505')
  const limited = (limit: string, query: string) =>
    sql.transaction(async (queries) => {
      await queries.query(`SET LOCAL ${limit} = 20`)
      await queries.query(query)
    })
  await sql.transaction(async (queries) => {
    await queries.query('LOCK TABLE numbers')
    assert.is(await problemOf(limited('lock_timeout', 'SELECT * FROM numbers')), 'locked 55P03')
  })
  assert.is(await problemOf(limited('statement_timeout', 'SELECT pg_sleep(60)')), 'slow 57014')
  const [victim] = (await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows
  const other = await place.open()
  const sleeping = problemOf(sql.query('SELECT pg_sleep(4), pg_backend_pid()'))
  await eventually(WITHIN_MS, 'the sleeping query', async () => {
    const { changes } = await other.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep(4)%'`,
      [victim?.pid ?? 0],
    )
    return changes > 0 || undefined
  })
  assert.is(await sleeping, 'gone 57P01')
  assert.is((await sql.query('SELECT 1 AS one')).changes, 1, 'on another connection')
  await sql.end()
  assert.is(await problemOf(sql.query('SELECT 1')), 'gone')
})

test('the place that is logged has neither the user nor the password', async ({ sql, postgres }) => {
  assert.match(sql.place, `postgres://127.0.0.1:${postgres.port}/test_`)
  assert.not.match(sql.place, /not-a-secret|postgres:.*@/)
})

test('of nodes that begin at once one makes the tables', async ({ open }) => {
  const nodes = await Promise.all(Array.from({ length: 8 }, open))
  const steps = ['CREATE TABLE a (n integer); SELECT pg_sleep(0.1)', 'CREATE TABLE b (n integer)']
  const found = await Promise.all(nodes.map((node) => node.migrate('test', steps)))
  assert.equal(found.toSorted(), [0, 2, 2, 2, 2, 2, 2, 2])
  const [node] = nodes
  assert.is(await node?.migrate('test', [...steps, 'CREATE TABLE c (n integer)']), 2)
  assert.is(await node?.migrate('other', steps.slice(0, 0)), 0, 'each part has versions of its own')
})

test('the tables of a newer Lading are left as they are', async ({ sql }) => {
  await sql.migrate('test', ['CREATE TABLE a (n integer)', 'CREATE TABLE b (n integer)'])
  assert.is(await problemOf(sql.migrate('test', ['CREATE TABLE a (n integer)'])), 'newer')
  assert.is(await sql.migrate('test', ['', '']), 2)
})

test('a step that fails leaves the version before it', async ({ sql }) => {
  const failing = sql.migrate('test', ['CREATE TABLE a (n integer)', 'CREATE TABLE a (n integer)'])
  assert.is(await problemOf(failing), 'failing 42P07')
  assert.is(await sql.migrate('test', ['CREATE TABLE a (n integer)']), 0)
})

test('notices are heard in order, also after PostgreSQL was killed and started again', async (place) => {
  const { postgres, sql } = place
  const notices = await place.listen()
  const heard: string[] = []
  let connections = 0
  notices.onConnected(() => {
    connections += 1
  })
  notices.listen('early', (payload) => heard.push(`early ${payload}`))
  const connected = (times: number) =>
    eventually(WITHIN_MS, `connection ${times}`, async () => connections === times || undefined)
  await connected(1)
  const leave = notices.listen('late', (payload) => heard.push(`late ${payload}`))
  await told(sql, heard, 'late')
  await told(sql, heard, 'early')
  await postgres.kill()
  await eventually(WITHIN_MS, 'the loss', async () => !notices.isConnected || undefined)
  assert.is(await problemOf(sql.query('SELECT 1')), 'gone')
  await postgres.restart()
  await connected(2)
  assert.ok(notices.isConnected)
  heard.length = 0
  for (const payload of ['1', '2', '3']) await sql.query('SELECT pg_notify($1, $2)', ['late', payload])
  await told(sql, heard, 'early')
  assert.equal(heard.slice(0, 3), ['late 1', 'late 2', 'late 3'])
  leave()
  heard.length = 0
  await sql.query("NOTIFY late, 'to nobody'")
  await told(sql, heard, 'early')
  assert.ok(heard.every((each) => each.startsWith('early')))
})

/** Sends a notice until it is heard: the connection may not listen to the channel yet. */
async function told(sql: Sql, heard: readonly string[], channel: string): Promise<void> {
  await eventually(WITHIN_MS, `a notice on ${channel}`, async () => {
    await sql.query('SELECT pg_notify($1, $2)', [channel, 'again'])
    return heard.some((each) => each.startsWith(channel)) || undefined
  })
}

postgres.run()
