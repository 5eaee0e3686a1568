import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Receiver } from '../helpers/receiver.js'
import {
  eventually,
  idOf,
  locationOf,
  send,
  startServer,
  type TestServer,
  temporaryFolder,
  tus,
} from '../helpers/server.js'
import type { WrittenSpan } from '../helpers/tracing-sdk.js'

const test = suite('traces')

const WITHIN_MS = 60_000
const SDK = new URL('../helpers/tracing-sdk.js', import.meta.url)
const APP = new URL('../../server/app.js', import.meta.url)
const [SERVER, CLIENT, ERROR] = [1, 2, 2]
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`
const file = join(temporaryFolder(), 'spans')

let receiver: Receiver
let server: TestServer

test.before(async () => {
  receiver = await Receiver.start()
  const flags = ['--hooks-http', `${receiver.url}?key=receiver-word`, '--hooks-http-retry', '0']
  const hooks = ['--hooks-enabled-events', 'pre-create,pre-finish,post-finish']
  const nodeFlags = ['--import', `${SDK}?${encodeURIComponent(file)}`]
  server = await startServer([...flags, ...hooks], join(temporaryFolder(), 'data'), 'pipe', { nodeFlags })
})
test.before.each(() => receiver.clear())
test.after(async () => {
  assert.is(await server.stop(), 0)
  receiver.close()
})

/** The spans that ended so far. */
function spans(): WrittenSpan[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

/** The span that fits, once it has ended. */
function span(what: string, isIt: (span: WrittenSpan) => boolean): Promise<WrittenSpan> {
  return eventually(WITHIN_MS, `the span ${what}`, async () => spans().find(isIt))
}

const ofUpload = (name: string, id: string): Promise<WrittenSpan> =>
  span(`${name} of ${id}`, (each) => each.name === name && each.attributes['lading.upload.id'] === id)

/** The header of the last hook of an upload. */
function traceparentOf(type: string, id: string): unknown {
  const hooks = receiver.of(type).filter(({ json }) => json.Event.Upload.ID === id || type === 'pre-create')
  return hooks.at(-1)?.headers.traceparent
}

test('an upload has spans of its requests, its hooks and its finish, in the trace of its client', async () => {
  const location = locationOf(await tus.create(server, 5, { traceparent: TRACEPARENT }))
  const id = idOf(location)
  await tus.patch(server, location, 0, 'hello', { traceparent: TRACEPARENT })
  const created = await ofUpload('POST /files', id)
  const patched = await ofUpload('PATCH /files/{id}', id)
  const [asked, finish, last] = [
    await ofUpload('hook pre-create', id),
    await ofUpload('finish', id),
    await ofUpload('hook pre-finish', id),
  ]
  for (const each of [created, patched]) {
    assert.equal([each.traceId, each.parentId, each.kind], [TRACE_ID, 'b7ad6b7169203331', SERVER])
    assert.is(each.status, 0)
  }
  assert.equal([asked.traceId, asked.parentId], [TRACE_ID, created.spanId])
  assert.equal([finish.traceId, finish.parentId], [TRACE_ID, patched.spanId])
  assert.equal([last.traceId, last.parentId, last.kind], [TRACE_ID, finish.spanId, CLIENT])
  const { attributes } = patched
  assert.is(attributes['http.request.method'], 'PATCH')
  assert.is(attributes['http.response.status_code'], 204)
  assert.is(attributes['http.route'], '/files/{id}')
  assert.is(attributes['url.path'], `/files/${id}`)
  assert.is(attributes['server.port'], server.port)
})

test('requests to a receiver carry traceparent, and their spans no secret of its address', async () => {
  const location = locationOf(await tus.create(server, 5, { traceparent: TRACEPARENT }))
  const id = idOf(location)
  await tus.patch(server, location, 0, 'hello')
  const asked = await ofUpload('hook pre-create', id)
  assert.is(traceparentOf('pre-create', id), `00-${TRACE_ID}-${asked.spanId}-01`)
  const { pathname, port } = new URL(receiver.url)
  assert.is(asked.attributes['url.full'], `http://127.0.0.1:${port}${pathname}`)
  const delivered = await ofUpload('hook post-finish', id)
  assert.is(String(traceparentOf('post-finish', id)).slice(3, 35), delivered.traceId)
  // Whatever request has woken it, it belongs to none.
  assert.is(delivered.parentId, null)
})

test('a grant, a key or a link in the query is in no span', async () => {
  await send(server.origin, { method: 'POST', path: '/files?grant=lg_secret-word', headers: {} })
  await send(server.origin, {
    method: 'GET',
    path: '/files/20260101-00000000000000000000000000000000?link=secret-word',
  })
  await span('GET', ({ name }) => name === 'GET /files/{id}')
  assert.not.match(readFileSync(file, 'utf8'), /secret-word|receiver-word/)
})

test('a joined upload is finished in a trace of its own', async () => {
  const part = locationOf(await tus.create(server, 5, { 'Upload-Concat': 'partial' }))
  await tus.patch(server, part, 0, 'hello')
  const id = idOf(locationOf(await tus.join(server, [part], { traceparent: TRACEPARENT })))
  const finish = await ofUpload('finish', id)
  assert.is(finish.parentId, null)
  assert.is.not(finish.traceId, TRACE_ID)
})

test('only a status from 500 on is an error', async () => {
  receiver.reply = () => ({ status: 500 })
  await tus.create(server, 1, { traceparent: `00-${'1'.repeat(32)}-b7ad6b7169203331-01` })
  await send(server.origin, { method: 'GET', path: '/nowhere/at/all' })
  await send(server.origin, { method: 'BREW', path: '/files' })
  const failed = await span('POST', ({ traceId, name }) => /^1+$/.test(traceId) && name === 'POST /files')
  const missing = await span(
    'GET',
    ({ name, attributes }) => name === 'GET' && attributes['url.path'] === '/nowhere/at/all',
  )
  assert.equal([failed.status, failed.attributes['error.type']], [ERROR, 'hook_failed'])
  assert.equal([missing.status, missing.attributes['http.response.status_code']], [0, 404])
})

test('"without an SDK nothing is loaded"', () => {
  const loaded = (metrics: boolean): number => {
    const script = `
      import { createRequire } from 'node:module'
      const { createApp } = await import(${JSON.stringify(APP)})
      const app = await createApp({ dataDir: ${JSON.stringify(temporaryFolder())}, port: 0, logLevel: 'silent', metrics: ${metrics} })
      const files = Object.keys(createRequire(import.meta.url).cache)
      console.log(files.filter((file) => file.includes('@opentelemetry')).length)
      await app.close()
      process.exit(0)`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    return Number.parseInt(stdout, 10)
  }
  // prom-client loads the library for itself: this shows that loaded files are seen.
  assert.ok(loaded(true) > 0)
  assert.is(loaded(false), 0)
})

test.run()
