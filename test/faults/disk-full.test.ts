import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fillUp, fillUpTo, free, onSmallDisks } from '../helpers/full-disk.js'
import { enterOwnMounts } from '../helpers/own-mounts.js'
import { assertStored, reprDigestOf, sidecarOf, storedBytes, storedNames } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, idOf, locationOf, send, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const noMounts = enterOwnMounts(import.meta.url)

const MIB = 2 ** 20
const KIB = 1024

const test = suite('disk full')
test.after(killServers)
const seed = printedSeed('disk-full')

const onSmallDisk = onSmallDisks(test, noMounts)

/** A finished upload can be downloaded. */
async function assertServed(server: TestServer, path: string): Promise<void> {
  const answer = await send(server.origin, { method: 'GET', path })
  assert.is(answer.status, 200, answer.text)
}

onSmallDisk(
  'a PATCH that fills the disk gets 507, its offset is true, and it ends right later',
  async (dataDir) => {
    const server = await startServer([], dataDir)
    const finished = new PseudoFile(seed, 2 * MIB)
    const finishedPath = await createUpload(server, finished)
    await resume(server, finishedPath, finished)
    const paused = new PseudoFile(seed + 1, 12 * MIB)
    const pausedPath = await createUpload(server, paused)
    await (await Patch.begin(server, pausedPath, paused, 0, 4 * MIB)).finish()

    const big = new PseudoFile(seed + 2, 30 * MIB)
    const path = await createUpload(server, big)
    fillUpTo(dataDir, 20 * MIB)
    const answer = await (await Patch.begin(server, path, big, 0)).finish()
    assert.is(answer?.status, 507)
    assert.ok(answer?.headers.has('retry-after'))
    const offset = await offsetOf(server, path)
    assert.is(offset, storedBytes(server, path))
    assert.ok(offset > 8 * MIB, `${offset} bytes were kept`)
    assert.is(await offsetOf(server, pausedPath), 4 * MIB, 'the other upload is as it was')

    free(dataDir)
    await assertServed(server, finishedPath)
    const resumed = await resume(server, pausedPath, paused)
    assert.is(resumed.digest, reprDigestOf(paused))
    const { digest, offsets } = await resume(server, path, big)
    assert.is(offsets[0], offset)
    assert.is(digest, reprDigestOf(big), 'the digest did not count what was not written')
    for (const [each, file] of [
      [finishedPath, finished],
      [pausedPath, paused],
      [path, big],
    ] as const)
      await assertStored(server, each, file)
    assert.is(await server.stop(), 0)
  },
)

onSmallDisk(
  'creations on a full disk get 507 and leave nothing, and are accepted again later',
  async (dataDir) => {
    const server = await startServer([], dataDir)
    const file = new PseudoFile(seed + 3, MIB)
    await resume(server, await createUpload(server, file), file)
    const before = storedNames(server)
    fillUpTo(dataDir, 0)
    for (let round = 0; round < 20; round++) assert.is((await tus.create(server, 1000)).status, 507)
    const body = Buffer.alloc(600 * KIB)
    const withBody = { method: 'POST', path: server.url, body }
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Length': body.length,
      'Content-Type': 'application/offset+octet-stream',
    }
    assert.is((await send(server.origin, { ...withBody, headers })).status, 507)
    assert.equal(storedNames(server), before)
    free(dataDir)
    assert.is((await send(server.origin, { ...withBody, headers })).status, 201)
    assert.is(await server.stop(), 0)
  },
)

onSmallDisk(
  'an upload whose last byte fits but not its sidecar is finished once there is room',
  async (dataDir) => {
    const server = await startServer([], dataDir)
    const file = new PseudoFile(seed + 4, 2 * MIB)
    const path = await createUpload(server, file)
    await (await Patch.begin(server, path, file, 0, file.size - 1)).finish()
    await eventually(30_000, 'the checkpoint', async () => sidecarOf(server, path).checkpoints[0])
    // The last byte goes into a page that the file has; a sidecar needs one of its own.
    await fillUp(dataDir)
    const full = await (await Patch.begin(server, path, file, file.size - 1)).finish()
    assert.is(full?.status, 507)
    assert.is(storedBytes(server, path), file.size, 'the last byte was written')
    assert.is(sidecarOf(server, path).sha256, null, 'its end was not')
    assert.is(storedNames(server).filter((name) => name.endsWith('.tmp')).length, 0)
    free(dataDir)
    assert.is(await offsetOf(server, path), file.size)
    const last = await tus.patch(server, path, file.size, '')
    assert.is(last.status, 204)
    assert.is(last.headers['repr-digest'], reprDigestOf(file))
    await assertStored(server, path, file)
    assert.is(await server.stop(), 0)
  },
)

onSmallDisk(
  'below --min-free uploads get 507 while what is stored is served, and go on above it',
  async (dataDir) => {
    const server = await startServer(['--min-free', '16MiB'], dataDir)
    const file = new PseudoFile(seed + 5, 20 * MIB)
    const path = await createUpload(server, file)
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send(MIB)
    fillUpTo(dataDir, 15 * MIB)

    // The disk is asked once a second: so long it may go on, in small steps here.
    const answer = await eventually(10_000, 'the 507', async () => {
      await patch.send(Math.min(file.size, patch.at + 4 * KIB))
      return await Promise.race([patch.answered, Promise.resolve(undefined)])
    })
    assert.is(answer.status, 507)
    patch.connection.socket.destroy()
    const offset = await offsetOf(server, path)
    assert.is(offset, storedBytes(server, path))
    assert.ok(offset >= MIB)
    assert.is((await tus.create(server, 5)).status, 507)
    assert.is((await tus.patch(server, path, offset, file.read(offset, offset + 10))).status, 507)
    assert.is((await send(server.origin, { method: 'GET', path: '/readyz' })).status, 503)
    assert.is((await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(path)}` })).status, 200)

    free(dataDir)
    await eventually(30_000, 'readiness', async () => {
      return (await send(server.origin, { method: 'GET', path: '/readyz' })).status === 200 ? true : undefined
    })
    const { statuses, digest } = await resume(server, path, file)
    assert.equal(statuses, [204])
    assert.is(digest, reprDigestOf(file))
    await assertStored(server, path, file)
    assert.is(await server.stop(), 0)
  },
)

onSmallDisk('an upload that is larger than the free disk gets 507 at its creation', async (dataDir) => {
  const server = await startServer(['--min-free', '16MiB'], dataDir)
  const refused = await tus.create(server, 50 * MIB)
  assert.is(refused.status, 507, 'with --min-free it does not fit')
  assert.ok(refused.headers['retry-after'])
  assert.equal(storedNames(server), [])
  assert.is((await tus.create(server, 40 * MIB)).status, 201)
  const deferred = locationOf(await tus.create(server, null))
  const late = await tus.patch(server, deferred, 0, 'hello', { 'Upload-Length': String(50 * MIB) })
  assert.is(late.status, 507)
  assert.is((await tus.head(server, deferred)).headers['upload-defer-length'], '1')
  assert.is((await tus.patch(server, deferred, 0, 'hello', { 'Upload-Length': '5' })).status, 204)
  assert.is(await server.stop(), 0)
})

const INODES = 200

const onFewInodes = onSmallDisks(test, noMounts, INODES)

onFewInodes('a disk without inodes gets 507 to creations, and is not ready', async (dataDir) => {
  const server = await startServer([], dataDir)
  const file = new PseudoFile(seed + 6, 2 * MIB)
  const path = await createUpload(server, file)
  await (await Patch.begin(server, path, file, 0, MIB)).finish()
  const made = takeInodes(dataDir)
  // The disk is asked once a second.
  await eventually(30_000, 'the 503', async () => {
    return (await send(server.origin, { method: 'GET', path: '/readyz' })).status === 503 ? true : undefined
  })
  assert.ok(((await statusOf(server)).disk.freeInodes ?? 16) < 16)
  const before = storedNames(server)
  assert.is((await tus.create(server, 5)).status, 507)
  assert.equal(storedNames(server), before)
  // Bytes need no inode; only the end of the upload does.
  const answer = await (await Patch.begin(server, path, file, MIB, 2 * MIB - 1)).finish()
  assert.is(answer?.status, 204)
  for (const each of made) rmSync(each)
  await eventually(30_000, 'readiness', async () => {
    return (await send(server.origin, { method: 'GET', path: '/readyz' })).status === 200 ? true : undefined
  })
  assert.equal((await resume(server, path, file)).statuses, [204])
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

onFewInodes('with --min-free some inodes are kept', async (dataDir) => {
  const server = await startServer(['--min-free', '16MiB'], dataDir)
  let created = 0
  while ((await tus.create(server, 5)).status === 201) created += 1
  const free = (await statusOf(server)).disk.freeInodes ?? 0
  assert.ok(created > 50 && free >= 8, `${created} uploads, ${free} inodes are free`)
  assert.is(await server.stop(), 0)
})

/** Takes every inode of a disk; returns the empty files that have them. */
function takeInodes(dataDir: string): string[] {
  const made: string[] = []
  for (;;) {
    const path = join(dataDir, `inode-${made.length}`)
    try {
      writeFileSync(path, '', { flag: 'wx' })
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return made
      throw error
    }
    made.push(path)
  }
}

test.run()
