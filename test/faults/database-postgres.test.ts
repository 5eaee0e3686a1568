// waits
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSql } from '../../server/postgres/pool.js'
import { runCommand } from '../helpers/command.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { askOf } from '../helpers/routes.js'
import { eventually, idOf, type TestServer, temporaryFolder, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { uploaded } from '../helpers/uploaded.js'

const WITHIN_MS = 60_000
const PASSWORD = 'not-a-secret'

interface Place {
  postgres: Postgres
  url: string
}

const databases = suite<Place>('database in PostgreSQL')
const test = needsPostgres(databases)
test.before(async (place) => {
  place.postgres = await startPostgres()
})
test.before.each(async (place) => {
  place.url = await place.postgres.database()
})
test.after(async ({ postgres }) => {
  killServers()
  await postgres.kill()
})

const ask = (server: TestServer) => askOf(() => server.origin)
const get = async (server: TestServer, path: string) => ask(server)('GET', path, {})
const json = async (server: TestServer, path: string) => JSON.parse((await get(server, path)).text)

/** The states in the list, by id. */
async function listed(server: TestServer): Promise<Readonly<Record<string, string>>> {
  const { uploads }: { uploads: { id: string; state: string }[] } = await json(server, '/api/uploads')
  return Object.fromEntries(uploads.map(({ id, state }) => [id, state]))
}

async function untilWritten(server: TestServer): Promise<void> {
  await eventually(WITHIN_MS, 'the rows', async () => {
    const { records } = await json(server, '/api/status')
    return records.queued === 0 || undefined
  })
}

test('the index is in PostgreSQL, also after a restart; the password is never logged', async ({ url }) => {
  const first = await startServer(['--database', url])
  const path = await uploaded(ask(first), { bytes: 'hello' })
  await untilWritten(first)
  assert.equal((await json(first, '/api/status')).database, { kind: 'postgres', trouble: null })
  assert.is((await get(first, '/readyz')).status, 200)
  assert.not.ok(existsSync(join(first.dataDir, 'lading.db')))
  assert.is(await first.stop(), 0)
  const second = await startServer(['--database', url, '--log-level', 'trace'], first.dataDir)
  assert.equal(await listed(second), { [idOf(path)]: 'finished' })
  assert.is((await ask(second)('DELETE', `/api/uploads/${idOf(path)}`, {})).status, 204)
  assert.equal(await listed(second), { [idOf(path)]: 'terminated' })
  await untilWritten(second)
  assert.is(await second.stop(), 0)
  for (const server of [first, second]) assert.not.match(server.log(), PASSWORD)
})

test('while PostgreSQL is away uploads go on, /readyz says no, and nothing is lost', async ({
  url,
  postgres,
}) => {
  const server = await startServer(['--database', url])
  const before = await uploaded(ask(server), { bytes: 'before' })
  await untilWritten(server)
  await postgres.kill()
  const meanwhile = await uploaded(ask(server), { bytes: 'meanwhile' })
  assert.is((await tus.head(server, before)).status, 200)
  assert.is((await get(server, meanwhile)).text, 'meanwhile')
  const ready = await get(server, '/readyz')
  assert.equal([ready.status, JSON.parse(ready.text).reason], [503, 'the database does not answer'])
  assert.is((await get(server, '/healthz')).status, 200)
  await eventually(WITHIN_MS, 'the trouble', async () => {
    return (await json(server, '/api/status')).database.trouble === 'failing' || undefined
  })
  await postgres.restart()
  await eventually(WITHIN_MS, 'the answer of /readyz', async () => {
    return (await get(server, '/readyz')).status === 200 || undefined
  })
  await untilWritten(server)
  assert.equal(await listed(server), { [idOf(before)]: 'finished', [idOf(meanwhile)]: 'finished' })
  assert.is(await server.stop(), 0)
})

test('a server starts and ends while PostgreSQL is away', async ({ url, postgres }) => {
  await postgres.kill()
  const server = await startServer(['--database', url])
  const path = await uploaded(ask(server), { bytes: 'hello' })
  assert.is(await server.stop(), 0)
  await postgres.restart()
  const next = await startServer(['--database', url], server.dataDir)
  await eventually(WITHIN_MS, 'the upload of the time without PostgreSQL', async () => {
    return (await listed(next))[idOf(path)] === 'finished' || undefined
  })
  assert.is(await next.stop(), 0)
})

test('LADING_DATABASE_FILE names a file that has the URL; lading reindex and lading check use it', async ({
  url,
}) => {
  const server = await startServer(['--database', url])
  const path = await uploaded(ask(server), { bytes: 'hello' })
  await untilWritten(server)
  assert.is(await server.stop(), 0)
  const file = join(temporaryFolder(), 'database')
  writeFileSync(file, `${url}\n`)
  const env = { LADING_DATABASE_FILE: file, LADING_DATA_DIR: server.dataDir }
  const reindexed = await runCommand(['reindex'], env)
  assert.match(reindexed.stdout, ': 1 uploads, 0 rows')
  const sound = await runCommand(['check'], env)
  assert.equal([sound.code, sound.stderr], [0, ''])
  // Only the record knows of a file that is gone with its sidecar.
  const { path: stored } = await recordOf(url, idOf(path))
  for (const end of ['', '.json']) rmSync(join(server.dataDir, `${stored}${end}`))
  const checked = await runCommand(['check'], env)
  assert.is(checked.code, 1)
  assert.match(checked.stdout, '1 missing')
})

test('a database that has the records of another data folder is refused, and uploads go on', async ({
  url,
}) => {
  const first = await startServer(['--database', url])
  const path = await uploaded(ask(first), { bytes: 'first' })
  await untilWritten(first)
  const other = await startServer(['--database', url])
  await eventually(
    WITHIN_MS,
    'the refusal',
    async () => other.log().includes('another data folder') || undefined,
  )
  await uploaded(ask(other), { bytes: 'other' })
  assert.is((await get(other, '/readyz')).status, 503)
  assert.equal(await listed(first), { [idOf(path)]: 'finished' })
  assert.is(await other.stop(), 0)
  assert.is(await first.stop(), 0)
})

async function recordOf(url: string, id: string): Promise<{ readonly path: string }> {
  const sql = await openSql(url)
  const { rows } = await sql.query<{ path: string }>('SELECT path FROM uploads WHERE id = $1', [id])
  await sql.end()
  return rows[0] ?? { path: '' }
}

databases.run()
