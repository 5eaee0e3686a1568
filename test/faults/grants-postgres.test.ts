// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { SharedGrantUses } from '../../server/http/auth/shared-grant-uses.js'
import { Signer } from '../../server/http/auth/signer.js'
import type { Grant } from '../../server/model/grant.js'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { eventually, temporaryFolder } from '../helpers/server.js'

interface Place {
  postgres: Postgres
  url: string
  sql: Sql
  /** A database of one more node. */
  open(): Promise<Sql>
}

const WITHIN_MS = 60_000
const NOW_S = 2_000_000_000
const LOG = { error() {} }
const opened: Sql[] = []

const grants = suite<Place>('grants in PostgreSQL')
const test = needsPostgres(grants)

test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const open = async () => {
    const sql = await openSql(url)
    opened.push(sql)
    return sql
  }
  Object.assign(place, { url, open, sql: await open() })
})
test.after.each(async () => {
  await Promise.all(opened.splice(0).map((sql) => sql.end()))
})
test.after(({ postgres }) => postgres.kill())

const usesOf = (sql: Sql): SharedGrantUses => new SharedGrantUses(sql, { now: () => NOW_S * 1000, log: LOG })

function grantOf(count: number | null, expiresAt = NOW_S + 3_600): Grant {
  return { id: 'a'.repeat(32), expiresAt, count, maxSize: null, accept: null, owner: null, metadata: {} }
}

const codeOf = (error: unknown): string => (error instanceof UploadError ? error.code : String(error))
const took = (taking: Promise<void>): Promise<string> => taking.then(() => 'taken', codeOf)

test('a grant allows its number of uploads exactly, on all nodes together', async ({ open }) => {
  const nodes = [usesOf(await open()), usesOf(await open()), usesOf(await open())]
  const asked = Array.from({ length: 60 }, (_, n) =>
    took(nodes[n % 3]?.take(grantOf(7), `upload ${n}`) ?? never()),
  )
  const said = await Promise.all(asked)
  assert.is(said.filter((each) => each === 'taken').length, 7)
  assert.is(said.filter((each) => each === 'grant_used').length, 53)
})

test('a use that is given back at one node can be taken at another, and once', async ({ open }) => {
  const [one, two] = [usesOf(await open()), usesOf(await open())]
  await one.take(grantOf(1), 'x')
  assert.is(await took(two.take(grantOf(1), 'y')), 'grant_used')
  two.giveBack(grantOf(1).id, 'x')
  two.giveBack(grantOf(1).id, 'x')
  one.giveBack(grantOf(1).id, 'y')
  await eventually(
    WITHIN_MS,
    'a free use',
    async () => (await took(one.take(grantOf(1), 'z'))) === 'taken' || undefined,
  )
  assert.is(await took(two.take(grantOf(1), 'y')), 'grant_used')
})

test('a grant without a number asks nobody', async ({ sql }) => {
  await usesOf(sql).take(grantOf(null), 'x')
  assert.is((await sql.query(`SELECT 1 FROM pg_tables WHERE tablename = 'grants'`)).rows.length, 0)
})

test('grants are kept until an hour after their time is over', async ({ sql }) => {
  const uses = usesOf(sql)
  await uses.take(grantOf(1), 'x')
  await sql.query(`INSERT INTO grants VALUES ('old', 1, now() - interval '2 hours'), ('new', 1, now())`)
  await usesOf(sql).take({ ...grantOf(1), id: 'b' }, 'y')
  await eventually(WITHIN_MS, 'the end of the old one', async () => {
    const { rows } = await sql.query<{ id: string }>('SELECT id FROM grants ORDER BY id')
    return rows.map(({ id }) => id).join() === `${'a'.repeat(32)},b,new` || undefined
  })
})

test('"503" while PostgreSQL is away, and the use that nobody knows of is given back', async ({
  postgres,
  open,
  sql,
}) => {
  const uses = usesOf(await open())
  await uses.take(grantOf(2), 'x')
  await postgres.kill()
  assert.is(await took(uses.take(grantOf(2), 'y')), 'storage_unavailable')
  await postgres.restart()
  // As if PostgreSQL had done it, and its answer was lost.
  await eventually(WITHIN_MS, 'PostgreSQL', () =>
    sql
      .query(`WITH taken AS (UPDATE grants SET used = 2) INSERT INTO grant_uses VALUES ($1, 'y')`, [
        grantOf(2).id,
      ])
      .then(
        () => true,
        () => undefined,
      ),
  )
  await eventually(
    WITHIN_MS,
    'its end',
    async () => (await took(uses.take(grantOf(2), 'z'))) === 'taken' || undefined,
  )
})

test('what one node has signed is valid on every other, and stays valid where one was alone before', async ({
  open,
}) => {
  const path = `${temporaryFolder()}/lading.key`
  const before = (await new Signer(path).for('grant'))('text')
  const [oneSql, twoSql] = [await open(), await open()]
  const one = new Signer(path, () => oneSql)
  assert.ok(await one.isSigned('grant', 'text', before))
  const two = new Signer(`${temporaryFolder()}/lading.key`, () => twoSql)
  assert.ok(await two.isSigned('grant', 'text', before))
  assert.not(await two.isSigned('link', 'text', before))
})

test('nodes that begin at once have one key', async ({ open }) => {
  const databases = await Promise.all([open(), open(), open(), open()])
  const signed = databases.map(async (sql) =>
    (await new Signer(`${temporaryFolder()}/lading.key`, () => sql).for('x'))('y'),
  )
  assert.is(new Set(await Promise.all(signed)).size, 1)
})

function never(): never {
  throw new Error('no node')
}

grants.run()
