// waits
// time-limit: 300s

import { appendFileSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, reprDigestOf, sidecarOf, storedBytes, storedFile } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, randomFrom } from '../helpers/sender.js'
import { eventually, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('checksums and crashes')
test.after(killServers)

const MIB = 2 ** 20
const FILE_BYTES = 96 * MIB
const CHUNK_BYTES = 8 * MIB

const seed = printedSeed('checksum')
const random = randomFrom(seed)

async function killAndRestart(server: TestServer): Promise<TestServer> {
  assert.is(await server.stop('SIGKILL'), null)
  return startServer([], server.dataDir)
}

function chunkAt(server: TestServer, path: string, file: PseudoFile, from: number): Promise<Patch> {
  const to = Math.min(file.size, from + CHUNK_BYTES)
  return Patch.begin(server, path, file, from, to, [file.checksum('sha1', from, to)])
}

async function untilStored(server: TestServer, path: string, bytes: number): Promise<void> {
  await eventually(60_000, `${bytes} bytes in the file`, async () =>
    storedBytes(server, path) >= bytes ? true : undefined,
  )
}

test('a kill within a request under a checksum takes back that request, and nothing that was acknowledged', async () => {
  const file = new PseudoFile(seed, FILE_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  let told = 0
  while (told < FILE_BYTES) {
    // Every second chunk dies on its way, each at another place, the last of its bytes being the hardest.
    const dying = await chunkAt(server, path, file, told)
    const bytes = Math.floor(random() * (CHUNK_BYTES - 2 * MIB)) + MIB
    await dying.send(told + bytes)
    await untilStored(server, path, told + bytes - MIB)
    server = await killAndRestart(server)
    assert.is(await offsetOf(server, path), told)
    assert.is(storedBytes(server, path), told, 'the file is cut back to what counts')
    const answer = await (await chunkAt(server, path, file, told)).finish()
    assert.is(answer?.status, 204)
    told = Number(answer?.headers.get('upload-offset'))
    if (random() < 0.5) {
      server = await killAndRestart(server)
      if (told < FILE_BYTES) assert.is(await offsetOf(server, path), told)
    }
  }
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('after a kill within a plain request behind verified ones every byte counts', async () => {
  const file = new PseudoFile(seed + 1, FILE_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  assert.is((await (await chunkAt(server, path, file, 0)).finish())?.status, 204)
  const plain = await Patch.begin(server, path, file, CHUNK_BYTES)
  await plain.send(CHUNK_BYTES + 10 * MIB)
  await untilStored(server, path, CHUNK_BYTES + 9 * MIB)
  server = await killAndRestart(server)
  const offset = await offsetOf(server, path)
  assert.ok(offset >= CHUNK_BYTES + 9 * MIB, `${offset}`)
  const rest = await (await Patch.begin(server, path, file, offset)).finish()
  assert.is(rest?.headers.get('repr-digest'), reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('the last request of an upload, whole but not verified when the server dies, is no finished file', async () => {
  const file = new PseudoFile(seed + 2, CHUNK_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  assert.is((await (await chunkAt(server, path, file, 0)).finish())?.status, 204)
  await server.stop()
  // The same upload, as it is a moment before its checksum is known: all bytes there, none of them verified.
  const { sha256: _, ...open } = sidecarOf(server, path)
  const sidecar = { ...open, sha256: null, finishedAt: null, verifiedTo: 0, checkpoints: [] }
  writeFileSync(`${storedFile(server, path)}.json`, JSON.stringify(sidecar))
  server = await startServer([], server.dataDir)
  assert.is(await offsetOf(server, path), 0)
  assert.is(storedBytes(server, path), 0)
  assert.is((await (await chunkAt(server, path, file, 0)).finish())?.status, 204)
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('a digest that is read again after a restart goes on over requests that did not match', async () => {
  const file = new PseudoFile(seed + 3, FILE_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  const half = FILE_BYTES / 2
  assert.is((await (await Patch.begin(server, path, file, 0, half)).finish())?.status, 204)
  server = await killAndRestart(server)
  const wrong = file.checksum('sha256', 0, 1)
  const mismatch = await Patch.begin(server, path, file, half, file.size, [wrong])
  assert.is((await mismatch.finish())?.status, 460)
  assert.is(await offsetOf(server, path), half)
  const right = file.checksum('sha256', half, file.size)
  const last = await (await Patch.begin(server, path, file, half, file.size, [right])).finish()
  assert.is(last?.headers.get('repr-digest'), reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('bytes of another program behind the verified ones are cut off, not taken over', async () => {
  const file = new PseudoFile(seed + 4, 2 * CHUNK_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  assert.is((await (await chunkAt(server, path, file, 0)).finish())?.status, 204)
  await server.stop('SIGKILL')
  appendFileSync(storedFile(server, path), Buffer.alloc(1000))
  server = await startServer([], server.dataDir)
  assert.is(await offsetOf(server, path), CHUNK_BYTES)
  assert.is((await (await chunkAt(server, path, file, CHUNK_BYTES)).finish())?.status, 204)
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test.run()
