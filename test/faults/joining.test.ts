// waits
// time-limit: 400s

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unharmed } from '../helpers/health.js'
import { createPart, joinedHead, PARTIAL, reprDigestOfText } from '../helpers/parts.js'
import { assertStored, type SidecarText, storedFile } from '../helpers/proof.js'
import { Patch, PseudoFile, printedSeed, randomFrom } from '../helpers/sender.js'
import { eventually, locationOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('joining')
test.after(killServers)

const MIB = 2 ** 20
const PARTS = 3
const seed = printedSeed('joining')
const random = randomFrom(seed)

/** Stores a file as partial uploads of the same size, and gives their paths. */
async function storeParts(server: TestServer, file: PseudoFile): Promise<string[]> {
  const paths: string[] = []
  const size = file.size / PARTS
  for (let number = 0; number < PARTS; number++) {
    const part = {
      size,
      read: (from: number, to: number) => file.read(number * size + from, number * size + to),
    }
    const path = new URL(locationOf(await tus.create(server, size, PARTIAL))).pathname
    assert.is((await (await Patch.begin(server, path, part, 0)).finish())?.status, 204)
    paths.push(path)
  }
  return paths
}

/** The final upload's file, found by its sidecar; its address is not known before the answer. */
function finalFile(server: TestServer, parts: readonly string[]): string | undefined {
  const folder = dirname(storedFile(server, parts[0] ?? ''))
  const known = new Set(parts.map((path) => storedFile(server, path)))
  const names = readdirSync(folder).filter((name) => !name.includes('.') && !known.has(join(folder, name)))
  return names.map((name) => join(folder, name)).find((path) => existsSync(`${path}.json`))
}

function sidecarAt(path: string): SidecarText {
  return JSON.parse(readFileSync(`${path}.json`, 'utf8'))
}

test('a kill in the middle of a joining leaves the parts or the joined file, and the start joins without a request', async () => {
  const file = new PseudoFile(seed, PARTS * 64 * MIB)
  let within = 0
  for (let round = 0; round < 5; round++) {
    let server = await startServer()
    const parts = await storeParts(server, file)
    const place = Math.floor(random() * file.size)
    const answer = tus.join(server, parts).catch(() => undefined)
    // Not a byte of time between the look and the kill: the whole joining lasts a fraction of a second.
    let final: string | undefined
    await eventually(60_000, 'the final upload', async () => {
      final ??= finalFile(server, parts)
      return final
    })
    const path = final ?? ''
    while (statSync(path).size < place && sidecarAt(path).sha256 === null);
    server.process.kill('SIGKILL')
    await server.stop('SIGKILL')
    await answer
    const isJoined = sidecarAt(path).sha256 !== null
    const sizes = parts.map((part) => statSync(storedFile(server, part), { throwIfNoEntry: false })?.size)
    if (!isJoined) {
      within += 1
      assert.equal(sizes, Array(PARTS).fill(file.size / PARTS), 'the parts are whole')
    }
    server = await startServer([], server.dataDir)
    const address = `/files/${path.slice(path.lastIndexOf('/') + 1)}`
    await eventually(60_000, 'the joined file', async () => sidecarAt(path).sha256 ?? undefined)
    await assertStored(server, address, file)
    if (!isJoined) {
      await eventually(60_000, 'the end of the parts', async () =>
        parts.some((part) => existsSync(storedFile(server, part))) ? undefined : true,
      )
    }
    assert.is(await server.stop(), 0)
  }
  console.log(`joining: ${within} of 5 kills fell into a joining`)
  assert.ok(within > 0, 'a kill fell into a joining')
})

test('a final upload whose parts came before and after a kill is joined', async () => {
  let server = await startServer()
  const parts = [await createPart(server, 'one'), await createPart(server, 'twothree', 3)]
  const location = locationOf(await tus.join(server, parts))
  const path = new URL(location).pathname
  await server.stop('SIGKILL')
  server = await startServer([], server.dataDir)
  assert.is((await tus.head(server, path)).headers['upload-offset'], undefined)
  const last = new URL(parts[1] ?? '').pathname
  assert.is((await tus.patch(server, last, 3, 'three')).status, 204)
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('onetwothree'))
  assert.is(await server.stop(), 0)
})

test('a part that came whole while nobody asked for the final upload is joined after a restart', async () => {
  let server = await startServer()
  const parts = [await createPart(server, 'ab', 1)]
  const path = new URL(locationOf(await tus.join(server, parts))).pathname
  await server.stop()
  server = await startServer([], server.dataDir)
  // The first request for anything of it: the sweep of the start has to know what waits for this part.
  await eventually(60_000, 'the sweep', async () =>
    /did what was due with an upload/.test(server.log()) ? true : undefined,
  )
  await tus.patch(server, new URL(parts[0] ?? '').pathname, 1, 'b')
  const file = storedFile(server, path)
  await eventually(60_000, 'the joined file', async () => sidecarAt(file).sha256 ?? undefined)
  assert.is(sidecarAt(file).sha256, createHash('sha256').update('ab').digest('hex'))
  assert.is(await server.stop(), 0)
})

test('a shutdown in the middle of a joining is in time, and the next start joins', async () => {
  const file = new PseudoFile(seed + 1, PARTS * 64 * MIB)
  let server = await startServer()
  const parts = await storeParts(server, file)
  const answer = tus.join(server, parts).catch(() => undefined)
  const final = await eventually(60_000, 'the final upload', async () => finalFile(server, parts))
  assert.is(await server.stop(), 0)
  await answer
  server = await startServer([], server.dataDir)
  const address = `/files/${final.slice(final.lastIndexOf('/') + 1)}`
  await joinedHead(server, address)
  await assertStored(server, address, file)
  assert.is(await server.stop(), 0)
})

test('a final upload that is terminated while it is joined leaves nothing but its parts', async () => {
  const file = new PseudoFile(seed + 2, PARTS * 64 * MIB)
  const server = await startServer()
  const parts = await storeParts(server, file)
  const answer = tus.join(server, parts)
  const final = await eventually(60_000, 'the final upload', async () => finalFile(server, parts))
  const address = `/files/${final.slice(final.lastIndexOf('/') + 1)}`
  await eventually(60_000, 'its first bytes', async () => (statSync(final).size > 0 ? true : undefined))
  assert.is((await tus.remove(server, address)).status, 204)
  // It was terminated before it was joined: whoever waits for it is told so.
  assert.is((await answer).status, 404)
  assert.is((await tus.head(server, address)).status, 404)
  assert.not(existsSync(final))
  const kept = parts.map((path) => storedFile(server, path).slice(server.dataDir.length + 1))
  await unharmed(
    server,
    kept.flatMap((path) => [path, `${path}.json`]),
  )
  assert.is(await server.stop(), 0)
})

test.run()
