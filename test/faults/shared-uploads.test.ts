// cluster
// time-limit: 600s
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, type Radosgw, startRadosgw } from '../helpers/radosgw.js'
import { RawConnection } from '../helpers/raw.js'
import { askOf } from '../helpers/routes.js'
import { eventually, locationOf, statusOf, type TestAnswer, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { uploaded } from '../helpers/uploaded.js'
import { patchHeaders } from '../helpers/wire.js'

const WITHIN_MS = 60_000
const MIB = 1024 * 1024
/** A holder that lives gives an upload at once; the lease of one that is stopped is over after 10 s. The rest is for a slow machine. */
const LIVING_MS = 10_000
const STOPPED_MS = 30_000

interface Place {
  radosgw: Radosgw
  postgres: Postgres
  one: TestServer
  two: TestServer
}

const shared = suite<Place>('uploads of two nodes')
const test = needsRadosgw(needsPostgres(shared))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  // The SDK's usual place for credentials; the servers have it from here.
  Object.assign(process.env, radosgw.env)
  const flags = [
    ...['--storage', `s3://${await radosgw.bucket()}/some/where`, '--database', await postgres.database()],
    ...['--s3-endpoint', radosgw.endpoint, '--s3-part-size', '5MiB'],
  ]
  const [one, two] = await Promise.all([startServer(flags), startServer(flags)])
  Object.assign(place, { radosgw, postgres, one, two })
})
test.after(async ({ radosgw, postgres }) => {
  await killServers()
  await Promise.all([radosgw.end(), postgres.kill()])
})

const pathOf = (answer: TestAnswer) => new URL(locationOf(answer)).pathname
const digestOf = (bytes: Buffer) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`
const ask = (server: TestServer) => askOf(() => server.origin)

async function offsetOf(server: TestServer, path: string): Promise<number> {
  const { status, headers } = await tus.head(server, path)
  assert.is(status, 200)
  return Number(headers['upload-offset'])
}

async function assertWhole(server: TestServer, path: string, bytes: Buffer): Promise<void> {
  const whole = await fetch(`${server.origin}${path}`)
  assert.is(whole.status, 200)
  assert.is(whole.headers.get('repr-digest'), digestOf(bytes))
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes))
}

/** Begins a PATCH of all that is missing, and sends a part of it, which the server has counted then. */
async function beginPatch(
  server: TestServer,
  path: string,
  bytes: Buffer,
  to: number,
): Promise<RawConnection> {
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${path}`, patchHeaders(0, bytes.length))
  await raw.write(bytes.subarray(0, to))
  await eventually(WITHIN_MS, 'the running PATCH', async () => {
    const { text } = await ask(server)('GET', `/api/uploads/${path.replace(/.*\//, '')}`, {})
    return JSON.parse(text).offset === to || undefined
  })
  return raw
}

test('HEAD on one node ends the PATCH on another, and has its offset; the upload goes on there', async ({
  one,
  two,
}) => {
  const bytes = randomBytes(8 * MIB)
  const path = pathOf(await tus.create(one, bytes.length))
  const raw = await beginPatch(one, path, bytes, 6 * MIB)
  const beganMs = performance.now()
  const offset = await offsetOf(two, path)
  const tookMs = Math.round(performance.now() - beganMs)
  console.log(`nodes: HEAD ends the PATCH of another node in ${tookMs} ms`)
  assert.ok(tookMs < LIVING_MS, `HEAD took ${tookMs} ms`)
  assert.is(offset, 6 * MIB)
  const ended = await raw.answer()
  assert.is(ended.status, 423)
  assert.match(ended.text, /^upload_taken_over: /)
  const last = await tus.patch(two, path, offset, bytes.subarray(offset))
  assert.is(last.status, 204, last.text)
  assert.is(last.headers['repr-digest'], digestOf(bytes))
  assert.is(await offsetOf(one, path), bytes.length)
  await assertWhole(one, path, bytes)
})

test('PATCHes that alternate between nodes are each seen by the other at once', async ({ one, two }) => {
  const bytes = randomBytes(6000)
  const path = pathOf(await tus.create(one, bytes.length))
  for (let at = 0; at < bytes.length; at += 1000) {
    const [here, there] = at % 2000 === 0 ? [one, two] : [two, one]
    const patched = await tus.patch(here, path, at, bytes.subarray(at, at + 1000))
    assert.is(patched.status, 204, patched.text)
    assert.is((await tus.patch(there, path, at, bytes.subarray(at, at + 1000))).status, 409)
    assert.is(await offsetOf(there, path), at + 1000)
    const listed = JSON.parse((await ask(there)('GET', `/api/uploads/${path.replace(/.*\//, '')}`, {})).text)
    assert.ok(listed.offset >= at, `${listed.offset}`)
  }
  await assertWhole(one, path, bytes)
  await assertWhole(two, path, bytes)
})

test('an upload that another node has removed is gone at once', async ({ one, two }) => {
  const path = pathOf(await tus.create(one, 10))
  assert.is((await tus.patch(one, path, 0, Buffer.from('hello'))).status, 204)
  assert.is((await ask(two)('DELETE', path, {})).status, 204)
  assert.is((await tus.head(one, path)).status, 404)
  assert.is((await tus.patch(one, path, 5, Buffer.from('world'))).status, 404)
  const finished = await uploaded(ask(one), { bytes: 'hello' })
  assert.is((await ask(two)('DELETE', finished, {})).status, 204)
  assert.is((await ask(one)('GET', finished, {})).status, 404)
})

test('a client of each node that both send the same upload lose nothing, and both see its end', async ({
  one,
  two,
}) => {
  const bytes = randomBytes(100)
  const path = pathOf(await tus.create(one, bytes.length))
  const next = async (server: TestServer): Promise<void> => {
    for (;;) {
      const { status, headers } = await tus.head(server, path)
      assert.ok([200, 423].includes(status), `${status}`)
      const offset = Number(headers['upload-offset'])
      if (offset === bytes.length) return
      // The newest request wins: two that never pause would end each other for ever.
      await setTimeout(randomInt(100))
      if (status === 423) continue
      const patched = await tus.patch(server, path, offset, bytes.subarray(offset, offset + 10))
      assert.ok([204, 409, 423].includes(patched.status), patched.text)
    }
  }
  await Promise.all([next(one), next(two)])
  await assertWhole(two, path, bytes)
})

test('a node that is stopped for longer than its lease loses the upload, and changes nothing afterwards', async ({
  one,
  two,
}) => {
  const bytes = randomBytes(12 * MIB)
  const path = pathOf(await tus.create(one, bytes.length))
  const raw = await beginPatch(one, path, bytes, 6 * MIB)
  one.process.kill('SIGSTOP')
  const beganMs = performance.now()
  const offset = await eventually(WITHIN_MS, 'the offset on the other node', async () => {
    const { status, headers } = await tus.head(two, path)
    return status === 200 ? Number(headers['upload-offset']) : undefined
  })
  const tookMs = Math.round(performance.now() - beganMs)
  console.log(`nodes: takeover of a stopped node in ${tookMs} ms`)
  assert.ok(tookMs < STOPPED_MS, `the takeover took ${tookMs} ms`)
  assert.ok(offset <= 6 * MIB, `${offset}`)
  const middle = await tus.patch(two, path, offset, bytes.subarray(offset, 9 * MIB))
  assert.is(middle.status, 204, middle.text)
  one.process.kill('SIGCONT')
  await raw.write(bytes.subarray(6 * MIB)).catch(() => {})
  const late = await raw.answer().catch(() => undefined)
  assert.ok(late === undefined || late.status >= 400, `${late?.status}`)
  assert.is(await offsetOf(one, path), 9 * MIB)
  const last = await tus.patch(one, path, 9 * MIB, bytes.subarray(9 * MIB))
  assert.is(last.status, 204, last.text)
  await assertWhole(two, path, bytes)
  assert.is((await statusOf(one)).slots.taken, 0)
})

shared.run()
