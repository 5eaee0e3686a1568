import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startOnFaultyDisk } from '../helpers/faulty-disk.js'
import { assertStored, storedBytes } from '../helpers/proof.js'
import { createUpload, Patch, PseudoFile, resume } from '../helpers/sender.js'
import {
  eventually,
  locationOf,
  type Status,
  send,
  statusOf,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('limits over time')
test.after(killServers)

const KIB = 1024
const MIB = 1024 * KIB
const SOON_MS = 60_000

/** Resolves when `GET /api/status` says so. */
async function until(server: TestServer, what: string, isSo: (status: Status) => boolean): Promise<void> {
  await eventually(SOON_MS, what, async () => (isSo(await statusOf(server)) ? true : undefined))
}

interface Begun {
  readonly path: string
  readonly file: PseudoFile
  readonly patch: Patch
}

/** A PATCH that has sent so many bytes of an upload, and sends no more. */
async function begin(server: TestServer, number: number, sentBytes: number, fileBytes = MIB): Promise<Begun> {
  const file = new PseudoFile(number, fileBytes)
  const path = await createUpload(server, file)
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(sentBytes)
  return { path, file, patch }
}

async function arrived(server: TestServer, { path }: Begun, bytes: number): Promise<void> {
  await eventually(SOON_MS, `${bytes} bytes`, async () => {
    return storedBytes(server, path) === bytes ? true : undefined
  })
}

const SLOT_WAIT_MS = 5_000

/** One has the slot that it waited for, and a later one waits for it; when the first began to wait. */
async function grantedAndWaiting(server: TestServer) {
  const holder = await begin(server, 1, 100 * KIB)
  await arrived(server, holder, 100 * KIB)
  const sinceMs = performance.now()
  const granted = await begin(server, 2, 100 * KIB)
  await until(server, 'the first waiter', ({ slots }) => slots.waiting === 1)
  // The later one must still wait when the time of the first is over.
  await setTimeout(SLOT_WAIT_MS / 2)
  holder.patch.connection.cut()
  await arrived(server, granted, 100 * KIB)
  const later = await begin(server, 3, 100 * KIB)
  await until(server, 'the later waiter', ({ slots }) => slots.waiting === 1)
  return { granted, later, sinceMs }
}

test('"A slot is given back on every path": a slot that was waited for outlives the time-out of the wait, and the next in line keeps its place', async () => {
  const server = await startServer(['--slots', '1', '--slot-wait', `${SLOT_WAIT_MS}ms`])
  const { granted, later, sinceMs } = await grantedAndWaiting(server)
  await setTimeout(Math.max(0, sinceMs + SLOT_WAIT_MS + 300 - performance.now()))
  assert.is((await statusOf(server)).slots.waiting, 1, 'the later one waits on')
  assert.is((await granted.patch.finish())?.status, 204)
  assert.is((await later.patch.finish())?.status, 204)
  await assertStored(server, later.path, later.file)
  await until(server, 'free slots', ({ slots }) => slots.taken === 0 && slots.waiting === 0)
  assert.is(await server.stop(), 0)
})

test('"A slot is given back on every path": a sender that waited for its slot and dies gives it to the next in line', async () => {
  const server = await startServer(['--slots', '1', '--slot-wait', '60s'])
  const holder = await begin(server, 1, 100 * KIB)
  await arrived(server, holder, 100 * KIB)
  const granted = await begin(server, 2, 100 * KIB)
  await until(server, 'the first waiter', ({ slots }) => slots.waiting === 1)
  const later = await begin(server, 3, 100 * KIB)
  await until(server, 'the later waiter', ({ slots }) => slots.waiting === 2)
  holder.patch.connection.cut()
  await arrived(server, granted, 100 * KIB)
  granted.patch.connection.cut()
  await arrived(server, later, 100 * KIB)
  assert.is((await later.patch.finish())?.status, 204)
  await resume(server, granted.path, granted.file)
  await assertStored(server, granted.path, granted.file)
  assert.is(await server.stop(), 0)
})

test('"no free block means the socket is not read": a sender that we do not read for longer than --idle-timeout is not ended', async () => {
  const { server, disk } = await startOnFaultyDisk(['--idle-timeout', '4s'])
  const third = await begin(server, 3, 64 * KIB)
  const large = [await begin(server, 1, 64 * KIB, 16 * MIB), await begin(server, 2, 64 * KIB, 16 * MIB)]
  for (const each of [third, ...large]) await arrived(server, each, 64 * KIB)
  // It is silent at no time at which it could be read.
  const drip = setInterval(() => void third.patch.send(third.patch.at + 1), 200)
  disk.hang('writeSync')
  const sent = large.map(({ patch }) => patch.send())
  await until(server, 'a full arena', ({ arena }) => arena.free === 0).finally(() => clearInterval(drip))
  await third.patch.send(third.file.size - 1)
  await setTimeout(6_000)
  disk.heal()
  assert.is((await third.patch.finish())?.status, 204)
  await Promise.all(sent)
  for (const { patch, path, file } of [...large, third]) {
    assert.is((await patch.finish())?.status, 204)
    await assertStored(server, path, file)
  }
  await until(server, 'free blocks', ({ arena }) => arena.free === arena.blocks)
  assert.is(await server.stop(), 0)
})

const EXPIRE_AFTER_MS = 2_000

test('"Rows of the last three outlive their files by --expire-after", and go then', async () => {
  const server = await startServer(['--expire-after', `${EXPIRE_AFTER_MS}ms`])
  const create = async (): Promise<string> => new URL(locationOf(await tus.create(server, 1000))).pathname
  const [refused, terminated, expired] = [await create(), await create(), await create()]
  assert.is((await tus.patch(server, refused, 0, `#!/bin/sh\n${'x'.repeat(990)}`)).status, 415)
  assert.is((await tus.patch(server, expired, 0, 'abc')).status, 204)
  assert.is((await tus.remove(server, terminated)).status, 204)
  const recordOf = async (path: string): Promise<{ state?: string; updatedAt?: string }> => {
    const found = await send(server.origin, { method: 'GET', path: path.replace('/files', '/api/uploads') })
    return found.status === 200 ? JSON.parse(found.text) : {}
  }
  const outlives = async (path: string, state: string): Promise<void> => {
    const since = await eventually(SOON_MS, `the ${state} row`, async () => {
      const record = await recordOf(path)
      return record.state === state ? Date.parse(record.updatedAt ?? '') : undefined
    })
    const goneAt = await eventually(SOON_MS, `the end of the ${state} row`, async () => {
      return (await recordOf(path)).state === undefined ? Date.now() : undefined
    })
    assert.ok(goneAt - since >= EXPIRE_AFTER_MS, `the ${state} row was gone after ${goneAt - since} ms`)
  }
  await Promise.all([
    outlives(refused, 'refused'),
    outlives(terminated, 'terminated'),
    outlives(expired, 'expired'),
  ])
  assert.is(await server.stop(), 0)
})

test.run()
