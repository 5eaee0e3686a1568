import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startOnFaultyDisk } from '../helpers/faulty-disk.js'
import { createPart, joinedHead, PARTIAL, reprDigestOfText } from '../helpers/parts.js'
import { rowsOf, storedFile } from '../helpers/proof.js'
import { eventually, idOf, locationOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('failing background')
test.after(killServers)

const SOON_MS = 60_000

async function logged(server: TestServer, text: string, times = 1): Promise<void> {
  await eventually(SOON_MS, `"${text}" in the log`, async () =>
    server.log().split(text).length > times ? true : undefined,
  )
}

async function hasState(server: TestServer, path: string, state: string): Promise<void> {
  await eventually(SOON_MS, `the ${state} row`, async () =>
    rowsOf(server).get(idOf(path))?.state === state ? true : undefined,
  )
}

async function create(server: TestServer, bytes = ''): Promise<string> {
  const path = new URL(locationOf(await tus.create(server, 10))).pathname
  if (bytes !== '') assert.is((await tus.patch(server, path, 0, bytes)).status, 204)
  return path
}

test('"A failed task is logged and retried at the next interval": what expired and cannot be removed is not locked, and goes once it can', async () => {
  const { server, disk } = await startOnFaultyDisk(['--expire-after', '1s'])
  disk.fail('unlinkSync')
  const paths = [await create(server), await create(server, 'abc')]
  await logged(server, 'an expired upload could not be removed', 2)
  for (const path of paths) {
    assert.is((await tus.head(server, path)).status, 410)
    assert.is((await tus.patch(server, path, 0, 'abc')).status, 410)
    assert.is((await tus.remove(server, path)).status, 500)
    assert.is((await tus.head(server, path)).status, 410)
  }
  disk.heal()
  for (const path of paths) {
    await hasState(server, path, 'expired')
    assert.not(existsSync(storedFile(server, path)))
    assert.is((await tus.remove(server, path)).status, 404)
  }
  assert.is(await server.stop(), 0)
})

test('what expired goes although a folder is in the place of a sidecar that expired with it', async () => {
  const server = await startServer(['--expire-after', '2s'])
  const [first, stuck, last] = [await create(server), await create(server), await create(server)]
  const sidecar = `${storedFile(server, stuck)}.json`
  rmSync(sidecar)
  mkdirSync(sidecar)
  await hasState(server, first, 'expired')
  await hasState(server, last, 'expired')
  await logged(server, 'an expired upload could not be removed')
  rmdirSync(sidecar)
  assert.is((await tus.head(server, stuck)).status, 404)
  assert.is((await tus.remove(server, stuck)).status, 404)
  assert.is(await server.stop(), 0)
})

test('an upload whose sidecar cannot be restored keeps no other from being restored, and is restored once it can be', async () => {
  const before = await startServer()
  const [stuck, other] = [await create(before, 'abc'), await create(before, 'abcd')]
  assert.is(await before.stop(), 0)
  for (const path of [stuck, other]) writeFileSync(`${storedFile(before, path)}.json`, '')
  const temporary = `${storedFile(before, stuck)}.json.tmp`
  mkdirSync(temporary)
  // The index is proven four times in the time for which parts are kept.
  const server = await startServer(['--keep-partials', '1s'], before.dataDir)
  // What the disk has of it is unproven: it begins again at 0.
  await eventually(SOON_MS, 'the other upload', async () =>
    (await tus.head(server, other)).headers['upload-offset'] === '0' ? true : undefined,
  )
  await logged(server, 'the sweep failed at an entry', 3)
  assert.is((await tus.head(server, stuck)).status, 423)
  rmdirSync(temporary)
  await eventually(SOON_MS, 'the upload that was stuck', async () =>
    (await tus.head(server, stuck)).headers['upload-offset'] === '0' ? true : undefined,
  )
  assert.is((await tus.patch(server, stuck, 0, 'abcdefghij')).status, 204)
  assert.is(await server.stop(), 0)
})

/** A final upload of two parts, the last of which lacks a byte. */
async function waitingFinal(server: TestServer) {
  const [whole, late] = [await createPart(server, 'first '), await createPart(server, 'second', 5)]
  const final = locationOf(await tus.join(server, [whole, late]))
  const complete = async (): Promise<void> => {
    assert.is((await tus.patch(server, late, 5, 'd')).status, 204)
  }
  return { whole, late, final, complete }
}

test('a final upload whose part is lost from the disk before it is joined is gone, and nothing is locked', async () => {
  const server = await startServer()
  const { whole, late, final, complete } = await waitingFinal(server)
  rmSync(storedFile(server, whole))
  await complete()
  await logged(server, 'a final upload could not be joined')
  await hasState(server, final, 'terminated')
  assert.is((await tus.head(server, final)).status, 404)
  assert.is((await tus.remove(server, final)).status, 404)
  assert.is((await tus.head(server, whole)).status, 404)
  assert.is((await tus.head(server, late)).headers['upload-offset'], '6')
  const again = await tus.join(server, [late])
  assert.is(again.headers['repr-digest'], reprDigestOfText('second'))
  assert.is(await server.stop(), 0)
})

test('a final upload whose part is lost from the disk while it is joined is gone, and nothing is locked', async () => {
  const { server, disk } = await startOnFaultyDisk()
  const { whole, late, final, complete } = await waitingFinal(server)
  disk.hang('writeSync', idOf(final))
  await complete()
  await hasState(server, late, 'paused')
  rmSync(storedFile(server, late))
  disk.heal()
  await eventually(SOON_MS, 'the end of the final upload', async () =>
    (await tus.head(server, final)).status === 404 ? true : undefined,
  )
  await logged(server, 'a final upload could not be joined')
  await hasState(server, final, 'terminated')
  assert.is((await tus.head(server, whole)).headers['upload-offset'], '6')
  const again = await tus.join(server, [whole])
  assert.is(again.headers['repr-digest'], reprDigestOfText('first '))
  assert.is(await server.stop(), 0)
})

test('"Location was sent, so a failed join is retried, not undone": a disk that fails for a time costs neither parts nor locks', async () => {
  const { server, disk } = await startOnFaultyDisk()
  const { whole, late, final, complete } = await waitingFinal(server)
  disk.fail('writeSync', idOf(final))
  await complete()
  await logged(server, 'a final upload could not be joined')
  for (const part of [whole, late]) assert.is((await tus.head(server, part)).headers['upload-offset'], '6')
  const head = await tus.head(server, final)
  assert.is(head.status, 200)
  assert.is(head.headers['upload-offset'], undefined)
  disk.heal()
  const joined = await joinedHead(server, final)
  assert.is(joined.headers['repr-digest'], reprDigestOfText('first second'))
  const other = await tus.create(server, 3, PARTIAL)
  assert.is(other.status, 201)
  assert.is(await server.stop(), 0)
})

test.run()
