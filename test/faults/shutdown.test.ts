import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, reprDigestOf, rowsOf, storedBytes, storedNames } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, idOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('shutdown')
test.after(killServers)

const MIB = 2 ** 20
const FILE_BYTES = 512 * MIB
/** Promised are 10 s; a busy machine may need a moment more. */
const EXIT_WITHIN_MS = 12_000
const seed = printedSeed('shutdown')

async function stored(server: TestServer, path: string, bytes: number): Promise<void> {
  await eventually(10_000, `${bytes} bytes`, async () => {
    return storedBytes(server, path) >= bytes ? true : undefined
  })
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} in the middle of uploads: exit 0 in time, offsets kept, rows there, and they go on`, async () => {
    const server = await startServer()
    const file = new PseudoFile(seed, FILE_BYTES)
    const [fast, stalled] = [await createUpload(server, file), await createUpload(server, file)]
    const slow = await Patch.begin(server, stalled, file, 0)
    await slow.send(MIB + 5)
    await stored(server, stalled, MIB + 5)
    const patch = await Patch.begin(server, fast, file, 0)
    const sent = patch.send()
    await stored(server, fast, 8 * MIB)
    // A connection that says nothing, and one that has begun, must not hold the exit up either.
    const silent = await RawConnection.open(server.port)
    const begun = await RawConnection.open(server.port)
    await begun.write('PATCH /files/x HTTP/1.1\r\nHost: lading.test\r\n')

    const startedAt = performance.now()
    assert.is(await server.stop(signal), 0)
    const tookMs = performance.now() - startedAt
    console.log(`shutdown: ${signal}, exit after ${tookMs.toFixed(0)} ms`)
    assert.ok(tookMs < EXIT_WITHIN_MS, `${tookMs} ms`)
    for (const each of [patch, slow]) {
      const answer = await each.answered
      assert.ok(answer === undefined || answer.status === 503, `${answer?.status}`)
    }
    await sent
    for (const each of [silent, begun, patch.connection, slow.connection]) each.socket.destroy()

    const offset = storedBytes(server, fast)
    const rows = rowsOf(server)
    assert.is(rows.get(idOf(fast))?.offset, offset)
    assert.is(rows.get(idOf(fast))?.state, 'paused')
    assert.is(rows.get(idOf(stalled))?.offset, MIB + 5)
    assert.is(storedNames(server).length, 4, 'no temporary file')

    const again = await startServer([], server.dataDir)
    assert.is(await offsetOf(again, fast), offset)
    assert.is(await offsetOf(again, stalled), MIB + 5)
    const { digest, statuses } = await resume(again, fast, file)
    assert.equal(statuses, [204])
    assert.is(digest, reprDigestOf(file))
    await assertStored(again, fast, file)
    assert.is(await again.stop(), 0)
  })
}

test('all rows of uploads that were just finished are there after SIGTERM', async () => {
  const server = await startServer()
  const file = new PseudoFile(seed + 1, 1000)
  const paths: string[] = []
  for (let count = 0; count < 200; count++) {
    const path = await createUpload(server, file)
    assert.is((await tus.patch(server, path, 0, file.read(0, 1000))).status, 204)
    paths.push(path)
  }
  assert.is(await server.stop(), 0)
  const rows = rowsOf(server)
  assert.ok(paths.every((path) => rows.get(idOf(path))?.state === 'finished'))
})

test('a second signal ends at once, and the upload goes on all the same', async () => {
  const server = await startServer()
  const file = new PseudoFile(seed + 2, 64 * MIB)
  const path = await createUpload(server, file)
  const patch = await Patch.begin(server, path, file, 0)
  const sent = patch.send()
  await stored(server, path, 2 * MIB)
  server.process.kill('SIGTERM')
  // The first signal alone ends with 0, and takes a tenth of a second at least.
  assert.is(await server.stop('SIGINT'), 1)
  await sent
  patch.connection.socket.destroy()
  const again = await startServer([], server.dataDir)
  const { digest } = await resume(again, path, file)
  assert.is(digest, reprDigestOf(file))
  await assertStored(again, path, file)
})

test.run()
