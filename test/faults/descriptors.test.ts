import { mkdirSync, rmdirSync, rmSync, truncateSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fillUp, free, onSmallDisks } from '../helpers/full-disk.js'
import { enterOwnMounts } from '../helpers/own-mounts.js'
import { createPart, PARTIAL } from '../helpers/parts.js'
import { sidecarOf, storedBytes, storedFile } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import {
  eventually,
  locationOf,
  send,
  startServer as startAlone,
  statusOf,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { descriptors } from '../helpers/under-attack.js'
import { chunk, LAST_CHUNK, OFFSET_TYPE, offsetOf, patchHeaders, unknownId } from '../helpers/wire.js'

const noMounts = enterOwnMounts(import.meta.url)

const test = suite('descriptors')
const onSmallDisk = onSmallDisks(test, noMounts)
test.after(killServers)

const FAILURES = 50
/** Less than one for each failure by far: what the database, the log or a folder have open for a moment. */
const SPARE = 5
const COLLECTING = new URL('../helpers/collecting.js', import.meta.url).href
const EXECUTABLE = Buffer.from(`\x7fELF${'\0'.repeat(600)}`, 'latin1')
const LARGE = Buffer.alloc(4 * 2 ** 20, 'a large file\n')
const WRONG_CHECKSUM = { 'Upload-Checksum': `sha1 ${Buffer.alloc(20, 1).toString('base64')}` }

/** A server that would soon warn of a file that was left open. */
function startCollecting(dataDir?: string): Promise<TestServer> {
  return startServer([], dataDir, 'pipe', { nodeFlags: ['--import', COLLECTING] })
}

let server: TestServer
test.before(async () => {
  server = await startCollecting()
})

async function created(length: number, headers: Record<string, string> = {}): Promise<string> {
  return new URL(locationOf(await tus.create(server, length, headers))).pathname
}

async function paused(): Promise<string> {
  const path = await created(10)
  assert.is((await tus.patch(server, path, 0, 'hello')).status, 204)
  return path
}

async function finished(bytes: Buffer): Promise<string> {
  const path = await created(bytes.length)
  assert.is((await tus.patch(server, path, 0, bytes)).status, 204)
  return path
}

/** A PATCH of which the first bytes are in the file, and the rest does not come yet. */
async function running(): Promise<{ path: string; connection: RawConnection }> {
  const path = await created(1_000)
  const connection = await RawConnection.open(server.port)
  await connection.head(`PATCH ${path}`, patchHeaders(0, 1_000))
  await connection.write('a'.repeat(600))
  await eventually(30_000, 'the first bytes', async () => (storedBytes(server, path) > 0 ? true : undefined))
  return { path, connection }
}

/** What fails, each in a way of its own; `make` gives what is done before the failures begin. */
type Failure = () => Promise<void>
const FAILURES_OF: Readonly<Record<string, () => Promise<Failure>>> = {
  'a PATCH with a refused type': async () => async () => {
    assert.is((await tus.patch(server, await created(EXECUTABLE.length), 0, EXECUTABLE)).status, 415)
  },
  'a POST with a refused type': async () => async () => {
    const headers = {
      'Tus-Resumable': '1.0.0',
      'Upload-Length': EXECUTABLE.length,
      'Content-Type': OFFSET_TYPE,
    }
    const post = { method: 'POST', path: '/files', headers, body: EXECUTABLE }
    assert.is((await send(server.origin, post)).status, 415)
  },
  'a checksum that does not match': async () => async () => {
    assert.is((await tus.patch(server, await paused(), 5, 'abc', WRONG_CHECKSUM)).status, 460)
  },
  'a body that runs over': async () => async () => {
    const connection = await RawConnection.open(server.port)
    await connection.head(`PATCH ${await created(5)}`, patchHeaders(0, null))
    await connection.write(`${chunk('hello, world')}${LAST_CHUNK}`)
    assert.is((await connection.answer()).status, 413)
    connection.cut()
  },
  'a body that is cut': async () => async () => (await running()).connection.cut(),
  'a body that a HEAD takes over': async () => async () => {
    const { path, connection } = await running()
    assert.is((await tus.head(server, path)).status, 200)
    assert.is((await connection.answer()).status, 423)
    connection.cut()
  },
  'an upload that does not exist': async () => async () => {
    const path = `/files/${unknownId()}`
    const answers = [
      ...[tus.head(server, path), tus.patch(server, path, 0, 'a'), tus.remove(server, path)],
      send(server.origin, { method: 'GET', path }),
    ]
    for (const { status } of await Promise.all(answers)) assert.is(status, 404)
  },
  'a download that is cut': async () => {
    const path = await finished(LARGE)
    return async () => {
      const connection = await RawConnection.open(server.port)
      await connection.head(`GET ${path}`)
      await eventually(30_000, 'the first bytes', async () => connection.socket.bytesRead || undefined)
      connection.cut()
    }
  },
  'a download of a file that is shorter than recorded': async () => {
    const path = await finished(LARGE)
    truncateSync(storedFile(server, path), LARGE.length / 2)
    return async () => {
      const answer = await send(server.origin, { method: 'GET', path }).catch(() => undefined)
      assert.is.not(answer?.status, 200)
    }
  },
  'an offset that is not the current one': async () => {
    const path = await paused()
    return async () => assert.is((await tus.patch(server, path, 6, 'abc')).status, 409)
  },
  'a final upload of which a part is missing': async () => {
    const part = await createPart(server, 'hello')
    return async () => {
      assert.is((await tus.join(server, [part, `/files/${unknownId()}`])).status, 400)
    }
  },
  'a final upload with a refused type': async () => async () => {
    const head = await createPart(server, EXECUTABLE.subarray(0, 2))
    const joined = await tus.join(server, [head, await createPart(server, EXECUTABLE.subarray(2))])
    assert.is(joined.status, 415)
  },
  'a file that is shorter than it was left': async () => async () => {
    const path = await paused()
    truncateSync(storedFile(server, path), 3)
    assert.is((await tus.patch(server, path, 5, 'world')).status, 409)
  },
  'a file that is removed while a body runs': async () => async () => {
    const { path, connection } = await running()
    rmSync(storedFile(server, path))
    await connection.write('a'.repeat(400))
    assert.is((await connection.answer()).status, 404)
    connection.cut()
  },
  'a sidecar that cannot be written': async () => async () => {
    const path = await created(5)
    const blocked = `${storedFile(server, path)}.json.tmp`
    mkdirSync(blocked)
    assert.is((await tus.patch(server, path, 0, 'hello')).status, 500)
    rmdirSync(blocked)
  },
}

/** Nothing of a request is open any more, and nothing is saved in the background. */
async function atRest(): Promise<void> {
  await eventually(60_000, 'a server at rest', async () => {
    const { slots, downloads, arena } = await statusOf(server)
    return slots.taken + downloads.taken === 0 && arena.free === arena.blocks ? true : undefined
  })
}

async function assertNoneLeft(fail: Failure): Promise<void> {
  // What is opened once and kept, such as the thread for checksums, is there after the first.
  await fail()
  await atRest()
  const before = descriptors(server.pid)
  for (let count = 0; count < FAILURES; count++) await fail()
  await atRest()
  await eventually(20_000, `no more than ${before} descriptors`, async () =>
    descriptors(server.pid) <= before + SPARE ? true : undefined,
  )
}

for (const [what, prepare] of Object.entries(FAILURES_OF)) {
  test(`${what}, ${FAILURES} times, leaves no descriptor open`, async () => {
    await assertNoneLeft(await prepare())
  })
}

onSmallDisk(`a disk that is full, ${FAILURES} times, leaves no descriptor open`, async (dataDir) => {
  assert.is(await server.stop(), 0)
  server = await startCollecting(dataDir)
  const paths = [await created(LARGE.length), await created(LARGE.length, PARTIAL)]
  for (const path of paths) {
    assert.is((await tus.patch(server, path, 0, LARGE.subarray(0, 5))).status, 204)
    await eventually(30_000, 'the checkpoint', async () => sidecarOf(server, path).checkpoints[0])
  }
  await fillUp(dataDir)
  await assertNoneLeft(async () => {
    // One that is refused for its length, and one whose sidecar does not fit.
    for (const length of [5, 0]) assert.is((await tus.create(server, length)).status, 507)
    for (const path of paths) {
      const offset = await offsetOf(server, path)
      assert.is((await tus.patch(server, path, offset, LARGE.subarray(0, 2 ** 16))).status, 507)
    }
  })
  free(dataDir)
})

test('nothing of all that was closed by the garbage collection', async () => {
  assert.is(await server.stop(), 0)
})

test('a server that leaves a file to the garbage collection fails its test', async () => {
  const nodeFlags = ['--import', `${COLLECTING}?leak`]
  const run = async (): Promise<void> => {
    const leaking = await startAlone([], undefined, 'pipe', { nodeFlags })
    await eventually(30_000, 'the warning', async () => (/garbage/.test(leaking.log()) ? true : undefined))
    await leaking.stop()
  }
  const problem = await run().then(
    () => 'none',
    (error: unknown) => String(error),
  )
  // Newer Nodes do not warn, but end the process.
  assert.match(problem, /(?:left a file open|the server ended with 1): .*garbage collection/s)
})

test.run()
