import { existsSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { storedFile } from '../helpers/proof.js'
import { createUpload, Patch, PseudoFile, printedSeed } from '../helpers/sender.js'
import { eventually, fileOf, idOf, statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('index, lost')
test.after(killServers)

const file = new PseudoFile(printedSeed('index-lost'), 500_000)
const WITHIN_MS = 60_000

async function paused(server: TestServer): Promise<string> {
  const path = await createUpload(server, file)
  assert.is((await (await Patch.begin(server, path, file, 0, 300_000)).finish())?.status, 204)
  await eventually(WITHIN_MS, 'an empty queue', async () =>
    (await statusOf(server)).records.queued === 0 ? true : undefined,
  )
  return path
}

async function logged(server: TestServer, pattern: RegExp, times = 1): Promise<void> {
  await eventually(WITHIN_MS, String(pattern), async () =>
    (server.log().match(new RegExp(pattern, 'g')) ?? []).length >= times ? true : undefined,
  )
}

test('bytes with a torn sidecar are kept when the database is lost while the server runs, also after the reindex', async () => {
  const before = await startServer()
  await logged(before, /the index is up to date/)
  const path = await paused(before)
  assert.is(await before.stop(), 0)
  const server = await startServer([], before.dataDir)
  await logged(server, /the index is up to date/)
  const stored = storedFile(server, path)
  let lost = 0
  do {
    lost += 1
    truncateSync(`${stored}.json`, 100)
    for (const end of ['', '-wal', '-shm']) rmSync(join(server.dataDir, `lading.db${end}`))
    // The first row that is to be written finds the file gone.
    await paused(server)
    await logged(server, /the index is up to date/, 1 + lost)
    // A visit before that row asked the database that was still open, and mended the sidecar: once more.
  } while (statSync(`${stored}.json`).size > 100 && lost < 20)
  await logged(server, /the index may have lost the record of these bytes: they are kept/)
  assert.is(statSync(stored).size, 300_000)
  assert.is(await server.stop(), 0)
  const again = await startServer([], server.dataDir)
  await logged(again, /they are kept/)
  assert.is(statSync(stored).size, 300_000)
  assert.is(await again.stop(), 0)
})

test('what a whole index never heard of is removed, though the index was begun in the run before', async () => {
  const before = await startServer()
  await logged(before, /the index is up to date/)
  const path = await paused(before)
  const unknown = fileOf(before, `${idOf(path).slice(0, -4)}aaaa`)
  writeFileSync(unknown, 'bytes')
  assert.is(await before.stop(), 0)
  const server = await startServer([], before.dataDir)
  await eventually(WITHIN_MS, 'the removal', async () => (existsSync(unknown) ? undefined : true))
  assert.ok(existsSync(storedFile(server, path)))
  assert.is(await server.stop(), 0)
})

test.run()
