// waits

import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSqlite } from '../../server/sqlite.js'
import { assertStored, rowsOf, storedFile, storedNames } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import {
  eventually,
  fileOf,
  idOf,
  statusOf,
  type TestServer,
  temporaryFolder,
  tus,
} from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const MAIN = new URL('../../server/main.js', import.meta.url).pathname
const KIB = 1024

interface Place {
  dataDir: string
  /** An upload that is finished, and one that stands at 300 KiB of 500 KiB. */
  finished: { path: string; file: PseudoFile }
  paused: { path: string; file: PseudoFile }
}

const test = suite<Place>('sidecars')
const seed = printedSeed('sidecars')

test.before.each(async (place) => {
  place.dataDir = join(temporaryFolder(), 'data')
  const server = await startServer([], place.dataDir)
  place.finished = await made(server, 0, 500 * KIB)
  place.paused = await made(server, 1, 300 * KIB)
  await assertStored(server, place.finished.path, place.finished.file)
  await drained(server)
  // Until then the index vouches for nothing, and the next start keeps bytes that it does not know.
  await eventually(30_000, 'the first index', async () =>
    server.log().includes('the index is up to date') ? true : undefined,
  )
  assert.is(await server.stop(), 0)
})
test.after.each(killServers)

async function made(server: TestServer, number: number, bytes: number) {
  const file = new PseudoFile(seed + number, 500 * KIB)
  const path = await createUpload(server, file)
  assert.is((await (await Patch.begin(server, path, file, 0, bytes)).finish())?.status, 204)
  return { path, file }
}

async function drained(server: TestServer): Promise<void> {
  await eventually(30_000, 'an empty queue', async () => {
    return (await statusOf(server)).records.queued === 0 ? true : undefined
  })
}

function change(dataDir: string, sql: string): void {
  const db = openSqlite(join(dataDir, 'lading.db'))
  db.exec(sql)
  db.close()
}

function sidecarPath(place: Place, path: string): string {
  return `${storedFile(place, path)}.json`
}

/** Both uploads are what they were: one is finished still, the other goes on from `offset` and ends right. */
async function assertBothEndRight(place: Place, server: TestServer, offset: number): Promise<void> {
  const { finished, paused } = place
  await eventually(30_000, 'the uploads', async () => {
    const heads = await Promise.all([finished, paused].map(({ path }) => tus.head(server, path)))
    return heads.every(({ status }) => status === 200) ? true : undefined
  })
  assert.is(await offsetOf(server, finished.path), finished.file.size)
  await assertStored(server, finished.path, finished.file)
  const { offsets } = await resume(server, paused.path, paused.file)
  assert.is(offsets[0], offset)
  await assertStored(server, paused.path, paused.file)
  assert.is(await server.stop(), 0)
}

for (const [damage, harm] of [
  ['torn', (path: string) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, 100))],
  ['empty', (path: string) => writeFileSync(path, '')],
  ['missing', (path: string) => rmSync(path)],
] as const) {
  test(`${damage} sidecars are made again from the rows; unproven bytes begin again at 0`, async (place) => {
    harm(sidecarPath(place, place.finished.path))
    harm(sidecarPath(place, place.paused.path))
    await assertBothEndRight(place, await startServer([], place.dataDir), 0)
  })
}

test('bytes that neither a sidecar nor a row knows are removed, a temporary file and a lonely sidecar too', async (place) => {
  const { dataDir, paused, finished } = place
  const text = readFileSync(sidecarPath(place, paused.path), 'utf8')
  const lonely = idOf(paused.path).replace(/.{4}$/, 'aaaa')
  const unknown = idOf(paused.path).replace(/.{4}$/, 'bbbb')
  writeFileSync(`${fileOf(place, lonely)}.json`, text.replaceAll(idOf(paused.path), lonely))
  writeFileSync(fileOf(place, unknown), 'bytes')
  writeFileSync(`${sidecarPath(place, paused.path)}.tmp`, text.slice(0, 50))
  writeFileSync(`${sidecarPath(place, finished.path)}.tmp`, '')
  const server = await startServer([], dataDir)
  await eventually(30_000, 'the sweep', async () => (storedNames(server).length === 4 ? true : undefined))
  assert.not(existsSync(fileOf(place, unknown)))
  await assertBothEndRight(place, server, 300 * KIB)
})

test('rows that are missing come back at the start', async (place) => {
  change(place.dataDir, 'DELETE FROM uploads')
  const server = await startServer([], place.dataDir)
  await eventually(30_000, 'the rows', async () => (rowsOf(server).size === 2 ? true : undefined))
  const row = rowsOf(server).get(idOf(place.paused.path))
  assert.is(row?.state, 'paused')
  assert.is(row?.offset, 300 * KIB)
  await assertBothEndRight(place, server, 300 * KIB)
})

test('a row that is ahead of its file is believed in nothing', async (place) => {
  const id = idOf(place.paused.path)
  change(place.dataDir, `UPDATE uploads SET offset = 450000, state = 'finished' WHERE id = '${id}'`)
  const server = await startServer([], place.dataDir)
  await eventually(30_000, 'the true row', async () => {
    const row = rowsOf(server).get(id)
    return row?.offset === 300 * KIB && row.state === 'paused' ? true : undefined
  })
  await assertBothEndRight(place, server, 300 * KIB)
})

test('the row of an upload whose files are gone does not stay', async (place) => {
  rmSync(storedFile(place, place.paused.path))
  rmSync(sidecarPath(place, place.paused.path))
  const server = await startServer([], place.dataDir)
  await eventually(30_000, 'the removal', async () => (rowsOf(server).size === 1 ? true : undefined))
  assert.is((await tus.head(server, place.paused.path)).status, 404)
})

test('with lading.db deleted while stopped everything is back', async (place) => {
  for (const end of ['', '-wal', '-shm']) rmSync(join(place.dataDir, `lading.db${end}`), { force: true })
  const server = await startServer([], place.dataDir)
  await eventually(30_000, 'the index', async () => (/is up to date/.test(server.log()) ? true : undefined))
  await eventually(30_000, 'the rows', async () => {
    const rows = rowsOf(server)
    return rows.get(idOf(place.finished.path))?.state === 'finished' && rows.size === 2 ? true : undefined
  })
  await assertBothEndRight(place, server, 300 * KIB)
})

test('an expired upload is removed, a finished one never, however old it is', async (place) => {
  const server = await startServer(['--expire-after', '100ms'], place.dataDir)
  await eventually(10_000, 'the expiry', async () => {
    return existsSync(storedFile(place, place.paused.path)) ? undefined : true
  })
  await eventually(30_000, 'the log of it', async () => {
    return server.log().includes('expired uploads were removed') ? true : undefined
  })
  assert.is(await offsetOf(server, place.finished.path), place.finished.file.size)
  await assertStored(server, place.finished.path, place.finished.file)
  assert.equal(storedNames(server).length, 2)
})

test('lading reindex builds the index anew, stopped and beside a running server', async (place) => {
  const reindex = () => promisify(execFile)(process.execPath, [MAIN, 'reindex', '--data-dir', place.dataDir])
  change(place.dataDir, 'DELETE FROM uploads')
  assert.match((await reindex()).stdout, /: 2 uploads, /)
  assert.is(rowsOf(place).size, 2)
  assert.is(rowsOf(place).get(idOf(place.finished.path))?.sha256, place.finished.file.sha256())
  const server = await startServer([], place.dataDir)
  await eventually(30_000, 'the index', async () => (/is up to date/.test(server.log()) ? true : undefined))
  change(place.dataDir, 'DELETE FROM uploads')
  await reindex()
  assert.is(rowsOf(place).size, 2)
  await assertBothEndRight(place, server, 300 * KIB)
})

test.run()
