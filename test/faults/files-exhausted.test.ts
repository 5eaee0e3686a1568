import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openUploads, starve } from '../helpers/descriptors.js'
import { assertStored, reprDigestOf, storedBytes, storedFile, storedNames } from '../helpers/proof.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import {
  createUpload,
  offsetOf,
  Patch,
  PseudoFile,
  patchHeaders,
  printedSeed,
  resume,
} from '../helpers/sender.js'
import { eventually, locationOf, send, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded, needsProgram } from '../helpers/test.js'

const test = suite('files exhausted')
const starving = needsProgram(test, 'prlimit')
test.after(killServers)

const MIB = 2 ** 20
const KIB = 1024
const VERSION = 'Tus-Resumable: 1.0.0'
const seed = printedSeed('files-exhausted')

/** Connections that are accepted before the server has no descriptor left for others; its start is over then. */
async function connections(server: TestServer, count: number): Promise<RawConnection[]> {
  await eventually(60_000, 'the end of the start', async () => {
    return server.log().includes('the index is up to date') ? true : undefined
  })
  const opened = Array.from({ length: count }, () => RawConnection.open(server.port))
  const all = await Promise.all(opened)
  for (const connection of all) {
    await connection.head('GET /healthz')
    assert.is((await connection.answer()).status, 200)
  }
  return all
}

async function ask(
  connection: RawConnection | undefined,
  line: string,
  headers: readonly string[] = [],
): Promise<RawAnswer> {
  if (!connection) throw new Error('no connection')
  await connection.head(line, headers)
  return await connection.answer()
}

/** The status of a HEAD, whose answer has the length of a body that does not come. */
async function headStatus(connection: RawConnection | undefined, path: string): Promise<number> {
  if (!connection) throw new Error('no connection')
  const first = once(connection.socket, 'data')
  await connection.head(`HEAD ${path}`, [VERSION])
  const [data] = await bounded(60_000, first, 'the answer to HEAD')
  return Number(String(data).split(' ')[1])
}

/** A server with an upload that is not in its memory. */
async function restarted(file: PseudoFile, bytes: number): Promise<{ server: TestServer; path: string }> {
  const first = await startServer()
  const path = await createUpload(first, file)
  if (bytes > 0) await (await Patch.begin(first, path, file, 0, bytes)).finish()
  assert.is(await first.stop(), 0)
  return { server: await startServer([], first.dataDir), path }
}

starving(
  'without a descriptor POST gets 503 with Retry-After and leaves nothing, and /api/status answers',
  async () => {
    const server = await startServer()
    const [one, two] = await connections(server, 2)
    const feed = starve(server)
    const refused = await ask(one, 'POST /files', [VERSION, 'Upload-Length: 5'])
    const status = await ask(two, 'GET /api/status')
    feed()
    assert.is(refused.status, 503)
    assert.match(refused.text, 'files_exhausted')
    assert.ok(refused.headers.has('retry-after'))
    assert.is(status.status, 200)
    assert.ok(JSON.parse(status.text).memory.rssBytes > 0)
    assert.equal(storedNames(server), [])
    assert.is((await ask(one, 'POST /files', [VERSION, 'Upload-Length: 5'])).status, 201)
    assert.is(await server.stop(), 0)
  },
)

starving('without a descriptor no request gets 500, and HEAD of a live upload no 5xx', async () => {
  const file = new PseudoFile(seed, MIB)
  const { server, path } = await restarted(file, KIB)
  const [one, two] = await connections(server, 2)
  const feed = starve(server)
  const head = await headStatus(two, path)
  const get = await ask(one, `GET ${path}`)
  const record = await ask(one, `GET /api/uploads/${path.slice(path.lastIndexOf('/') + 1)}`)
  const part = `Upload-Concat: final;${path}`
  const final = await ask(one, 'POST /files', [VERSION, part])
  const removed = await ask(one, `DELETE ${path}`, [VERSION])
  feed()
  assert.is(head, 423)
  assert.is(get.status, 503)
  assert.ok([200, 503].includes(record.status), `${record.status}`)
  assert.is(final.status, 503)
  assert.is(removed.status, 503)
  assert.is(await offsetOf(server, path), KIB)
  assert.equal((await resume(server, path, file)).statuses, [204])
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

starving(
  'a PATCH that runs goes on without a descriptor for others, and ends once there is one',
  async () => {
    const server = await startServer()
    const file = new PseudoFile(seed + 1, 8 * MIB)
    const path = await createUpload(server, file)
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send(MIB)
    await eventually(30_000, 'the first bytes', async () =>
      storedBytes(server, path) > 0 ? true : undefined,
    )
    assert.is(openUploads(server).length, 1)
    const feed = starve(server)
    await patch.send()
    await eventually(30_000, 'all bytes', async () =>
      storedBytes(server, path) === file.size ? true : undefined,
    )
    feed()
    const answer = await patch.finish()
    assert.is(answer?.status, 204)
    assert.is(answer?.headers.get('repr-digest'), reprDigestOf(file))
    await assertStored(server, path, file)
    assert.equal(openUploads(server), [])
    assert.is(await server.stop(), 0)
  },
)

/** Waits for the second after a body in which the file of its upload stays open. */
async function closed(server: TestServer): Promise<void> {
  await eventually(30_000, 'the closing of its file', async () => {
    return openUploads(server).length === 0 ? true : undefined
  })
}

/** What comes, the bytes that are stored before, the bytes that it has, and its checksums. */
const WAITING: readonly (readonly [string, number, number, readonly string[]])[] = [
  ['a PATCH', 0, 2 * MIB, []],
  ['a PATCH under a checksum', 0, 2 * MIB, ['sha1']],
  ['a PATCH of ten bytes', 0, 10, []],
  ['a PATCH to an upload whose type is not decided', 300, 5 * KIB, []],
  ['a PATCH to an upload whose type is decided', MIB, 15 * MIB, []],
]

for (const [what, before, bytes, algorithms] of WAITING) {
  starving(
    `${what} that comes without a descriptor left waits unread, and nothing of it is lost`,
    async () => {
      const server = await startServer()
      const file = new PseudoFile(seed + 2, before + bytes)
      const path = await createUpload(server, file)
      if (before > 0) await (await Patch.begin(server, path, file, 0, before)).finish()
      await closed(server)
      const [connection, ...others] = await connections(server, 5)
      const feed = starve(server)
      const checksum = algorithms.map((algorithm) => file.checksum(algorithm, before, file.size))
      await connection?.head(`PATCH ${path}`, [...patchHeaders(before, bytes), ...checksum])
      for (let at = before; at < file.size; ) {
        const piece = file.read(at, file.size)
        at += piece.length
        void connection?.write(piece)
      }
      // For a second, in which a descriptor is asked for ten times.
      for (const [number, other] of others.entries()) {
        const { slots, arena } = JSON.parse((await ask(other, 'GET /api/status')).text)
        if (number > 0) assert.is(slots.taken, 1, 'it waits')
        assert.is(arena.free, arena.blocks, 'it waits unread')
        await new Promise((resolve) => setTimeout(resolve, 300))
      }
      assert.is(storedBytes(server, path), before)
      feed()
      assert.is((await connection?.answer())?.status, 204)
      await assertStored(server, path, file)
      assert.is(await server.stop(), 0)
    },
  )
}

starving('a PATCH that never gets a descriptor is answered 503, and keeps its offset', async () => {
  const server = await startServer()
  const file = new PseudoFile(seed + 3, 2 * MIB)
  const path = await createUpload(server, file)
  await (await Patch.begin(server, path, file, 0, MIB)).finish()
  await closed(server)
  const [connection] = await connections(server, 1)
  const feed = starve(server)
  await connection?.head(`PATCH ${path}`, patchHeaders(MIB, 10))
  await connection?.write(file.read(MIB, MIB + 10))
  const answer = await connection?.answer()
  feed()
  assert.is(answer?.status, 503)
  assert.ok(answer?.headers.has('retry-after'))
  assert.is(await offsetOf(server, path), MIB)
  assert.equal((await resume(server, path, file)).statuses, [204])
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

starving('a HEAD ends a PATCH that waits for a descriptor', async () => {
  const server = await startServer()
  const file = new PseudoFile(seed + 4, MIB)
  const path = await createUpload(server, file)
  const [one, two] = await connections(server, 2)
  const feed = starve(server)
  await one?.head(`PATCH ${path}`, patchHeaders(0, file.size))
  await one?.write(file.read(0, KIB))
  const startedAt = performance.now()
  const head = await ask(two, `HEAD ${path}`, [VERSION])
  console.log(`HEAD beside a PATCH that waits: ${Math.round(performance.now() - startedAt)} ms`)
  feed()
  assert.is(head.status, 200)
  assert.is(head.headers.get('upload-offset'), '0')
  assert.equal((await resume(server, path, file)).statuses, [204])
  assert.is(await server.stop(), 0)
})

starving('SIGTERM ends a server that waits for descriptors, with exit code 0', async () => {
  const server = await startServer()
  const file = new PseudoFile(seed + 5, MIB)
  const path = await createUpload(server, file)
  const [one, two] = await connections(server, 2)
  starve(server)
  await one?.head(`PATCH ${path}`, patchHeaders(0, file.size))
  await one?.write(file.read(0, KIB))
  await two?.head(`DELETE ${path}`, [VERSION])
  const code = await server.stop()
  assert.is(code, 0, server.log())
})

starving('the sweep survives a time without descriptors', async () => {
  const server = await startServer(['--expire-after', '1s'])
  const path = new URL(locationOf(await tus.create(server, 5))).pathname
  const [connection] = await connections(server, 1)
  const feed = starve(server)
  const since = server.log().length
  await eventually(30_000, 'a sweep that failed', async () => {
    return server.log().slice(since).includes('EMFILE') ? true : undefined
  })
  assert.is((await ask(connection, 'GET /healthz')).status, 200)
  feed()
  await eventually(30_000, 'the expiry', async () =>
    existsSync(storedFile(server, path)) ? undefined : true,
  )
  assert.is((await send(server.origin, { method: 'GET', path: '/readyz' })).status, 200)
  assert.is(await server.stop(), 0)
})

test.run()
