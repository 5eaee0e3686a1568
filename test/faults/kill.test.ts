// waits
// time-limit: 300s

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, reprDigestOf, sidecarOf, storedBytes, storedFile } from '../helpers/proof.js'
import {
  createUpload,
  offsetOf,
  Patch,
  PseudoFile,
  printedSeed,
  randomFrom,
  resume,
} from '../helpers/sender.js'
import { eventually, type TestServer, temporaryFolder } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('kill -9')
test.after(killServers)

const MIB = 2 ** 20
const FILE_BYTES = 512 * MIB
const CHUNK_BYTES = 8 * MIB
const KILLS = 15

const seed = printedSeed('kill')
const random = randomFrom(seed)

/** Kills the server and starts it again over the same data. */
async function killAndRestart(server: TestServer): Promise<TestServer> {
  assert.is(await server.stop('SIGKILL'), null)
  return startServer([], server.dataDir)
}

/** What the client may rely on after a kill: the offset it was told, or more; and the file has it. */
async function assertKept(server: TestServer, path: string, told: number): Promise<number> {
  const before = storedBytes(server, path)
  const offset = await offsetOf(server, path)
  assert.ok(offset >= told, `the offset ${offset} is not behind the acknowledged ${told}`)
  assert.is(offset, before, 'the file of the same boot counts whole')
  return offset
}

function places(): number[] {
  return Array.from({ length: KILLS }, () => Math.floor(random() * FILE_BYTES)).sort((a, b) => a - b)
}

test('no offset that was told goes back over 15 kills of an upload in chunks of 8 MiB', async () => {
  const file = new PseudoFile(seed, FILE_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  let told = 0
  for (const place of places()) {
    // A chunk that ends before the place is answered; the one that holds the place dies with the server,
    // every third time just after an answer instead.
    const afterAnswer = random() < 0.33
    while (told < FILE_BYTES) {
      const end = Math.min(FILE_BYTES, told + CHUNK_BYTES)
      const patch = await Patch.begin(server, path, file, told, end)
      if (end > place && !afterAnswer) {
        await patch.send(Math.max(place, told))
        break
      }
      const answer = await patch.finish()
      assert.is(answer?.status, 204)
      told = Number(answer?.headers.get('upload-offset'))
      if (told > place) break
    }
    server = await killAndRestart(server)
    told = await assertKept(server, path, told)
  }
  const { digest, statuses } = await resume(server, path, file, CHUNK_BYTES)
  assert.ok(statuses.every((status) => status === 204))
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('no offset that was told goes back over 15 kills of one endless PATCH', async () => {
  const file = new PseudoFile(seed + 1, FILE_BYTES)
  let server = await startServer()
  const path = await createUpload(server, file)
  let told = 0
  for (const place of places()) {
    const patch = await Patch.begin(server, path, file, told)
    await patch.send(place)
    server = await killAndRestart(server)
    told = await assertKept(server, path, told)
  }
  const { digest, statuses } = await resume(server, path, file)
  assert.equal(statuses, [204])
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('an upload that is whole when the server is killed is finished by the start, without a request', async () => {
  let server = await startServer()
  for (let round = 0; round < 5; round++) {
    const file = new PseudoFile(seed + 2 + round, 24 * MIB)
    const path = await createUpload(server, file)
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send()
    // The time between the last byte and the answer is short: only a loop as fast as this one can kill within it.
    while (storedBytes(server, path) < file.size);
    server.process.kill('SIGKILL')
    await server.stop('SIGKILL')
    server = await startServer([], server.dataDir)
    await finishes(server, path)
    await assertStored(server, path, file)
  }
  assert.is(await server.stop(), 0)
})

test('a whole file whose sidecar has no digest yet is finished by the start, without a request', async () => {
  const dataDir = join(temporaryFolder(), 'data')
  const first = await startServer([], dataDir)
  const file = new PseudoFile(seed + 7, 3 * MIB)
  const path = await createUpload(first, file)
  await resume(first, path, file)
  await first.stop('SIGKILL')
  const sidecarPath = `${storedFile(first, path)}.json`
  const sidecar = JSON.parse(readFileSync(sidecarPath, 'utf8'))
  const unfinished = { ...sidecar, sha256: null, finishedAt: null, checkpoints: [] }
  writeFileSync(sidecarPath, JSON.stringify(unfinished))

  const second = await startServer([], dataDir)
  await finishes(second, path)
  await assertStored(second, path, file)
  assert.is(await second.stop(), 0)
})

/** Watches the disk only: a request would finish the upload by itself. */
async function finishes(server: TestServer, path: string): Promise<void> {
  await eventually(10_000, 'the finish', async () => sidecarOf(server, path).sha256 ?? undefined)
}

test.run()
