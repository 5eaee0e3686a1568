import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn } from '../helpers/health.js'
import { copyToOldDay } from '../helpers/old-upload.js'
import { RawConnection } from '../helpers/raw.js'
import {
  eventually,
  fileOf,
  idOf,
  locationOf,
  send,
  startServer,
  statusOf,
  type TestAnswer,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { patchHeaders } from '../helpers/wire.js'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** Expires after a day, and sweeps every ten minutes: after its first sweep nothing is removed in a test. */
let slow: TestServer
/** Expires after two seconds, and sweeps twice a second. */
let quick: TestServer

test.before(async () => {
  slow = await startServer()
  quick = await startServer(['--expire-after', '2s'])
  await eventually(30_000, 'the end of the first sweep', async () => {
    return slow.log().includes('the index is up to date') ? true : undefined
  })
})
test.after(async () => {
  await slow.stop()
  await quick.stop()
})

function expiryOf(answer: TestAnswer): number {
  const text = String(answer.headers['upload-expires'])
  assert.match(text, /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/)
  return Date.parse(text)
}

const gone = (server: TestServer, id: string) =>
  eventually(20_000, 'the end of an expired upload', async () => {
    return existsSync(fileOf(server, id)) ? undefined : true
  })

test('Upload-Expires is on POST and on every PATCH of an unfinished upload', async () => {
  const from = Math.floor(Date.now() / 1000) * 1000
  const created = await tus.create(slow, 4)
  const location = locationOf(created)
  const patched = await tus.patch(slow, location, 0, 'ab')
  const empty = await tus.patch(slow, location, 2, '')
  for (const [answer, termMs] of [
    // One that never got a byte expires after an hour at the latest.
    [created, HOUR_MS],
    [patched, DAY_MS],
    [empty, DAY_MS],
  ] as const) {
    const expiry = expiryOf(answer)
    assert.ok(expiry >= from + termMs && expiry <= Date.now() + termMs, String(expiry))
  }
  const last = await tus.patch(slow, location, 2, 'cd')
  assert.is(last.headers['upload-expires'], undefined)
})

test('each PATCH that stored bytes moves Upload-Expires, one without bytes does not', async () => {
  const created = await tus.create(slow, 4)
  const location = locationOf(created)
  const nextSecond = async (since: number): Promise<void> => {
    await eventually(30_000, 'the next second', async () => (Date.now() > since + 1_000 ? true : undefined))
  }
  await nextSecond(Date.now())
  const moved = await tus.patch(slow, location, 0, 'a')
  assert.ok(expiryOf(moved) > expiryOf(created))
  await nextSecond(Date.now())
  const empty = await tus.patch(slow, location, 1, '')
  assert.is(expiryOf(empty), expiryOf(moved))
})

test('an expired and unfinished upload gets 410 at once, even before a sweep', async () => {
  const location = locationOf(await tus.create(slow, 4))
  await tus.patch(slow, location, 0, 'ab')
  const id = copyToOldDay(slow, idOf(location))
  const head = await tus.head(slow, `/files/${id}`)
  assert.is(head.status, 410)
  assert.is(head.headers['upload-offset'], undefined)
  const patch = await tus.patch(slow, `/files/${id}`, 2, 'cd')
  assert.is(patch.status, 410)
  assert.match(patch.text, /^upload_expired: /)
  assert.is((await tus.head(slow, location)).status, 200)
})

test('a finished upload never expires', async () => {
  const location = locationOf(await tus.create(slow, 4))
  const last = await tus.patch(slow, location, 0, 'abcd')
  const id = copyToOldDay(slow, idOf(location))
  const head = await tus.head(slow, `/files/${id}`)
  assert.is(head.status, 200)
  assert.is(head.headers['repr-digest'], last.headers['repr-digest'])
  assert.is((await send(slow.origin, { method: 'GET', path: `/files/${id}` })).text, 'abcd')
})

test('the sweep removes bytes and sidecar of an expired upload and marks its record', async () => {
  const location = locationOf(await tus.create(quick, 4))
  const id = idOf(location)
  await tus.patch(quick, location, 0, 'ab')
  const record = await eventually(20_000, 'the expired record', async () => {
    const answer = await send(quick.origin, { method: 'GET', path: `/api/uploads/${id}` })
    const found = answer.status === 200 ? JSON.parse(answer.text) : {}
    return found.state === 'expired' ? found : undefined
  })
  assert.is(record.offset, 2)
  assert.is(record.sha256, null)
  assert.not.ok(existsSync(fileOf(quick, id)) || existsSync(`${fileOf(quick, id)}.json`))
  const { status } = await tus.head(quick, location)
  assert.ok(status === 404 || status === 410, String(status))
})

test('the sweep never removes a finished upload', async () => {
  const finished = locationOf(await tus.create(quick, 4))
  await tus.patch(quick, finished, 0, 'abcd')
  const old = copyToOldDay(quick, idOf(finished))
  for (let generation = 0; generation < 2; generation++) {
    await gone(quick, idOf(locationOf(await tus.create(quick, 4))))
  }
  for (const path of [finished, `/files/${old}`]) {
    assert.is((await send(quick.origin, { method: 'GET', path })).text, 'abcd')
  }
})

test('the sweep finds the folders of other days, while it runs and at the start', async () => {
  const dataDir = quick.dataDir
  const make = async (): Promise<string> => {
    const location = locationOf(await tus.create(slow, 4))
    await tus.patch(slow, location, 0, 'ab')
    return idOf(location)
  }
  const copyFrom = copyToOldDay(slow, await make())
  assert.ok(existsSync(fileOf(slow, copyFrom)))
  const location = locationOf(await tus.create(quick, 4))
  await tus.patch(quick, location, 0, 'ab')
  const running = copyToOldDay(quick, idOf(location))
  await gone(quick, running)
  const before = copyToOldDay(slow, await make())
  await slow.stop()
  slow = await startServer([], slow.dataDir)
  await gone(slow, before)
  await gone(slow, copyFrom)
  assert.not.ok(filesIn({ dataDir }).some((name) => name.includes(running)))
})

test('the sweep takes the lock: an upload that is being received is left alone', async () => {
  const location = locationOf(await tus.create(quick, 1000))
  const raw = await RawConnection.open(quick.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(600))
  await eventually(10_000, 'the running PATCH', async () => {
    return (await statusOf(quick)).slots.taken === 1 ? true : undefined
  })
  for (let generation = 0; generation < 2; generation++) {
    await gone(quick, idOf(locationOf(await tus.create(quick, 4))))
  }
  assert.ok(existsSync(fileOf(quick, idOf(location))))
  await raw.write('b'.repeat(400))
  const answer = await raw.answer()
  assert.is(answer.status, 204)
  assert.is(answer.headers.get('upload-offset'), '1000')
  raw.cut()
})

test.run()
