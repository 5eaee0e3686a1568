// time-limit: 180s

import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSqlite } from '../../server/sqlite.js'
import { lockDatabase } from '../helpers/locked-database.js'
import { assertStored, rowsOf } from '../helpers/proof.js'
import { createUpload, PseudoFile, printedSeed } from '../helpers/sender.js'
import { eventually, idOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('database')
test.after(killServers)

const UNLOCKED_MS = 8_000
const LOCKED_MS = 30_000
const FILE_BYTES = 64 * 1024
/** Far from what is promised (1.5 times), and far from waiting for the lock: the figures are printed. */
const MEDIAN_LIMIT_MS = 1_000
/** Promised are 2 s. */
const ROWS_WITHIN_MS = 60_000

const file = new PseudoFile(printedSeed('database'), FILE_BYTES)
const body = file.read(0, FILE_BYTES)

interface Timed {
  readonly paths: string[]
  readonly times: number[]
  mostQueued: number
}

/** Creates, writes and finishes one upload after the other; each one's time is from its POST to its 204. */
async function upload(server: TestServer, forMs: number): Promise<Timed> {
  const timed: Timed = { paths: [], times: [], mostQueued: 0 }
  const until = performance.now() + forMs
  while (performance.now() < until) {
    const startedAt = performance.now()
    const path = await createUpload(server, file)
    const answer = await tus.patch(server, path, 0, body)
    assert.is(answer.status, 204)
    assert.ok(answer.headers['repr-digest'])
    timed.times.push(performance.now() - startedAt)
    timed.paths.push(path)
    timed.mostQueued = Math.max(timed.mostQueued, (await statusOf(server)).records.queued)
  }
  return timed
}

function percentile(times: readonly number[], part: number): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * part)] ?? Number.NaN
}

async function untilRows(server: TestServer, paths: readonly string[]): Promise<number> {
  const startedAt = performance.now()
  await eventually(ROWS_WITHIN_MS, `${paths.length} rows`, async () => {
    const rows = rowsOf(server)
    return paths.every((path) => rows.get(idOf(path))?.state === 'finished') ? true : undefined
  })
  return performance.now() - startedAt
}

test('under an exclusive lock of another process for 30 s uploads go on as before, and no row is lost', async () => {
  const server = await startServer()
  await upload(server, 2_000)
  const free = await upload(server, UNLOCKED_MS)
  await untilRows(server, free.paths)
  const release = await lockDatabase(server)
  const locked = await upload(server, LOCKED_MS)
  const { queued } = (await statusOf(server)).records
  await release()
  const rowsAfterMs = await untilRows(server, locked.paths)

  const figures = [free, locked].map(({ times }) => [percentile(times, 0.5), percentile(times, 0.99)])
  const [[freeMedian = 0, freeP99 = 0] = [], [median = 0, p99 = 0] = []] = figures
  console.log(
    `database: unlocked median ${freeMedian.toFixed(1)} ms, p99 ${freeP99.toFixed(1)} ms of ${free.times.length}`,
  )
  console.log(
    `database: locked median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${locked.times.length}`,
  )
  console.log(
    `database: ${locked.mostQueued} rows queued at most, there ${rowsAfterMs.toFixed(0)} ms after the lock`,
  )
  assert.ok(queued > 0, 'the lock held the rows back')
  assert.ok(locked.mostQueued <= locked.paths.length + 1, 'one state an upload is queued')
  assert.ok(median < MEDIAN_LIMIT_MS, `median ${median} ms, unlocked ${freeMedian} ms`)
  await assertStored(server, locked.paths.at(-1) ?? '', file)
  assert.is(await server.stop(), 0)
})

test('a server that starts under the lock takes uploads, and their rows are there after it', async () => {
  const first = await startServer()
  const { paths } = await upload(first, 200)
  await untilRows(first, paths)
  await first.stop()
  const release = await lockDatabase(first)
  const server = await startServer([], first.dataDir)
  const locked = await upload(server, 2_000)
  assert.ok(locked.paths.length > 10)
  await release()
  await untilRows(server, [...paths, ...locked.paths])
  assert.is(await server.stop(), 0)
})

/** Waits until the server may leave the mark that the next start need not look for missing rows. */
async function untilIndexed(server: TestServer): Promise<void> {
  await eventually(ROWS_WITHIN_MS, 'the first pass', async () => {
    return server.log().includes('the index is up to date') ? true : undefined
  })
}

test('a server that is stopped under the lock exits 0, and the next start finds what was not written', async () => {
  const first = await startServer()
  const { paths } = await upload(first, 200)
  await untilRows(first, paths)
  await untilIndexed(first)
  const release = await lockDatabase(first)
  const locked = await upload(first, 200)
  assert.is(await first.stop(), 0)
  assert.match(first.log(), /records were not written before the close/)
  await release()
  const rows = rowsOf(first)
  assert.ok(locked.paths.every((path) => rows.get(idOf(path))?.state !== 'finished'))
  const server = await startServer([], first.dataDir)
  await untilRows(server, [...paths, ...locked.paths])
  assert.is(await server.stop(), 0)
})

test('a server that is stopped while the lock ends writes its rows before it exits, or says that it did not', async () => {
  const server = await startServer()
  await untilIndexed(server)
  const release = await lockDatabase(server)
  const { paths } = await upload(server, 200)
  const stopped = server.stop()
  await release()
  assert.is(await stopped, 0)
  const rows = rowsOf(server)
  const isWritten = paths.every((path) => rows.get(idOf(path))?.state === 'finished')
  assert.ok(isWritten || server.log().includes('records were not written before the close'))
})

test('a finished upload whose record a crash kept out is put right, also when a HEAD came before the reindex', async () => {
  const first = await startServer()
  const path = await createUpload(first, file)
  assert.is((await tus.patch(first, path, 0, body)).status, 204)
  await untilRows(first, [path])
  await first.stop()
  const db = openSqlite(join(first.dataDir, 'lading.db'))
  db.exec(`UPDATE uploads SET state = 'paused', offset = 1, sha256 = NULL, finished_at = NULL`)
  db.close()
  const release = await lockDatabase(first)
  const server = await startServer([], first.dataDir)
  // Under the lock no reindex begins: this HEAD takes the upload into memory before it.
  assert.is((await tus.head(server, path)).headers['upload-offset'], String(FILE_BYTES))
  await release()
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test.run()
