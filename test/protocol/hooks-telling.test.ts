import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Receiver } from '../helpers/receiver.js'
import { Patch, PseudoFile } from '../helpers/sender.js'
import { eventually, idOf, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'

const test = suite('hooks that are told')

const WITHIN_MS = 60_000

let receiver: Receiver
let server: TestServer

test.before(async () => {
  receiver = await Receiver.start()
  server = await startServer(['--hooks-http', receiver.url, '--progress-hooks-interval', '10ms'])
})
test.before.each(() => receiver.clear())
test.after(async () => {
  await killServers()
  receiver.close()
})

/** The events of an upload that came so far, but for progress. */
const eventsOf = (id: string): string[] => {
  const own = receiver.hooks.filter(({ json }) => json.Event.Upload.ID === id)
  return own.map(({ type }) => type).filter((type) => type !== 'post-receive')
}

async function told(id: string, events: readonly string[]): Promise<void> {
  await eventually(WITHIN_MS, `${events} of ${id}`, async () => {
    return eventsOf(id).length >= events.length || undefined
  })
  assert.equal(eventsOf(id), events)
}

test('post-create and post-finish come in order, with the digest and the request that made them', async () => {
  const location = locationOf(await tus.create(server, 5, { 'X-Own': 'yes' }))
  assert.is((await tus.patch(server, location, 0, 'hello', { 'X-Own': 'last' })).status, 204)
  await told(idOf(location), ['post-create', 'post-finish'])
  const [created, finished] = receiver.hooks.filter(({ type }) => type !== 'pre-create')
  assert.equal(created?.json.Event.HTTPRequest.Header['X-Own'], ['yes'])
  assert.equal(finished?.json.Event.HTTPRequest.Header['X-Own'], ['last'])
  assert.is(finished?.json.Event.HTTPRequest.Method, 'PATCH')
  assert.is(finished?.json.Event.Upload.Offset, 5)
  assert.is(finished?.json.Lading.SHA256, '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
})

test('post-terminate comes after a DELETE, by tus or by the API, and has its request', async () => {
  for (const pathOf of [(id: string) => `/files/${id}`, (id: string) => `/api/uploads/${id}`]) {
    const id = idOf(locationOf(await tus.create(server, 5)))
    assert.is((await tus.remove(server, pathOf(id))).status, 204)
    await told(id, ['post-create', 'post-terminate'])
    const { Method, URI } = receiver.of('post-terminate').at(-1)?.json.Event.HTTPRequest ?? {}
    assert.equal([Method, URI], ['DELETE', pathOf(id)])
  }
})

test('"partial uploads fire the finish hooks too", and a final upload fires its own', async () => {
  const parts = await Promise.all(
    ['hel', 'lo'].map(() => tus.create(server, 3, { 'Upload-Concat': 'partial' })),
  )
  const paths = parts.map((answer) => new URL(locationOf(answer)).pathname)
  for (const path of paths) assert.is((await tus.patch(server, path, 0, 'abc')).status, 204)
  for (const path of paths) await told(idOf(path), ['post-create', 'post-finish'])
  const final = await eventually(WITHIN_MS, 'the final upload', async () => {
    const answer = await tus.join(server, paths)
    return answer.status === 201 ? idOf(locationOf(answer)) : undefined
  })
  await told(final, ['post-create', 'post-finish'])
  const { Upload } =
    receiver.hooks.filter(({ json }) => json.Event.Upload.ID === final).at(-1)?.json.Event ?? {}
  assert.equal([Upload?.IsFinal, Upload?.Size], [true, 6])
  assert.equal(Upload?.PartialUploads, paths.map(idOf))
})

test('post-receive comes while bytes come, and StopUpload ends the body and removes the upload', async () => {
  receiver.reply = ({ type }) => (type === 'post-receive' ? { json: { StopUpload: true } } : {})
  const location = locationOf(await tus.create(server, 64 * 2 ** 20))
  const file = new PseudoFile(1, 64 * 2 ** 20)
  const patch = await Patch.begin(server, new URL(location).pathname, file, 0)
  const isTold = (): boolean => receiver.of('post-receive').length > 0
  for (let to = 2 ** 20; to < file.size && !isTold() && !patch.isOver; to += 2 ** 20) {
    await patch.send(to)
    // The interval is what is tried: two batches are further apart than it is long.
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const answer = await bounded(WITHIN_MS, patch.answered, 'the answer')
  assert.is(answer?.status, 400)
  assert.match(answer?.text ?? '', /^upload_stopped: /)
  await eventually(WITHIN_MS, 'the removal', async () => {
    return (await tus.head(server, location)).status === 404 || undefined
  })
  await told(idOf(location), ['post-create', 'post-terminate'])
})

test('what could not be delivered is delivered after a restart, also without the database', async () => {
  const own = await startServer(['--hooks-http', receiver.url])
  receiver.reply = ({ type }) => (type.startsWith('post') ? { status: 500 } : {})
  const location = locationOf(await tus.create(own, 5))
  assert.is((await tus.patch(own, location, 0, 'hello')).status, 204)
  await eventually(WITHIN_MS, 'a try', async () => receiver.of('post-create').length > 0 || undefined)
  assert.match(JSON.stringify(await statusOf(own)), '"deliveries":{"pending":1')
  await own.stop('SIGKILL')
  receiver.clear()
  const { rmSync } = await import('node:fs')
  for (const end of ['', '-wal', '-shm']) rmSync(`${own.dataDir}/lading.db${end}`, { force: true })
  const again = await startServer(['--hooks-http', receiver.url], own.dataDir)
  await told(idOf(location), ['post-create', 'post-finish'])
  await eventually(WITHIN_MS, 'nothing pending', async () => {
    return JSON.stringify(await statusOf(again)).includes('"deliveries":{"pending":0') || undefined
  })
})

test.run()
