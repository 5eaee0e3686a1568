import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import {
  eventually,
  locationOf,
  send,
  startServer,
  statusOf,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { offsetOf, patchHeaders, unknownId } from '../helpers/wire.js'

const SOON_MS = 30_000
const PRELOAD = new URL('../helpers/set-clock.js', import.meta.url).href
const BACK = 'SIGUSR2'
const FORWARD = 'SIGWINCH'

/** A server whose date the test can set, and whose clocks may be fast. */
async function clockServer(flags: readonly string[], speed = 1): Promise<TestServer> {
  process.env.NODE_OPTIONS = `--import=${PRELOAD}`
  process.env.TEST_CLOCK_SPEED = String(speed)
  try {
    return await startServer(flags)
  } finally {
    delete process.env.NODE_OPTIONS
    delete process.env.TEST_CLOCK_SPEED
  }
}

/** Sets a server's date by a day. */
async function setClock(server: TestServer, direction: typeof BACK | typeof FORWARD): Promise<void> {
  const times = (): number => server.log().split('the clock was set by').length
  const before = times()
  server.process.kill(direction)
  await eventually(SOON_MS, 'the new date', async () => (times() > before ? true : undefined))
}

async function begin(server: TestServer, length: number, first: number): Promise<[RawConnection, string]> {
  const location = locationOf(await tus.create(server, length))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, length))
  await raw.write('a'.repeat(first))
  await eventually(SOON_MS, 'the running PATCH', async () =>
    (await statusOf(server)).slots.taken === 1 ? true : undefined,
  )
  return [raw, location]
}

test('"Durations come from a monotonic clock": with the date set back a day, silent senders lose their slots', async () => {
  const server = await clockServer(['--idle-timeout', '2s'])
  const [raw, location] = await begin(server, 10_000, 600)
  await setClock(server, BACK)
  const startedAt = performance.now()
  await raw.closed(SOON_MS)
  console.log(
    `clock: a silent sender lost its slot after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  )
  assert.is(await offsetOf(server, location), 600)
  await idle(server)
  await server.stop()
})

test('"Durations come from a monotonic clock": with the date set back a day, the free disk is still asked', async () => {
  const server = await clockServer([])
  const ready = () => send(server.origin, { method: 'GET', path: '/readyz' })
  await ready()
  await setClock(server, BACK)
  const { freeBytes } = (await statusOf(server)).disk
  writeFileSync(join(server.dataDir, 'other'), Buffer.alloc(32 * 2 ** 20, 1))
  await eventually(SOON_MS, 'another figure for the free disk', async () => {
    await ready()
    return (await statusOf(server)).disk.freeBytes !== freeBytes ? true : undefined
  })
  await server.stop()
})

test('"Durations come from a monotonic clock": with the date set back a day, no refused body is read for a day', async () => {
  const server = await clockServer([])
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH /files/${unknownId()}`, patchHeaders(0, 2 ** 30))
  assert.is((await raw.answer()).status, 404)
  await setClock(server, BACK)
  const drip = setInterval(() => raw.socket.write('a'), 200)
  await raw.closed(SOON_MS).finally(() => clearInterval(drip))
  await server.stop()
})

test('"Durations come from a monotonic clock": with the date set forward a day, no live sender is cut', async () => {
  const server = await clockServer([])
  const [raw, location] = await begin(server, 1000, 600)
  await setClock(server, FORWARD)
  // Longer than the intake's ticks are apart.
  await setTimeout(1000)
  await raw.write('b'.repeat(400))
  assert.is((await raw.answer()).status, 204)
  assert.is(await offsetOf(server, location), 1000)
  const { uptimeSeconds } = JSON.parse(
    (await send(server.origin, { method: 'GET', path: '/api/status' })).text,
  )
  assert.ok(uptimeSeconds < 600, `up for ${uptimeSeconds} s`)
  const took = [...server.log().matchAll(/"ms":(\d+)/g)].map(([, ms]) => Number(ms))
  assert.ok(Math.max(...took) < 600_000, `a request took ${Math.max(...took)} ms`)
  raw.cut()
  await server.stop()
})

for (const [what, everyMs, bytes] of [
  ['one byte each 300 ms', 300, 1],
  ['12 bytes each 18 s', 18_000, 12],
] as const) {
  test(`"A silent or very slow sender loses its slot and keeps its offset": ${what}`, async () => {
    const speed = 20
    const server = await clockServer([], speed)
    const [raw, location] = await begin(server, 10_000, bytes)
    const startedAt = performance.now()
    let sent = bytes
    const drip = setInterval(() => {
      raw.socket.write('a'.repeat(bytes))
      sent += bytes
    }, everyMs / speed)
    await raw.closed(SOON_MS).finally(() => clearInterval(drip))
    const tookS = ((performance.now() - startedAt) / 1000) * speed
    console.log(`clock: ${what}: lost its slot after ${tookS.toFixed(0)} s of the server's clock`)
    assert.ok(sent < 512, `${sent} bytes were sent, which is not slow`)
    const offset = await offsetOf(server, location)
    assert.ok(offset > 0 && offset <= sent)
    await idle(server)
    await server.stop()
  })
}

test.run()
