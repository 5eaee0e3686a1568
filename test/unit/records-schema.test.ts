import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { UploadRecord } from '../../server/model/record.js'
import type { RecordBatch } from '../../server/records/backend.js'
import { Database } from '../../server/records/sqlite/database.js'
import { MIGRATIONS, SCHEMA_VERSION } from '../../server/records/sqlite/schema.js'
import { openSqlite, type Sqlite } from '../../server/sqlite.js'
import { AT, type Place, placeFor, range, record, rejection, rows } from '../helpers/records-place.js'

const test = suite<Place>('records, schema')
placeFor(test)

const INSERT = `INSERT INTO uploads (id, state, offset, path, created_at, updated_at)
  VALUES ('old', 'finished', 3, 'uploads/old', '${AT}', '${AT}')`

/** The last version in which only a record's reason named the final upload of a joined part. */
const REASON_ONLY = 4

/** An empty database as an older Lading left it. */
function databaseOf(path: string, version: number): Sqlite.Database {
  const db = openSqlite(path)
  for (const migration of MIGRATIONS.slice(0, version)) db.exec(migration)
  db.pragma(`user_version = ${version}`)
  return db
}

const batchOf = (...live: UploadRecord[]): RecordBatch => ({ live, restored: [], incomplete: false })

const rowOf = (database: Database, id: string): UploadRecord | undefined =>
  database.answer({ name: 'get', id }).rows[0]

for (const version of range(SCHEMA_VERSION + 1)) {
  test(`migrates a database of version ${version} and keeps its rows`, ({ path }) => {
    const db = databaseOf(path, version)
    if (version > 0) db.exec(INSERT)
    db.close()
    const database = new Database(path, AT)
    assert.equal([database.opening.incomplete, database.opening.newestAt], [true, version > 0 ? AT : null])
    assert.equal(database.write(batchOf(record(1, { state: 'refused', reason: 'type_refused' }))), [])
    assert.is(rowOf(database, record(1).id)?.reason, 'type_refused')
    assert.is(rowOf(database, 'old')?.offset, version > 0 ? 3 : undefined)
    database.close()
    assert.is(openSqlite(path).pragma('user_version', { simple: true }), SCHEMA_VERSION)
  })
}

test('leaves the database of a newer version untouched and says what to do', async ({
  open,
  path,
  lines,
}) => {
  const db = openSqlite(path)
  db.exec('CREATE TABLE uploads (future TEXT)')
  db.pragma(`user_version = ${SCHEMA_VERSION + 1}`)
  db.close()
  const before = readFileSync(path)
  const records = open()
  const error = await rejection(records.ready)
  assert.is(error.problem, 'newer')
  assert.match(error.message, /knows versions up to \d+\. Start the newer Lading again; or stop, move/)
  assert.ok(lines.includes(`error: ${error.message}`))
  records.put(record(1))
  assert.is((await records.get(record(1).id))?.id, record(1).id)
  assert.is((await rejection(records.get('other'))).problem, 'newer')
  assert.is(await records.flush(10_000), false)
  await records.close(5000)
  assert.ok(readFileSync(path).equals(before))
})

test('the newest record of an upload replaces its row, whichever field is another one', ({ path }) => {
  const database = new Database(path, AT)
  const first = record(1, { state: 'paused' })
  const others: ReadonlyArray<Partial<UploadRecord>> = [
    { offset: 5 },
    { path: 'uploads/elsewhere' },
    { declaredType: 'text/plain', concat: 'partial' },
    { filename: null, owner: 'ann', grantId: 'a' },
    { type: null, length: null, metadata: null, reason: 'refused' },
    { createdAt: '2026-11-24T10:00:00.000Z', joinedInto: 'b', sha256: 'c', finishedAt: AT, state: 'refused' },
  ]
  for (const changes of others) {
    for (const each of [first, { ...first, ...changes }]) {
      assert.equal(database.write(batchOf(each)), [])
      assert.equal(rowOf(database, first.id), each)
    }
  }
  database.close()
})

test('an older record of a joined part keeps the id of its final upload, in a column', ({ path }) => {
  const db = databaseOf(path, REASON_ONLY)
  const insert = db.prepare(`INSERT INTO uploads (id, state, offset, path, created_at, updated_at, reason)
    VALUES (?, ?, 3, 'uploads/old', '${AT}', '${AT}', ?)`)
  const final = record(9).id
  insert.run('1', 'terminated', `joined into ${final}`)
  insert.run('2', 'expired', 'joined into a final upload')
  insert.run('3', 'terminated', 'joined into a final upload')
  insert.run('4', 'terminated', 'terminated by the client')
  insert.run('5', 'terminated', null)
  db.close()
  const database = new Database(path, AT)
  assert.equal(
    rows(path).map((row) => row.joined_into),
    [final, null, null, null, null],
  )
  const part = rowOf(database, '1')
  assert.equal([part?.joinedInto, part?.reason, part?.owner], [final, `joined into ${final}`, null])
  database.close()
})

test.run()
