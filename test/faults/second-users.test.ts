import { existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startOnFaultyDisk } from '../helpers/faulty-disk.js'
import { createPart, joinedHead, reprDigestOfText } from '../helpers/parts.js'
import { assertStored, reprDigestOf, rowsOf, storedBytes, storedFile } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile } from '../helpers/sender.js'
import { eventually, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('second users')
test.after(killServers)

const KIB = 1024
const MIB = 1024 * KIB
const SOON_MS = 60_000
/** More than 4 MiB of them, which is what is kept in memory. */
const [CROWD, METADATA_BYTES] = [480, 8 * KIB - 16]

/** Creates so many uploads with long metadata that no other upload stays in memory which is not in use. */
async function crowd(server: TestServer): Promise<void> {
  const value = Buffer.alloc((METADATA_BYTES / 4) * 3, 'x').toString('base64')
  const create = async (): Promise<void> => {
    for (let count = 0; count < CROWD / 8; count++)
      assert.is((await tus.create(server, 5, { 'Upload-Metadata': `key ${value}` })).status, 201)
  }
  await Promise.all(Array.from({ length: 8 }, create))
}

async function begun(server: TestServer, number: number, bytes: number) {
  const file = new PseudoFile(number, MIB)
  const path = await createUpload(server, file)
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(bytes)
  await eventually(SOON_MS, `${bytes} bytes`, async () =>
    storedBytes(server, path) === bytes ? true : undefined,
  )
  return { file, path, patch }
}

test('more uploads than fit in memory: those in use go on, those between two requests keep their offset, and each digest is right', async () => {
  const server = await startServer(['--idle-timeout', '5m'])
  const [used, takenOver] = [await begun(server, 1, 600 * KIB), await begun(server, 2, 500 * KIB)]
  const paused = new PseudoFile(3, MIB)
  const pausedPath = await createUpload(server, paused)
  const first = await Patch.begin(server, pausedPath, paused, 0, 300 * KIB)
  assert.is((await first.finish())?.status, 204)
  await crowd(server)

  const answer = await used.patch.finish()
  assert.is(answer?.headers.get('repr-digest'), reprDigestOf(used.file))
  assert.is(await offsetOf(server, takenOver.path), 500 * KIB)
  assert.is((await takenOver.patch.answered)?.status, 423)
  assert.is(await offsetOf(server, pausedPath), 300 * KIB)
  const wrong = await Patch.begin(server, pausedPath, paused, 0)
  assert.is((await wrong.answered)?.status, 409)
  wrong.connection.socket.destroy()
  for (const [path, file, from] of [
    [takenOver.path, takenOver.file, 500 * KIB],
    [pausedPath, paused, 300 * KIB],
  ] as const) {
    const rest = await Patch.begin(server, path, file, from)
    assert.is((await rest.finish())?.headers.get('repr-digest'), reprDigestOf(file))
    await assertStored(server, path, file)
  }
  await assertStored(server, used.path, used.file)
  assert.is(await server.stop(), 0)
})

/** A final upload was asked for while its first part was on its way out: it is refused, or it is joined. */
async function assertRefusedOrJoined(
  server: TestServer,
  asked: Awaited<ReturnType<typeof tus.join>>,
  late: string,
): Promise<void> {
  assert.is((await tus.patch(server, late, 5, 'd')).status, 204)
  if (asked.status === 201) {
    await eventually(SOON_MS, 'the joined upload', async () => {
      const { status, headers } = await tus.head(server, locationOf(asked))
      assert.is(status, 200, 'it was acknowledged')
      if (headers['upload-offset'] === undefined) return undefined
      assert.is(headers['repr-digest'], reprDigestOfText('first second'))
      return true
    })
  } else assert.is(asked.text.split(':')[0], 'part_unknown')
}

/** Some turns of the server, in which requests that were sent are looked at. The outcome does not depend on it. */
async function someTurns(server: TestServer): Promise<void> {
  for (let count = 0; count < 20; count++) await statusOf(server)
}

/** A server on a faulty disk that can tell what became of every part: its first sweep has ended. */
async function sweptServer() {
  const started = await startOnFaultyDisk()
  await eventually(SOON_MS, 'the end of the first sweep', async () =>
    started.server.log().includes('the index is up to date') ? true : undefined,
  )
  return started
}

test('a final upload that needs a part while its client removes it is refused, or it is joined', async () => {
  const { server, disk } = await sweptServer()
  const [leaving, late] = [await createPart(server, 'first '), await createPart(server, 'second', 5)]
  disk.hang('unlinkSync')
  const removed = tus.remove(server, leaving)
  await someTurns(server)
  const asked = tus.join(server, [leaving, late])
  await someTurns(server)
  disk.heal()
  assert.is((await removed).status, 204)
  await assertRefusedOrJoined(server, await asked, late)
  assert.is(await server.stop(), 0)
})

test('a final upload that needs a part while another one releases it is refused, or it is joined', async () => {
  const { server, disk } = await sweptServer()
  const [shared, late] = [await createPart(server, 'first '), await createPart(server, 'second', 5)]
  disk.hang('unlinkSync')
  const first = tus.join(server, [shared])
  await eventually(SOON_MS, 'the joined upload', async () =>
    [...rowsOf(server).values()].some(({ state }) => state === 'finished') ? true : undefined,
  )
  await someTurns(server)
  const asked = tus.join(server, [shared, late])
  await someTurns(server)
  disk.heal()
  assert.is((await first).headers['repr-digest'], reprDigestOfText('first '))
  await assertRefusedOrJoined(server, await asked, late)
  assert.is(await server.stop(), 0)
})

test('"A part is kept for as long as a final upload waits for it": its client removes it, and another final upload releases it', async () => {
  const server = await startServer()
  const [shared, late] = [await createPart(server, 'first '), await createPart(server, 'second', 5)]
  const waiting = locationOf(await tus.join(server, [shared, late]))
  assert.is((await tus.join(server, [shared])).headers['repr-digest'], reprDigestOfText('first '))
  assert.is((await tus.remove(server, shared)).status, 204)
  assert.is((await tus.head(server, shared)).status, 404)
  assert.is((await tus.patch(server, late, 5, 'd')).status, 204)
  assert.is((await joinedHead(server, waiting)).headers['repr-digest'], reprDigestOfText('first second'))
  await eventually(SOON_MS, 'the end of the part', async () =>
    existsSync(storedFile(server, shared)) ? undefined : true,
  )
  assert.is(await server.stop(), 0)
})

test.run()
