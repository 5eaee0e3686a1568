import { mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored } from '../helpers/proof.js'
import { createUpload, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, fileOf, idOf, type TestServer, temporaryFolder, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const BYTES = 300_000

const test = suite('head')
const seed = printedSeed('head')
test.after.each(killServers)

async function finished(server: TestServer): Promise<{ path: string; file: PseudoFile; stored: string }> {
  const file = new PseudoFile(seed, BYTES)
  const path = await createUpload(server, file)
  assert.is((await (await Patch.begin(server, path, file, 0, BYTES / 2)).finish())?.status, 204)
  await resume(server, path, file)
  return { path, file, stored: fileOf(server, idOf(path)) }
}

test('HEAD is 423 and never 5xx while the end of an upload cannot be written, and its retry finishes it', async () => {
  const server = await startServer()
  const file = new PseudoFile(seed, BYTES)
  const path = await createUpload(server, file)
  // A folder where the temporary sidecar goes stands for every error of the disk.
  const blocked = `${fileOf(server, idOf(path))}.json.tmp`
  mkdirSync(blocked)
  const patched = await (await Patch.begin(server, path, file, 0)).finish()
  assert.is(patched?.status, 500)
  assert.is((await tus.head(server, path)).status, 423)
  rmdirSync(blocked)
  const head = await tus.head(server, path)
  assert.is(head.status, 200)
  assert.ok(head.headers['repr-digest'])
  await assertStored(server, path, file)
})

test('HEAD of a whole upload whose prefix was damaged gives the offset it fell back to', async () => {
  const dataDir = join(temporaryFolder(), 'data')
  const before = await startServer([], dataDir)
  const { path, file, stored } = await finished(before)
  await before.stop()
  const sidecar = JSON.parse(readFileSync(`${stored}.json`, 'utf8'))
  writeFileSync(`${stored}.json`, JSON.stringify({ ...sidecar, sha256: null, finishedAt: null }))
  const bytes = readFileSync(stored)
  bytes[BYTES - 10] = (bytes[BYTES - 10] ?? 0) ^ 1
  writeFileSync(stored, bytes)
  const server = await startServer([], dataDir)
  const head = await tus.head(server, path)
  assert.is(head.status, 200)
  assert.is(head.headers['upload-offset'], String(BYTES / 2))
  await resume(server, path, file)
  await assertStored(server, path, file)
})

test('a client that comes before a torn sidecar is restored is not told that its upload is gone', async () => {
  const dataDir = join(temporaryFolder(), 'data')
  const before = await startServer([], dataDir)
  const { path, file, stored } = await finished(before)
  await before.stop()
  writeFileSync(`${stored}.json`, '{"version": 1, "id"')
  const server = await startServer([], dataDir)
  const seen = await eventually(20_000, 'the restored upload', async () => {
    const { status, headers } = await tus.head(server, path)
    assert.ok(status === 200 || status === 423, `HEAD answered ${status}`)
    return status === 200 ? headers : undefined
  })
  assert.is(seen['upload-offset'], String(BYTES))
  await assertStored(server, path, file)
})

test('bytes without a sidecar are kept where the index began anew and vouches for nothing', async () => {
  const dataDir = join(temporaryFolder(), 'data')
  const before = await startServer([], dataDir)
  const { path, stored } = await finished(before)
  await before.stop()
  writeFileSync(`${stored}.json`, '')
  for (const name of ['lading.db', 'lading.db-wal', 'lading.db-shm']) writeFileSync(join(dataDir, name), '')
  const server = await startServer([], dataDir)
  await eventually(20_000, 'the sweep', async () => (/they are kept/.test(server.log()) ? true : undefined))
  assert.is(readFileSync(stored).length, BYTES)
  assert.is((await tus.head(server, path)).status, 423)
})

test('a sidecar of another version of Lading is left as it is', async () => {
  const dataDir = join(temporaryFolder(), 'data')
  const before = await startServer([], dataDir)
  const { path, stored } = await finished(before)
  await before.stop()
  const text = readFileSync(`${stored}.json`, 'utf8').replace('"version": 1', '"version": 2')
  writeFileSync(`${stored}.json`, text)
  const server = await startServer([], dataDir)
  await eventually(20_000, 'the reindex', async () => (/is up to date/.test(server.log()) ? true : undefined))
  assert.is((await tus.head(server, path)).status, 423)
  assert.is((await tus.remove(server, path)).status, 423)
  assert.is(readFileSync(`${stored}.json`, 'utf8'), text)
  assert.is(readFileSync(stored).length, BYTES)
})

test('a log that cannot be written does not end the server', async () => {
  const server = await startServer([], undefined, openSync('/dev/full', 'w'))
  const { path, file } = await finished(server)
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test.run()
