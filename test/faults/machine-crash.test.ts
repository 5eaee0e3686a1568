// waits
// time-limit: 300s

import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  assertStored,
  reprDigestOf,
  type SidecarText,
  sidecarOf,
  storedBytes,
  storedFile,
} from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('machine crash')
test.after(killServers)

const MIB = 2 ** 20
const FILE_BYTES = 256 * MIB
/** Behind the second checkpoint at 128 MiB, before the third. */
const SENT_BYTES = 180 * MIB
const OTHER_BOOT = '00000000-0000-4000-8000-000000000000'
const FELL_BACK = 'the stored prefix of an upload does not match its digest'

const seed = printedSeed('machine-crash')

interface Crashed {
  readonly server: TestServer
  readonly path: string
  readonly file: PseudoFile
  /** The offsets of the two checkpoints that were flushed. */
  readonly first: number
  readonly second: number
}

/** An upload of one PATCH that was killed behind its second checkpoint. */
async function crash(number: number): Promise<Crashed> {
  const file = new PseudoFile(seed + number, FILE_BYTES)
  const server = await startServer()
  const path = await createUpload(server, file)
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(SENT_BYTES)
  await eventually(20_000, 'all that was sent', async () => {
    return storedBytes(server, path) === SENT_BYTES ? true : undefined
  })
  await eventually(20_000, 'two checkpoints', async () => {
    return sidecarOf(server, path).checkpoints.length === 2 ? true : undefined
  })
  assert.is(await server.stop('SIGKILL'), null)
  const [first = 0, second = 0] = sidecarOf(server, path).checkpoints.map(({ offset }) => offset)
  assert.ok(first >= 64 * MIB && second >= 128 * MIB && second < SENT_BYTES, `${first}, ${second}`)
  return { server, path, file, first, second }
}

function pretendOtherBoot({ server, path }: Crashed): void {
  const sidecar: SidecarText = { ...sidecarOf(server, path), bootId: OTHER_BOOT }
  writeFileSync(`${storedFile(server, path)}.json`, JSON.stringify(sidecar))
}

function overwriteWithZeros({ server, path }: Crashed, from: number): void {
  const fd = openSync(storedFile(server, path), 'r+')
  const zeros = Buffer.alloc(MIB)
  for (let at = from; at < SENT_BYTES; at += MIB) writeSync(fd, zeros, 0, Math.min(MIB, SENT_BYTES - at), at)
  closeSync(fd)
}

function flipByte({ server, path }: Crashed, at: number): void {
  const fd = openSync(storedFile(server, path), 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, at)
  writeSync(fd, Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, at)
  closeSync(fd)
}

function assertFellBackTo(server: TestServer, offset: number): void {
  const lines = server.log().split('\n')
  const told = lines.filter((line) => line.includes(FELL_BACK))
  assert.is(told.length, 1, 'the log tells of it once')
  assert.ok(told[0]?.includes(`"goodBytes":${offset},`), told[0])
}

/** Brings a damaged upload to its end: one 409, then on from `good`, and a right file. */
async function assertMended(crashed: Crashed, good: number, chunkBytes?: number): Promise<void> {
  const server = await startServer([], crashed.server.dataDir)
  const { path, file } = crashed
  const { statuses, offsets, digest } = await resume(server, path, file, chunkBytes)
  assert.equal(
    statuses.filter((status) => status !== 204),
    [409],
    'damage is told once, by a 409',
  )
  assert.is(offsets.at(-1), good, 'HEAD after the 409')
  assertFellBackTo(server, good)
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
}

test('zeros behind the last checkpoint do not count, and the file is cut there', async () => {
  const crashed = await crash(0)
  pretendOtherBoot(crashed)
  overwriteWithZeros(crashed, crashed.second)
  const { path, file, second } = crashed
  const server = await startServer([], crashed.server.dataDir)
  assert.is(await offsetOf(server, path), second)
  assert.is(storedBytes(server, path), second)
  const { statuses, digest } = await resume(server, path, file)
  assert.equal(statuses, [204])
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('an upload that was cut back goes on from the same offset after another kill', async () => {
  const crashed = await crash(1)
  pretendOtherBoot(crashed)
  overwriteWithZeros(crashed, crashed.second)
  const { path, file, second } = crashed
  const killed = await startServer([], crashed.server.dataDir)
  assert.is(await offsetOf(killed, path), second)
  const patch = await Patch.begin(killed, path, file, second)
  await patch.send(second + 20 * MIB)
  await eventually(20_000, 'all that was sent', async () => {
    return storedBytes(killed, path) === second + 20 * MIB ? true : undefined
  })
  assert.is(await killed.stop('SIGKILL'), null)
  const server = await startServer([], crashed.server.dataDir)
  assert.is(await offsetOf(server, path), second + 20 * MIB, 'bytes of this boot count')
  const { digest } = await resume(server, path, file)
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test('bytes damaged before a checkpoint in another boot: the upload falls back to the one before', async () => {
  const crashed = await crash(2)
  pretendOtherBoot(crashed)
  overwriteWithZeros(crashed, crashed.second)
  flipByte(crashed, crashed.first + 5 * MIB)
  await assertMended(crashed, crashed.first)
})

test('bytes damaged before the first checkpoint: the upload begins again', async () => {
  const crashed = await crash(3)
  pretendOtherBoot(crashed)
  flipByte(crashed, 1000)
  await assertMended(crashed, 0)
})

test('a flipped byte inside the prefix is found in the same boot, by one last PATCH', async () => {
  const crashed = await crash(4)
  flipByte(crashed, crashed.second - 1)
  await assertMended(crashed, crashed.first)
})

test('a flipped byte inside the prefix is found in the same boot, by PATCHes of 8 MiB', async () => {
  const crashed = await crash(5)
  flipByte(crashed, crashed.first)
  await assertMended(crashed, crashed.first, 8 * MIB)
})

test.run()
