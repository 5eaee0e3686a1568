// waits

import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, reprDigestOf, sidecarOf, storedBytes, storedFile } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, idOf, locationOf, send, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { chunk, LAST_CHUNK, patchHeaders } from '../helpers/wire.js'

const test = suite('after a recovery')
test.after(killServers)

const MIB = 2 ** 20
const WRONG_CHECKSUM = `sha1 ${Buffer.alloc(20, 1).toString('base64')}`
const seed = printedSeed('after-recovery')

/** Kills a server and starts it again over the same data, as after a crash of the process. */
async function killed(server: TestServer, flags: readonly string[] = []): Promise<TestServer> {
  assert.is(await server.stop('SIGKILL'), null)
  return await startServer(flags, server.dataDir)
}

async function created(server: TestServer, length: number | null): Promise<string> {
  return new URL(locationOf(await tus.create(server, length))).pathname
}

async function recordOf(server: TestServer, path: string): Promise<Record<string, unknown>> {
  const { text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(path)}` })
  return JSON.parse(text)
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

/** What happens to the file of an upload of 2 MiB that has checkpoints at 1 and 2 MiB, and where it falls back to. */
const DAMAGES: readonly (readonly [string, number, (file: string) => void])[] = [
  ['a file that was cut', MIB, (file) => truncateSync(file, MIB + 5)],
  ['a file that was emptied', 0, (file) => truncateSync(file, 0)],
  ['a file that has foreign bytes at its end', 2 * MIB, (file) => appendFileSync(file, 'foreign bytes')],
]

test('the offset that HEAD told after a fall-back holds after a kill, and the digest is right', async () => {
  let server = await startServer()
  const uploads = []
  for (const [what, good, damage] of DAMAGES) {
    const file = new PseudoFile(seed + good, 4 * MIB)
    const path = await createUpload(server, file)
    for (const from of [0, MIB]) await (await Patch.begin(server, path, file, from, from + MIB)).finish()
    damage(storedFile(server, path))
    assert.is(await offsetOf(server, path), good, what)
    uploads.push({ what, good, file, path })
  }
  server = await killed(server)
  for (const { what, good, file, path } of uploads) {
    assert.is(storedBytes(server, path), good, `${what}: it was cut before the kill`)
    assert.is(await offsetOf(server, path), good, what)
    const { statuses, digest } = await resume(server, path, file, MIB)
    assert.ok(
      statuses.every((status) => status === 204),
      what,
    )
    assert.is(digest, reprDigestOf(file), what)
    await assertStored(server, path, file)
  }
  assert.is(await server.stop(), 0)
})

test('a damaged prefix that a restart has found does not count after a second kill', async () => {
  let server = await startServer()
  const file = new PseudoFile(seed + 1, 4 * MIB)
  const path = await createUpload(server, file)
  for (const from of [0, MIB]) await (await Patch.begin(server, path, file, from, from + MIB)).finish()
  await eventually(30_000, 'two checkpoints', async () => sidecarOf(server, path).checkpoints[1])
  assert.is(await server.stop('SIGKILL'), null)
  flipByte(storedFile(server, path), MIB + 5)
  server = await startServer([], server.dataDir)
  const answer = await (await Patch.begin(server, path, file, 2 * MIB)).finish()
  assert.is(answer?.status, 409)
  server = await killed(server)
  assert.is(storedBytes(server, path), MIB, 'the file was cut before the 409')
  assert.equal(
    sidecarOf(server, path).checkpoints.map(({ offset }) => offset),
    [MIB],
    'what is proven',
  )
  const { statuses, offsets, digest } = await resume(server, path, file)
  assert.equal(offsets, [MIB])
  assert.equal(statuses, [204])
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

const OTHER_BOOT = '00000000-0000-4000-8000-000000000000'
const ACCEPTED = ['--accept', 'text/plain']
const BLANK = ' '.repeat(300)
const TEXT = `${BLANK}${'a letter '.repeat(40)}`
const PAGE = '<!DOCTYPE html><html><body><script>alert(1)</script></body></html>'.padEnd(600)

/** Cuts an upload's file while its server runs: the next request finds it so. */
async function cut(server: TestServer, files: ReadonlyMap<string, number>): Promise<TestServer> {
  for (const [file, bytes] of files) truncateSync(file, bytes)
  return server
}

/** Cuts an upload's file as a crash of the machine does, which loses what was not flushed. */
async function crashed(server: TestServer, files: ReadonlyMap<string, number>): Promise<TestServer> {
  assert.is(await server.stop('SIGKILL'), null)
  await cut(server, files)
  for (const file of files.keys()) {
    const sidecar = JSON.parse(readFileSync(`${file}.json`, 'utf8'))
    writeFileSync(`${file}.json`, JSON.stringify({ ...sidecar, bootId: OTHER_BOOT }))
  }
  return await startServer(ACCEPTED, server.dataDir)
}

for (const [what, fallBack] of [
  ['a file that was cut', cut],
  ['a crash of the machine', crashed],
] as const) {
  test(`bytes that come behind a fall-back to less than 512 bytes, after ${what}, decide the type again`, async () => {
    let server = await startServer(ACCEPTED)
    const uploads: { path: string; good: number }[] = []
    for (const good of [0, BLANK.length]) {
      const path = await created(server, 5_000)
      if (good > 0) assert.is((await tus.patch(server, path, 0, BLANK)).status, 204)
      assert.is((await tus.patch(server, path, good, TEXT)).status, 204)
      await eventually(30_000, 'the type', async () => sidecarOf(server, path).type ?? undefined)
      uploads.push({ path, good })
    }
    server = await fallBack(
      server,
      new Map(uploads.map(({ path, good }) => [storedFile(server, path), good + 50])),
    )
    for (const { path, good } of uploads) {
      assert.is(await offsetOf(server, path), good)
      const answer = await tus.patch(server, path, good, PAGE)
      assert.is(answer.status, 415, `behind ${good} bytes: ${answer.text}`)
      assert.match(answer.text, 'seen as text/html')
      assert.is((await tus.head(server, path)).status, 404, 'nothing is left of it')
    }
    assert.is(await server.stop(), 0)
  })
}

async function assertDeferred(server: TestServer, path: string, offset: number): Promise<void> {
  const { status, headers } = await tus.head(server, path)
  assert.is(status, 200)
  assert.is(headers['upload-defer-length'], '1')
  assert.is(headers['upload-length'], undefined)
  assert.is(headers['upload-offset'], `${offset}`)
  assert.is((await recordOf(server, path)).length, null)
}

/** A PATCH of 12 bytes that declares a length of 5; in chunks, so that only its end shows that it runs over. */
async function overrun(server: TestServer, path: string): Promise<number> {
  const connection = await RawConnection.open(server.port)
  await connection.head(`PATCH ${path}`, [...patchHeaders(0, null), 'Upload-Length: 5'])
  await connection.write(`${chunk('hello, world')}${LAST_CHUNK}`)
  const { status } = await connection.answer()
  connection.cut()
  return status
}

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`a length that a 460 or a 413 took back is deferred after a ${signal} and a restart too`, async () => {
    const first = await startServer()
    const mismatched: string[] = []
    // A body that is the whole upload, and one that is a part of it.
    for (const length of ['5', '9']) {
      const path = await created(first, null)
      const headers = { 'Upload-Length': length, 'Upload-Checksum': WRONG_CHECKSUM }
      assert.is((await tus.patch(first, path, 0, 'hello', headers)).status, 460)
      mismatched.push(path)
    }
    const overran = await created(first, null)
    assert.is(await overrun(first, overran), 413)
    await first.stop(signal)

    const server = await startServer([], first.dataDir)
    for (const path of mismatched) await assertDeferred(server, path, 0)
    await assertDeferred(server, overran, 5)
    for (const path of [...mismatched, overran]) {
      const offset = path === overran ? 5 : 0
      const rest = 'hello!'.slice(offset)
      assert.is((await tus.patch(server, path, offset, rest, { 'Upload-Length': '6' })).status, 204)
      assert.is((await send(server.origin, { method: 'GET', path })).text, 'hello!')
    }
    assert.is(await server.stop(), 0)
  })
}

test.run()
