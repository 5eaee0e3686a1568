// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { RecordStore, ReindexCause } from '../../server/model/record-store.js'
import type { Sql } from '../../server/model/sql.js'
import { EVERY_UPLOAD, LIST_START } from '../../server/model/upload-list.js'
import { openSql } from '../../server/postgres/pool.js'
import { openPostgresRecords } from '../../server/records/postgres/postgres-records.js'
import { MIGRATIONS } from '../../server/records/postgres/schema.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { AT, record } from '../helpers/record.js'
import { whole } from '../helpers/record-store-contract.js'
import { rejection } from '../helpers/records-place.js'
import { eventually } from '../helpers/server.js'

interface Options {
  readonly folder?: string | null
  readonly onNeedsReindex?: (cause: ReindexCause) => void
}

interface Place {
  postgres: Postgres
  url: string
  /** What the records logged, as `level: message`. */
  lines: string[]
  /** For the test's own queries. */
  sql: Sql
  open(options?: Options): Promise<RecordStore>
}

const WITHIN_MS = 60_000
const QUEUE_BYTES = 7 * 2 ** 20
const opened: RecordStore[] = []

const records = suite<Place>('records in PostgreSQL')
const test = needsPostgres(records)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  const url = await place.postgres.database()
  const lines: string[] = []
  const logged = (level: string) => (_: object, message: string) => void lines.push(`${level}: ${message}`)
  const log = { info: logged('info'), warn: logged('warn'), error: logged('error') }
  place.open = async (options = {}) => {
    const store = openPostgresRecords({
      ...{ sql: await openSql(url), folder: null, queueBytes: QUEUE_BYTES, log },
      ...options,
    })
    opened.push(store)
    return store
  }
  Object.assign(place, { url, lines, sql: await openSql(url) })
})
test.after.each(async ({ sql }) => {
  await Promise.all(opened.splice(0).map((store) => store.close(1_000)))
  await sql.end()
})
test.after(({ postgres }) => postgres.kill())

/** The ids of all rows, in order. */
async function idsIn(sql: Sql): Promise<readonly string[]> {
  return (await sql.query<{ id: string }>('SELECT id FROM uploads ORDER BY id')).rows.map(({ id }) => id)
}

test('PostgreSQL killed and started again while batches are written: no record is lost from the queue', async (place) => {
  const { postgres, sql } = place
  const store = await whole(await place.open())
  let number = 0
  const putSome = (): void => {
    for (let count = 0; count < 20; count++, number++) store.put(record(number))
  }
  for (let crash = 0; crash < 3; crash++) {
    // Each time while a batch is on its way.
    putSome()
    const written = store.flush(WITHIN_MS)
    await postgres.kill()
    putSome()
    assert.ok(store.stats.queued > 0)
    const failure = await rejection(store.get('unknown'))
    assert.is(failure.problem, 'failing')
    assert.equal(await store.get(record(number - 1).id), record(number - 1), 'from the queue')
    await postgres.restart()
    assert.ok(await written)
    assert.ok(await store.flush(WITHIN_MS))
  }
  assert.equal(
    await idsIn(sql),
    Array.from({ length: number }, (_, each) => record(each).id),
  )
  assert.is(store.stats.dropped, 0)
  assert.is(store.stats.trouble, null)
  assert.ok(store.wholeSinceMs < Number.POSITIVE_INFINITY, 'the same database needs no reindex')
})

test('an upload that has ended does not begin again by an older record that another node writes late', async ({
  open,
}) => {
  const [one, two] = [await whole(await open()), await whole(await open())]
  const finished = record(1, { state: 'finished', sha256: 'a'.repeat(64), finishedAt: AT })
  one.put(finished)
  assert.ok(await one.flush(WITHIN_MS))
  two.put(record(1, { state: 'paused', offset: 7 }))
  assert.ok(await two.flush(WITHIN_MS))
  assert.is((await two.get(finished.id))?.state, 'finished')
  two.put(record(1, { state: 'terminated' }))
  assert.ok(await two.flush(WITHIN_MS))
  assert.is((await one.get(finished.id))?.state, 'terminated')
  // Its id is another upload's, because a hook says so.
  const next = '2026-11-23T11:00:00.000Z'
  one.put(record(1, { state: 'paused', createdAt: next, updatedAt: next }))
  assert.ok(await one.flush(WITHIN_MS))
  assert.is((await two.get(finished.id))?.createdAt, next)
})

test('records wait for a PostgreSQL that is not there yet, and the trouble is logged once', async (place) => {
  const { postgres, lines, sql } = place
  await postgres.kill()
  const store = await place.open()
  store.put(record(1))
  await eventually(WITHIN_MS, 'the trouble', async () => store.stats.trouble ?? undefined)
  await postgres.restart()
  await store.ready
  assert.ok(await store.flush(WITHIN_MS))
  assert.equal(await idsIn(sql), [record(1).id])
  const refused = lines.filter((line) => line.includes('cannot be written'))
  assert.ok(refused.length >= 1 && refused.length <= 3, lines.join('\n'))
  assert.ok(lines.includes('info: the database of records answers again'), lines.join('\n'))
})

test('a question waits out a restart of PostgreSQL', async (place) => {
  const { postgres } = place
  const store = await whole(await place.open())
  store.put(record(1))
  assert.ok(await store.flush(WITHIN_MS))
  await postgres.kill()
  const asked = store.withFiles('', 10)
  await postgres.restart()
  assert.is((await asked).length, 1)
})

test('a connection to a new database that is lost is no reason for a reindex', async (place) => {
  const causes: string[] = []
  const store = await whole(await place.open({ onNeedsReindex: (cause) => causes.push(cause) }))
  await place.postgres.kill()
  store.put(record(1))
  await eventually(WITHIN_MS, 'the trouble', async () => store.stats.trouble ?? undefined)
  await place.postgres.restart()
  assert.ok(await store.flush(WITHIN_MS))
  assert.equal(causes, [])
})

for (const isQuiet of [false, true])
  test(`an older copy that takes the place of the database ${isQuiet ? 'while nothing is written' : 'during a write'} is noticed: a reindex is due`, async (place) => {
    const causes: string[] = []
    const store = await whole(await place.open({ onNeedsReindex: (cause) => causes.push(cause) }))
    store.put(record(1))
    assert.ok(await store.flush(WITHIN_MS))
    // What an older copy, or a standby that lacks the last transactions, has of this process.
    await place.sql.query('DELETE FROM uploads')
    await place.sql.query('UPDATE record_writers SET batches = batches - 1')
    await place.postgres.kill()
    if (!isQuiet) store.put(record(2))
    await place.postgres.restart()
    store.put(record(3))
    await eventually(WITHIN_MS, 'the request for a reindex', async () => causes[0])
    assert.equal(causes, ['replaced'])
    assert.is(store.wholeSinceMs, Number.POSITIVE_INFINITY)
    assert.ok(await store.flush(WITHIN_MS))
  })

test('the tables of a newer Lading are left as they are, and calls reject with newer', async (place) => {
  const { sql, lines } = place
  await sql.migrate('records', [...MIGRATIONS, 'ALTER TABLE uploads ADD COLUMN of_the_future text'])
  const store = await place.open()
  store.put(record(1))
  assert.is((await rejection(store.ready)).problem, 'newer')
  assert.is((await rejection(store.get('any'))).problem, 'newer')
  assert.equal(await idsIn(sql), [])
  assert.ok(
    lines.some((line) => line.includes(`have schema version ${MIGRATIONS.length + 1}`)),
    lines.join('\n'),
  )
})

test('the records of another data folder are left as they are', async (place) => {
  const own = await whole(await place.open({ folder: 'one' }))
  own.put(record(1))
  await own.close(WITHIN_MS)
  const other = await place.open({ folder: 'other' })
  assert.is((await rejection(other.ready)).problem, 'newer')
  assert.ok(
    place.lines.some((line) => line.includes('another data folder')),
    place.lines.join('\n'),
  )
  const again = await place.open({ folder: 'one' })
  assert.equal(await again.ready, { fresh: false, newestAt: AT })
})

test('a record that can never be written is left out, and its batch is written', async (place) => {
  const { sql, lines } = place
  const store = await whole(await place.open())
  store.put(record(1))
  store.put(record(2, { offset: 2 ** 70 }))
  store.put(record(3))
  await store.restore(record(4, { length: 1.5 }))
  assert.ok(await store.flush(WITHIN_MS))
  assert.equal(await idsIn(sql), [record(1).id, record(3).id])
  assert.is(lines.filter((line) => line.includes('cannot be stored')).length, 2, lines.join('\n'))
})

test('names with zero bytes and halves of characters are stored and found', async (place) => {
  const store = await whole(await place.open())
  store.put(record(1, { filename: 'a\0b.txt' }))
  store.put(record(2, { filename: '\ud83d.txt' }))
  store.put(record(3, { filename: `${'x'.repeat(79)}😀.txt` }))
  assert.ok(await store.flush(WITHIN_MS))
  assert.is((await store.get(record(1).id))?.filename, 'a\u{fffd}b.txt')
  for (const prefix of ['a\0b', '\ud83d', `${'x'.repeat(79)}😀.txt`]) {
    const { items } = await store.list({ ...EVERY_UPLOAD, prefix }, LIST_START, 10)
    assert.is(items.length, 1, JSON.stringify(prefix))
  }
})

test('a page of long rows has few of them, and the list goes on', async (place) => {
  const store = await whole(await place.open())
  const metadata = `filename ${'QUJD'.repeat(4_000)}`
  for (let number = 0; number < 40; number++) store.put(record(number, { metadata }))
  assert.ok(await store.flush(WITHIN_MS))
  const byId = await store.withFiles('', 40)
  assert.ok(byId.length > 10 && byId.length < 25, `${byId.length} rows`)
  assert.is((await store.withFiles(byId.at(-1)?.id ?? '', 40))[0]?.id, record(byId.length).id)
  const { items, next } = await store.list(EVERY_UPLOAD, LIST_START, 40)
  assert.equal([items.length, next], [40, null])
})

test('bytes of an upload that receives write no index', async (place) => {
  const { sql } = place
  const store = await whole(await place.open())
  store.put(record(1))
  assert.ok(await store.flush(WITHIN_MS))
  for (let offset = 1; offset <= 20; offset++) {
    store.put(record(1, { offset, updatedAt: new Date(Date.parse(AT) + offset).toISOString() }))
    assert.ok(await store.flush(WITHIN_MS))
  }
  // PostgreSQL counts what a session has done at its end.
  await store.close(WITHIN_MS)
  await eventually(WITHIN_MS, 'the statistics of PostgreSQL', async () => {
    const { rows } = await sql.query<{ all: number; hot: number }>(
      `SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'uploads'`,
    )
    const [found] = rows
    if (found?.all !== 20) return undefined
    assert.is(found.hot, 20)
    return true
  })
})

records.run()
