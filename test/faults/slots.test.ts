import { PassThrough } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Arena } from '../../server/intake/arena.js'
import { Intake } from '../../server/intake/intake.js'
import type { IntakeLimits } from '../../server/intake/intake-tools.js'
import { assertStored, storedBytes, storedNames } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import {
  createUpload,
  offsetOf,
  Patch,
  PseudoFile,
  patchHeaders,
  printedSeed,
  resume,
} from '../helpers/sender.js'
import { eventually, send, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('slots')
test.after(killServers)

const KIB = 1024
const seed = printedSeed('slots')

interface Stalled {
  readonly path: string
  readonly file: PseudoFile
  readonly patch: Patch
}

const SENT_BYTES = 100 * KIB

/** A PATCH that has sent a part of 1 MiB and sends no more; it holds a slot or waits for one. */
async function stall(server: TestServer, number: number, sentBytes = SENT_BYTES): Promise<Stalled> {
  const file = new PseudoFile(seed + number, 1024 * KIB)
  const path = await createUpload(server, file)
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(sentBytes)
  return { path, file, patch }
}

function range(count: number): number[] {
  return [...Array(count).keys()]
}

/** Fills the house; every slot's bytes are in its file. */
async function fullHouse(server: TestServer, slots: number): Promise<Stalled[]> {
  const house = await Promise.all(range(slots).map((number) => stall(server, number)))
  await Promise.all(house.map((each) => arrived(server, each)))
  assert.is((await statusOf(server)).slots.taken, slots)
  return house
}

async function arrived(server: TestServer, { path }: Stalled): Promise<void> {
  await eventually(10_000, 'the bytes that were sent', async () => {
    return storedBytes(server, path) === SENT_BYTES ? true : undefined
  })
}

async function untilSlots(server: TestServer, wanted: { taken: number; waiting: number }): Promise<void> {
  await eventually(10_000, `${JSON.stringify(wanted)}`, async () => {
    const { taken, waiting } = (await statusOf(server)).slots
    return taken === wanted.taken && waiting === wanted.waiting ? true : undefined
  })
}

test('with ten stalled PATCHes the eleventh gets 503 before its body, and all else is served', async () => {
  const server = await startServer()
  const house = await fullHouse(server, 10)
  const file = new PseudoFile(seed + 10, 1024 * KIB)
  const path = await createUpload(server, file)
  for (const more of [[], ['Expect: 100-continue']]) {
    const eleventh = await RawConnection.open(server.port)
    await eleventh.head(`PATCH ${path}`, [
      ...patchHeaders(0, file.size),
      'Origin: https://a.example',
      ...more,
    ])
    // Not one byte of the body was sent: the answer cannot have waited for it.
    const answer = await eleventh.answer()
    assert.is(answer.status, 503)
    assert.match(answer.text, /^slots_full: /)
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
    assert.is(answer.headers.get('access-control-allow-origin'), '*')
    eleventh.socket.destroy()
  }
  const names = storedNames(server).length
  const refused = await RawConnection.open(server.port)
  await refused.head('POST /files', [...patchHeaders(0, 100), 'Upload-Length: 100'])
  assert.is((await refused.answer()).status, 503)
  refused.socket.destroy()
  assert.is(storedNames(server).length, names, 'a refused creation leaves nothing')

  const options = await send(server.origin, { method: 'OPTIONS', path: '/files' })
  assert.is(options.status, 204)
  assert.is(await offsetOf(server, path), 0)
  assert.is((await tus.remove(server, path)).status, 204)
  const empty = new URL(`${(await tus.create(server, 0)).headers.location}`).pathname
  assert.is((await send(server.origin, { method: 'GET', path: empty })).status, 200)
  assert.is((await statusOf(server)).slots.taken, 10)

  house[3]?.patch.connection.cut()
  await untilSlots(server, { taken: 9, waiting: 0 })
  const next = await createUpload(server, file)
  await resume(server, next, file)
  await assertStored(server, next, file)
  await server.stop('SIGKILL')
})

test('in a full house an upload goes on though its own dead connection holds a slot', async () => {
  const server = await startServer()
  const house = await fullHouse(server, 10)
  for (const { path, file } of house.slice(7)) {
    // Without a HEAD before it, and while the old connection is open.
    const answer = await (await Patch.begin(server, path, file, SENT_BYTES)).finish()
    assert.is(answer?.status, 204)
    await assertStored(server, path, file)
  }
  await untilSlots(server, { taken: 7, waiting: 0 })
  await server.stop('SIGKILL')
})

test('with --slot-wait requests wait unread and in order', async () => {
  const server = await startServer(['--slots', '2', '--slot-wait', '60s'])
  const [first, second] = await fullHouse(server, 2)
  const waiting: Stalled[] = []
  for (const number of range(4)) {
    waiting.push(await stall(server, 20 + number))
    await untilSlots(server, { taken: 2, waiting: number + 1 })
  }
  const [a, b, c, d] = waiting
  if (!a || !b || !c || !d) throw new Error('nobody waits')
  const bytes = (...some: Stalled[]): number[] => some.map(({ path }) => storedBytes(server, path))
  assert.equal(bytes(a, b, c, d), [0, 0, 0, 0], 'none is read')
  first?.patch.connection.cut()
  await arrived(server, a)
  assert.equal(bytes(b, c, d), [0, 0, 0], 'the first in line')
  second?.patch.connection.cut()
  await arrived(server, b)
  assert.equal(bytes(c, d), [0, 0], 'the second')
  for (const each of [a, b, d, c]) each.patch.send()
  for (const { patch } of [a, b, c, d]) assert.is((await patch.answered)?.status, 204)
  await untilSlots(server, { taken: 0, waiting: 0 })
  await assertStored(server, d.path, d.file)
  assert.is(await server.stop(), 0)
})

test('a waiter whose connection dies leaves the queue', async () => {
  const server = await startServer(['--slots', '1', '--slot-wait', '60s'])
  const [holder] = await fullHouse(server, 1)
  const dead = await stall(server, 10, 0)
  await untilSlots(server, { taken: 1, waiting: 1 })
  const next = await stall(server, 11)
  await untilSlots(server, { taken: 1, waiting: 2 })
  dead.patch.connection.cut()
  await untilSlots(server, { taken: 1, waiting: 1 })
  holder?.patch.connection.cut()
  await arrived(server, next)
  await server.stop('SIGKILL')
})

// A socket that is not read does not tell that it died: such a waiter is met when its turn comes.
test('a waiter whose connection died behind unread bytes gives its turn on at once', async () => {
  const server = await startServer(['--slots', '1', '--slot-wait', '60s'])
  const [holder] = await fullHouse(server, 1)
  const dead = await stall(server, 10, SENT_BYTES)
  await untilSlots(server, { taken: 1, waiting: 1 })
  const next = await stall(server, 11)
  await untilSlots(server, { taken: 1, waiting: 2 })
  dead.patch.connection.cut()
  holder?.patch.connection.cut()
  await arrived(server, next)
  await untilSlots(server, { taken: 1, waiting: 0 })
  await server.stop('SIGKILL')
})

test('a request that waited for --slot-wait in vain gets 503', async () => {
  const server = await startServer(['--slots', '1', '--slot-wait', '300ms'])
  await fullHouse(server, 1)
  const startedAt = performance.now()
  const { patch, path } = await stall(server, 30)
  assert.is((await patch.answered)?.status, 503)
  const waitedMs = performance.now() - startedAt
  assert.ok(waitedMs >= 290, `${waitedMs} ms`)
  assert.is(await offsetOf(server, path), 0)
  await untilSlots(server, { taken: 1, waiting: 0 })
  await server.stop('SIGKILL')
})

test('senders that fall silent for --idle-timeout lose slot and connection, and keep their offset', async () => {
  const server = await startServer(['--idle-timeout', '1s'])
  const house = await fullHouse(server, 10)
  const answers = await Promise.all(house.map(({ patch }) => patch.answered))
  assert.ok(
    answers.every((answer) => answer === undefined),
    'cut off, which clients resume from',
  )
  await untilSlots(server, { taken: 0, waiting: 0 })
  for (const { path, file } of house) {
    assert.is(await offsetOf(server, path), SENT_BYTES)
    await resume(server, path, file)
  }
  await assertStored(server, house[0]?.path ?? '', new PseudoFile(seed, 1024 * KIB))
  assert.is(await server.stop(), 0)
})

/** An intake whose clock the test sets; its ticks come by the real one, every quarter of a second. */
function slowIntake(limits: Partial<IntakeLimits>) {
  const arena = new Arena({ blocks: 2, blockBytes: 64 * KIB })
  const source = new PassThrough({ highWaterMark: KIB })
  const clock = { ms: 1_000_000 }
  const intake = new Intake(source, {
    arena,
    limits: { blocks: 2, tickMs: 5, idleTimeoutMs: 600_000, minRateBytesPerMinute: 64 * KIB, ...limits },
    bodyBytes: null,
    monotonic: () => clock.ms,
    begins: () => {},
  })
  let stored = 0
  const write = async (blocks: readonly { bytes: number }[]): Promise<void> => {
    for (const { bytes } of blocks) stored += bytes
  }
  const end = intake.drain({ wantsFirstBytes: 0, takesLastAtOnce: false, write }, 2 ** 30)
  return { arena, source, clock, end, stored: () => stored }
}

test('a sender below the minimum rate over a minute is ended, its bytes count', async () => {
  const { arena, source, clock, end, stored } = slowIntake({})
  source.write(Buffer.alloc(64 * KIB - 1))
  await eventually(30_000, 'the bytes', async () => (source.readableLength === 0 ? true : undefined))
  clock.ms += 60_001
  assert.is(await end, 'slow')
  assert.is(stored(), 64 * KIB - 1)
  assert.is(arena.free, arena.blocks)
})

test('a sender that keeps the minimum rate goes on, and is measured anew in the next minute', async () => {
  const { source, clock, end, stored } = slowIntake({})
  source.write(Buffer.alloc(64 * KIB))
  await eventually(30_000, 'the bytes', async () => (stored() === 64 * KIB ? true : undefined))
  clock.ms += 60_001
  const early = await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 600, 'still open'))])
  assert.is(early, 'still open')
  clock.ms += 60_001
  assert.is(await end, 'slow')
})

test.run()
