// time-limit: 240s

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSqlite } from '../../server/sqlite.js'
import { copyFinished } from '../helpers/many-finished.js'
import { createPart, joinedHead } from '../helpers/parts.js'
import { rowsOf } from '../helpers/proof.js'
import { eventually, fileOf, idOf, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('many finished uploads')
test.after(killServers)

const FINISHED = 8_000
const IDLE_MS = 5_000
/** Promised are 2 % of a core; a walk over what is finished takes all of one. */
const BUSY_PERCENT = 30
/** Promised is 1 s more than an empty one; the figures are printed. */
const START_WITHIN_MS = 10_000

async function finished(server: TestServer, text: string): Promise<string> {
  const location = locationOf(await tus.create(server, text.length))
  assert.is((await tus.patch(server, location, 0, text)).status, 204)
  return idOf(location)
}

async function written(server: TestServer): Promise<void> {
  await eventually(30_000, 'an empty queue', async () =>
    (await statusOf(server)).records.queued === 0 ? true : undefined,
  )
}

/** Milliseconds of a processor that a process has used; Linux only, where a tick is 10 ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Starts a server and has it answer; prints how long that took and what it costs afterwards. */
async function timed(
  what: string,
  dataDir?: string,
): Promise<{ server: TestServer; ms: number; percent: number }> {
  const startedAt = performance.now()
  const server = await startServer([], dataDir)
  await finished(server, 'first')
  const ms = performance.now() - startedAt
  await eventually(60_000, 'the first pass', async () =>
    server.log().includes('the index is up to date') ? true : undefined,
  )
  const passMs = performance.now() - startedAt
  const [usedMs, since] = [cpuMs(server.pid), performance.now()]
  await setTimeout(IDLE_MS)
  const percent = ((cpuMs(server.pid) - usedMs) / (performance.now() - since)) * 100
  console.log(
    `start with ${what}: first upload done after ${ms.toFixed(0)} ms, first pass after ${passMs.toFixed(0)} ms, ` +
      `then ${percent.toFixed(1)} % of a core`,
  )
  return { server, ms, percent }
}

/** A server that was stopped, with so many finished uploads. */
async function withFinished(count: number): Promise<{ server: TestServer; ids: string[] }> {
  const server = await startServer()
  const id = await finished(server, '0123456789')
  await written(server)
  await eventually(60_000, 'the first pass', async () =>
    server.log().includes('the index is up to date') ? true : undefined,
  )
  assert.is(await server.stop(), 0)
  return { server, ids: copyFinished(server, id, { count, days: 3 }) }
}

test('a start and the work behind it do not grow with the number of finished uploads', async () => {
  const none = await timed('no upload')
  assert.is(await none.server.stop(), 0)
  const { server } = await withFinished(FINISHED)
  const clean = await timed(`${FINISHED} finished uploads`, server.dataDir)
  await clean.server.stop('SIGKILL')
  const killed = await timed(`${FINISHED} finished uploads after a kill`, server.dataDir)
  for (const { ms, percent } of [clean, killed]) {
    assert.ok(ms - none.ms < START_WITHIN_MS, `${ms} ms, and ${none.ms} ms with no upload`)
    assert.ok(percent < BUSY_PERCENT, `${percent} % of a core`)
  }
  assert.is(await killed.server.stop(), 0)
})

test('what a crash kept out of the index, and what it left behind, is found among many finished uploads', async () => {
  const { server: before } = await withFinished(FINISHED / 4)
  let server = await startServer([], before.dataDir)
  const parts = [await createPart(server, 'ab'), await createPart(server, 'cd', 1)]
  const open = idOf(locationOf(await tus.join(server, parts)))
  const alone = await finished(server, 'finished')
  const paused = idOf(locationOf(await tus.create(server, 4)))
  await written(server)
  await server.stop('SIGKILL')
  const lost = [open, alone, paused, ...parts.map(idOf)]
  const db = openSqlite(join(server.dataDir, 'lading.db'))
  for (const id of lost) db.prepare('DELETE FROM uploads WHERE id = ?').run(id)
  db.close()
  const leftover = `${fileOf(server, paused)}.json.tmp`
  writeFileSync(leftover, '{')
  const torn = fileOf(server, paused).replace(/.{4}$/, 'bbbb')
  writeFileSync(torn, 'bytes')

  server = await startServer([], before.dataDir)
  await eventually(60_000, 'the rows', async () => {
    const rows = rowsOf(server)
    return lost.every((id) => rows.has(id)) ? true : undefined
  })
  await eventually(60_000, 'the end of what was left behind', async () =>
    existsSync(leftover) || existsSync(torn) ? undefined : true,
  )
  assert.is((await statusOf(server)).uploads.unfinished, 4)
  assert.is((await tus.patch(server, new URL(parts[1] ?? '').pathname, 1, 'd')).status, 204)
  assert.is((await joinedHead(server, `/files/${open}`)).headers['upload-length'], '4')
  assert.is(await server.stop(), 0)
})

test('the proof finds what the index has wrong, also in the folders of other days', async () => {
  const { server: before, ids } = await withFinished(60)
  const [wrong = '', gone = '', sidecarless = ''] = ids
  const db = openSqlite(join(before.dataDir, 'lading.db'))
  db.prepare('UPDATE uploads SET offset = 3, sha256 = NULL WHERE id = ?').run(wrong)
  db.close()
  rmSync(fileOf(before, gone))
  rmSync(`${fileOf(before, sidecarless)}.json`)
  const server = await startServer([], before.dataDir)
  await eventually(60_000, 'the true rows', async () => {
    const rows = rowsOf(server)
    return rows.get(wrong)?.offset === 10 && !rows.has(gone) ? true : undefined
  })
  await eventually(60_000, 'the files', async () =>
    existsSync(`${fileOf(server, sidecarless)}.json`) && !existsSync(`${fileOf(server, gone)}.json`)
      ? true
      : undefined,
  )
  assert.is((await tus.head(server, `/files/${sidecarless}`)).status, 200)
  assert.is(await server.stop(), 0)
})

test.run()
