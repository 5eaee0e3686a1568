// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { FINALS_STEPS } from '../../server/s3/finals-schema.js'
import { LEDGER_STEPS } from '../../server/s3/ledger-schema.js'
import { SqlFinals } from '../../server/s3/sql-finals.js'
import { SqlLedger } from '../../server/s3/sql-ledger.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { codeOf, idOf } from '../helpers/upload-fakes.js'

const [FINAL, OTHER, ONE, TWO] = [idOf('f'), idOf('e'), idOf('1'), idOf('2')]
const TOKEN = 1

interface Place {
  postgres: Postgres
  sql: Sql
  ledger: SqlLedger
  finals: SqlFinals
}

const shared = suite<Place>('final uploads of all nodes')
const test = needsPostgres(shared)

test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const sql = await openSql(await place.postgres.database())
  await sql.migrate('s3', LEDGER_STEPS)
  await sql.migrate('s3_finals', FINALS_STEPS)
  const tools = { sql, tokenOf: () => TOKEN, isShared: false }
  Object.assign(place, { sql, ledger: new SqlLedger(tools), finals: new SqlFinals(tools) })
  for (const part of [ONE, TWO]) await place.ledger.create(part, '{}', TOKEN)
})
test.after.each(({ sql }) => sql.end())
test.after(({ postgres }) => postgres.kill())

/** Makes a final upload of these parts. */
function make({ ledger }: Place, id: string, parts: readonly string[], of = {}): Promise<boolean> {
  return ledger.create(id, '{}', TOKEN, { key: 'key', client: 'client', parts, ...of })
}

const sorted = (ids: Iterable<string>): string[] => [...ids].sort()

test('a final upload needs its parts from its creation until it is finished, or removed', async (place) => {
  const { ledger, finals } = place
  assert.ok(await make(place, FINAL, [ONE, TWO, ONE]))
  assert.equal(sorted(await finals.needed([ONE, TWO, FINAL])), [ONE, TWO].sort())
  assert.equal(await finals.naming(ONE), [FINAL])
  assert.ok(await make(place, OTHER, [ONE]))
  assert.equal(sorted(await finals.naming(ONE)), [OTHER, FINAL].sort())
  await ledger.write(FINAL, TOKEN, { facts: '{"a":1}' })
  assert.equal(sorted(await finals.needed([TWO])), [TWO], 'a checkpoint is no end')
  await ledger.write(FINAL, TOKEN, { facts: '{}', isFinished: true })
  assert.equal(sorted(await finals.needed([ONE, TWO])), [ONE])
  await ledger.beginRemoval([OTHER], [TOKEN])
  assert.equal(sorted(await finals.needed([ONE, TWO])), [])
  assert.equal(await finals.naming(ONE), [])
})

test('a part that a final upload needs is not given up; any other is gone for all nodes', async (place) => {
  const { ledger, finals } = place
  await make(place, FINAL, [ONE])
  assert.equal(sorted(await finals.giveUp([ONE, TWO])), [TWO])
  assert.ok(await ledger.find(ONE))
  assert.is(await ledger.find(TWO), undefined)
  assert.is(await codeOf(make(place, OTHER, [ONE, TWO])), 'part_unknown')
  assert.is(await ledger.find(OTHER), undefined)
  assert.is(await make(place, FINAL, [ONE]), false, 'one of this id is there')
})

test('either a part is given up, or a final upload is made of it: never both', async (place) => {
  const { ledger, finals } = place
  for (let round = 0; round < 50; round++) {
    const [part, final] = [idOf(`${round}a`), idOf(`${round}b`)]
    await ledger.create(part, '{}', TOKEN)
    const [givenUp, made] = await Promise.all([finals.giveUp([part]), codeOf(make(place, final, [part]))])
    const outcome = givenUp.has(part) ? `given up, ${made}` : `kept, ${made}`
    assert.ok(['given up, part_unknown', 'kept, none'].includes(outcome), `round ${round}: ${outcome}`)
  }
})

test('the newest final upload of a request is found, open or finished, and not one that is gone', async (place) => {
  const { ledger, finals } = place
  assert.is(await finals.madeBy('key'), undefined)
  await make(place, FINAL, [ONE])
  await ledger.write(FINAL, TOKEN, { isFinished: true })
  assert.is(await finals.madeBy('key'), FINAL)
  await make(place, OTHER, [ONE])
  assert.is(await finals.madeBy('key'), OTHER)
  assert.is(await finals.madeBy('another key'), undefined)
  await ledger.beginRemoval([OTHER], [TOKEN])
  assert.is(await finals.madeBy('key'), FINAL)
})

test('open final uploads and the parts they name are counted, and those of one client', async (place) => {
  const { ledger, finals } = place
  await make(place, FINAL, [ONE, TWO])
  await make(place, OTHER, [ONE], { client: 'other' })
  assert.equal(await finals.held('client'), { finals: { all: 2, own: 1 }, names: { all: 3, own: 2 } })
  await ledger.write(FINAL, TOKEN, { isFinished: true })
  assert.equal(await finals.held('client'), { finals: { all: 1, own: 0 }, names: { all: 1, own: 0 } })
})

shared.run()
