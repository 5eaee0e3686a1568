import { appendFileSync, existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPart, joinedHead, reprDigestOfText } from '../helpers/parts.js'
import { rowsOf } from '../helpers/proof.js'
import { eventually, fileOf, idOf, locationOf, send, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('parts that their client terminates behind the final upload')
test.after(killServers)

const pathOf = (location: string): string => new URL(location).pathname
const isThere = (server: TestServer, path: string): boolean => existsSync(fileOf(server, idOf(path)))

async function part(server: TestServer, text: string, stored?: number): Promise<string> {
  return pathOf(await createPart(server, text, stored))
}

async function join(server: TestServer, parts: readonly string[]): Promise<string> {
  return pathOf(locationOf(await tus.join(server, parts)))
}

/** Waits until the files of these uploads are gone. */
function gone(server: TestServer, ...paths: readonly string[]): Promise<boolean> {
  return eventually(60_000, 'the end of the parts', async () =>
    paths.some((path) => isThere(server, path)) ? undefined : true,
  )
}

test('a whole part that is terminated right after the 201 is gone for clients at once, and its bytes once it is joined', async () => {
  const server = await startServer()
  const [first, last] = [await part(server, 'ab'), await part(server, 'cd', 1)]
  const path = await join(server, [first, last])
  assert.is((await tus.remove(server, first)).status, 204)
  assert.is((await tus.head(server, first)).status, 404)
  assert.is((await tus.patch(server, first, 2, '')).status, 404)
  assert.is((await tus.remove(server, first)).status, 404)
  // Until the first sweep has ended the server cannot tell.
  const refused = await eventually(60_000, 'the end of the first sweep', async () => {
    const { status } = await tus.join(server, [first])
    return status === 503 ? undefined : status
  })
  assert.is(refused, 400)
  const record = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(first)}` })
  assert.is(JSON.parse(record.text).state, 'terminated')
  assert.ok(isThere(server, first), 'its bytes are still needed')
  assert.is((await tus.head(server, path)).status, 200)
  assert.is((await tus.patch(server, last, 1, 'd')).status, 204)
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('abcd'))
  await gone(server, first, last)
  assert.is(await server.stop(), 0)
})

test('every part may be terminated while the final upload is being joined', async () => {
  const server = await startServer()
  const text = 'x'.repeat(5 * 2 ** 20)
  const parts = [await part(server, text), await part(server, text), await part(server, text)]
  const answer = tus.join(server, parts)
  const statuses = await Promise.all(parts.map(async (each) => (await tus.remove(server, each)).status))
  const { status, headers } = await answer
  // A DELETE that came before the final upload was made takes its part away, as ever.
  if (status === 400) return assert.is(await server.stop(), 0)
  assert.is(status, 201)
  assert.equal(statuses, [204, 204, 204])
  assert.is(headers['repr-digest'], reprDigestOfText(text.repeat(3)))
  await gone(server, ...parts)
  assert.is(await server.stop(), 0)
})

test('a part that was joined already is terminated with 204 too', async () => {
  const server = await startServer()
  const parts = [await part(server, 'ab'), await part(server, 'cd')]
  const path = await join(server, parts)
  for (const each of parts) {
    assert.is((await tus.remove(server, each)).status, 204)
    assert.is((await tus.head(server, each)).status, 404)
  }
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('abcd'))
  assert.is(await server.stop(), 0)
})

test('with --keep-partials a part that is terminated does not stay', async () => {
  const server = await startServer(['--keep-partials', '1h'])
  const [first, last] = [await part(server, 'ab'), await part(server, 'cd', 1)]
  const path = await join(server, [first, last])
  assert.is((await tus.remove(server, first)).status, 204)
  await tus.patch(server, last, 1, 'd')
  await joinedHead(server, path)
  await gone(server, first)
  assert.ok(isThere(server, last))
  assert.is(await server.stop(), 0)
})

test('the bytes of a part that is terminated go with the last final upload that needs them', async () => {
  const server = await startServer()
  const [first, last] = [await part(server, 'ab'), await part(server, 'cd', 1)]
  const [one, two] = [await join(server, [first, last]), await join(server, [last, first])]
  assert.is((await tus.remove(server, first)).status, 204)
  assert.is((await tus.remove(server, one)).status, 204)
  assert.ok(isThere(server, first), 'another final upload needs it')
  assert.is((await tus.remove(server, two)).status, 204)
  await gone(server, first)
  assert.is((await tus.head(server, last)).headers['upload-offset'], '1')
  assert.is(await server.stop(), 0)
})

test('a final upload outlives a restart behind the termination of its parts', async () => {
  let server = await startServer()
  const [first, last] = [await part(server, 'ab'), await part(server, 'cd', 1)]
  const path = await join(server, [first, last])
  assert.is((await tus.remove(server, first)).status, 204)
  await server.stop('SIGKILL')
  appendFileSync(fileOf(server, idOf(last)), 'd')
  server = await startServer([], server.dataDir)
  assert.is((await tus.head(server, first)).status, 404)
  assert.is((await joinedHead(server, path)).headers['repr-digest'], reprDigestOfText('abcd'))
  await gone(server, first, last)
  const row = await eventually(30_000, 'the row', async () => {
    const found = rowsOf(server).get(idOf(first))
    return found?.state === 'terminated' ? found : undefined
  })
  assert.is(row.state, 'terminated')
  assert.is(await server.stop(), 0)
})

test('a part that is terminated and that no final upload needs after a restart is removed', async () => {
  let server = await startServer()
  const [first, last] = [await part(server, 'ab'), await part(server, 'cd', 1)]
  const path = await join(server, [first, last])
  assert.is((await tus.remove(server, first)).status, 204)
  await server.stop('SIGKILL')
  server = await startServer([], server.dataDir)
  assert.is((await tus.remove(server, path)).status, 204)
  await gone(server, first)
  assert.is((await tus.head(server, last)).headers['upload-offset'], '1')
  assert.is(await server.stop(), 0)
})

test('a final upload whose unfinished part is terminated can never be finished, and is gone', async () => {
  const server = await startServer()
  const parts = [await part(server, 'ab', 1), await part(server, 'cd', 1)]
  const path = await join(server, parts)
  assert.is((await tus.remove(server, parts[1] ?? '')).status, 204)
  await eventually(30_000, 'the end of the final upload', async () =>
    (await tus.head(server, path)).status === 404 ? true : undefined,
  )
  await gone(server, path)
  assert.is((await tus.head(server, parts[0] ?? '')).headers['upload-offset'], '1')
  assert.is(await server.stop(), 0)
})

test.run()
