// waits

import { appendFileSync, existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPart, joinedHead, reprDigestOfText } from '../helpers/parts.js'
import { storedFile } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { patchHeaders } from '../helpers/wire.js'

const test = suite('final uploads over restarts')
test.after(killServers)

const OLD = new Date('2026-01-01T00:00:00Z')

const pathOf = (location: string): string => new URL(location, 'http://lading.test').pathname
const isThere = (server: TestServer, path: string): boolean => existsSync(storedFile(server, path))

async function part(server: TestServer, text: string, stored?: number): Promise<string> {
  return pathOf(await createPart(server, text, stored))
}

async function join(server: TestServer, parts: readonly string[]): Promise<string> {
  return pathOf(locationOf(await tus.join(server, parts)))
}

/** Gives an upload the age of one that got no bytes for long; the server must not run. */
function age(server: TestServer, path: string): void {
  editSidecar(server, path, { createdAt: OLD.toISOString() })
  utimesSync(storedFile(server, path), OLD, OLD)
}

function editSidecar(server: TestServer, path: string, change: object): void {
  const file = `${storedFile(server, path)}.json`
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
}

function sha256At(server: TestServer, path: string): string | undefined {
  return JSON.parse(readFileSync(`${storedFile(server, path)}.json`, 'utf8')).sha256 ?? undefined
}

test('one whose parts are all there is joined by the start, however long the server was down', async () => {
  let server = await startServer(['--expire-after', '1h'])
  const parts = [await part(server, 'ab'), await part(server, 'cd', 1)]
  const path = await join(server, parts)
  await server.stop()
  // The last byte came, and the crash before the joining: after it the size of the file counts.
  appendFileSync(storedFile(server, parts[1] ?? ''), 'd')
  for (const each of [...parts, path]) age(server, each)
  server = await startServer(['--expire-after', '1h'], server.dataDir)
  await eventually(60_000, 'the joined file', async () => sha256At(server, path))
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('abcd'))
  assert.is(await server.stop(), 0)
})

test('a part does not expire while a final upload waits for it and its other parts get bytes', async () => {
  let server = await startServer(['--expire-after', '1h'])
  const [old, fed, alone] = [await part(server, 'ab'), await part(server, 'cd', 1), await part(server, 'x')]
  const path = await join(server, [old, fed])
  await server.stop()
  age(server, old)
  age(server, path)
  age(server, alone)
  server = await startServer(['--expire-after', '1h'], server.dataDir)
  await eventually(60_000, 'the sweep of what nobody wants', async () =>
    isThere(server, alone) ? undefined : true,
  )
  assert.is((await tus.head(server, old)).headers['upload-offset'], '2')
  assert.is((await tus.head(server, path)).status, 200)
  assert.is((await tus.patch(server, fed, 1, 'd')).status, 204)
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('abcd'))
  assert.is(await server.stop(), 0)
})

test('parts that several final uploads share stay until the last of them is joined, whichever the start meets first', async () => {
  let server = await startServer()
  const shared = await part(server, 'shared ')
  const own = await Promise.all([1, 2, 3, 4, 5, 6].map((number) => part(server, `own${number}`, 3)))
  const paths = await Promise.all(own.map((each) => join(server, [shared, each])))
  await server.stop()
  for (const [index, each] of own.entries()) appendFileSync(storedFile(server, each), `${index + 1}`)
  server = await startServer([], server.dataDir)
  for (const [index, path] of paths.entries()) {
    const { headers } = await joinedHead(server, path)
    assert.is(headers['repr-digest'], reprDigestOfText(`shared own${index + 1}`))
  }
  await eventually(60_000, 'the end of the parts', async () =>
    [shared, ...own].some((each) => isThere(server, each)) ? undefined : true,
  )
  assert.is(await server.stop(), 0)
})

test('parts that a crash kept after the joining are let go by the start, and the same request gets the same upload', async () => {
  let server = await startServer(['--keep-partials', '1h'])
  const parts = [await part(server, 'ab'), await part(server, 'cd')]
  const path = await join(server, parts)
  await server.stop()
  for (const each of parts) editSidecar(server, each, { joinedAt: null })
  server = await startServer([], server.dataDir)
  await eventually(60_000, 'the end of the parts', async () =>
    parts.some((each) => isThere(server, each)) ? undefined : true,
  )
  assert.is(await join(server, parts), path)
  assert.is(await server.stop(), 0)
})

test('a shutdown while the start looks at one with many parts takes nothing away', async () => {
  let server = await startServer()
  const parts: string[] = []
  for (let number = 0; number < 300; number++) parts.push(await part(server, 'a', number === 0 ? 0 : 1))
  const path = await join(server, parts)
  for (let round = 0; round < 6; round++) {
    await server.stop()
    assert.ok(isThere(server, path), `stop ${round}`)
    server = await startServer([], server.dataDir)
    // One that is in memory when the end comes is told of it.
    await tus.head(server, parts[299] ?? '')
  }
  assert.is((await tus.patch(server, parts[0] ?? '', 0, 'a')).status, 204)
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('a'.repeat(300)))
  assert.is(await server.stop(), 0)
})

test('a request that holds a part holds up neither the final upload nor others, and the part goes after it', async () => {
  const server = await startServer()
  const [held, other] = [await part(server, 'ab'), await part(server, 'cd')]
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${held}`, patchHeaders(2, null))
  await eventually(60_000, 'the request', async () =>
    (await statusOf(server)).slots.taken === 1 ? true : undefined,
  )
  const first = await tus.join(server, [held])
  assert.is(first.headers['repr-digest'], reprDigestOfText('ab'))
  assert.ok(isThere(server, held), 'the part is still in use')
  assert.is((await tus.join(server, [other])).headers['repr-digest'], reprDigestOfText('cd'))
  raw.cut()
  await eventually(60_000, 'the end of the part', async () => (isThere(server, held) ? undefined : true))
  assert.is(await server.stop(), 0)
})

test.run()
