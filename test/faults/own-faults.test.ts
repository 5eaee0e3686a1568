import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, rowsOf, storedBytes } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, idOf, locationOf, send, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'
import { chunk, patchHeaders } from '../helpers/wire.js'

const test = suite('own-faults')
test.after(killServers)

const FAULTS = new URL('../helpers/faults.js', import.meta.url).pathname
const MIB = 2 ** 20
const seed = printedSeed('own-faults')

const startFaulty = (dataDir?: string, flags: readonly string[] = []): Promise<TestServer> =>
  startServer(flags, dataDir, undefined, { nodeFlags: ['--import', FAULTS] })

const times = (text: string, part: string): number => text.split(part).length - 1

test('"A fault in one request\'s path ends that connection, never the process"', async () => {
  const server = await startFaulty()
  for (const line of ['GET /healthz', 'OPTIONS /files', 'GET /x', 'HEAD /files']) {
    const raw = await RawConnection.open(server.port)
    const one = (headers: string): string => `${line} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
    await raw.write(one('X-Fault: thrown\r\n') + one(''))
    await raw.closed()
    assert.ok(
      await raw.answer().then(
        () => false,
        () => true,
      ),
      'no answer',
    )
  }
  const expecting = await RawConnection.open(server.port)
  await expecting.head('GET /', ['Expect: y', 'X-Fault: thrown'])
  await expecting.closed()
  assert.is((await send(server.origin, { method: 'GET', path: '/healthz' })).status, 200)
  assert.is((await statusOf(server)).faults.requests, 5)
  await eventually(10_000, 'the lines of the log', async () => {
    return times(server.log(), 'a fault in a request') === 5 ? true : undefined
  })
  assert.is(times(server.log(), '"stack":"Error: a deliberate fault, thrown'), 5)
  assert.is(await server.stop(), 0)
})

interface HandlerFault {
  readonly length: number | null
  /** Sent before, and stored. */
  readonly before: string
  readonly text: string
  readonly kind: string
}

const COPY = 'a fault in the copy of a block'
const PUSH = 'a fault in the push of a chunk'
const IN_HANDLERS: Readonly<Record<string, HandlerFault>> = {
  'bytes of a short body': { length: 100, before: 'abc', text: COPY, kind: 'copied' },
  'the first bytes of a body': { length: 100, before: '', text: COPY, kind: 'copied' },
  'bytes that Node reads for itself': {
    ...{ length: 16 * MIB, before: 'abc\n'.repeat(MIB / 4) },
    ...{ text: COPY, kind: 'copied' },
  },
  'the stream of a body that Node reads for itself': {
    ...{ length: 16 * MIB, before: 'abc\n'.repeat(MIB / 4) },
    ...{ text: PUSH, kind: 'pushed' },
  },
  'a small chunk, once its turn is over': { length: null, before: '', text: chunk(PUSH), kind: 'pushed' },
}

for (const lane of ['on', 'off']) {
  test(`"A fault in one request's path ends that connection", also in a handler that nothing of ours calls, with the lane ${lane}`, async () => {
    const server = await startFaulty(undefined, ['--lane', lane])
    let faults = 0
    for (const [what, { length, before, text, kind }] of Object.entries(IN_HANDLERS)) {
      // The lane does not push.
      if (lane === 'on' && kind === 'pushed' && length !== null) continue
      const location = locationOf(await tus.create(server, length ?? 100))
      const path = new URL(location).pathname
      const raw = await RawConnection.open(server.port)
      await raw.head(`PATCH ${path}`, patchHeaders(0, length))
      await raw.write(before)
      await eventually(30_000, `the bytes before ${what}`, async () => {
        const { slots } = await statusOf(server)
        return slots.taken === 1 && storedBytes(server, path) === before.length ? true : undefined
      })
      await raw.write(text)
      await raw.closed()
      faults += 1
      const { faults: counted } = await statusOf(server)
      assert.is(counted.requests, faults, what)
      await eventually(30_000, `the slot and the blocks of ${what}`, async () => {
        const { slots, arena } = await statusOf(server)
        return slots.taken === 0 && arena.free === arena.blocks ? true : undefined
      })
      assert.is(await offsetOf(server, path), before.length, what)
      await eventually(10_000, `the line of ${what}`, async () => {
        return times(server.log(), 'a fault in a request') === faults ? true : undefined
      })
      assert.match(server.log(), `"stack":"Error: a deliberate fault, ${kind}`)
    }
    const refused = await RawConnection.open(server.port)
    await refused.head('PUT /files', ['Content-Length: 3', 'X-Fault: ended'])
    assert.is((await refused.answer()).status, 405)
    await refused.write('abc')
    await refused.closed()
    assert.is((await statusOf(server)).faults.requests, faults + 1)
    assert.is(await server.stop(), 0)
  })
}

for (const kind of ['uncaught', 'rejected']) {
  test(`what nobody catches ends the process as SIGTERM does, with exit code 1: ${kind}`, async () => {
    const server = await startFaulty()
    const file = new PseudoFile(seed, 16 * MIB)
    const path = await createUpload(server, file)
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send(MIB + 5)
    await eventually(10_000, 'the stored bytes', async () => {
      return storedBytes(server, path) === MIB + 5 ? true : undefined
    })
    const ended = once(server.process, 'exit')
    const raw = await RawConnection.open(server.port)
    await raw.head('GET /healthz', [`X-Fault: ${kind}`])
    const [code] = await bounded(12_000, ended, 'the end of the process')
    assert.is(code, 1)
    assert.match(server.log(), `a deliberate fault, ${kind}`)
    assert.match(server.log(), '"level":60')
    assert.is(rowsOf(server).get(idOf(path))?.offset, MIB + 5)
    for (const each of [patch.connection, raw]) each.socket.destroy()
    const again = await startServer([], server.dataDir)
    assert.is(await offsetOf(again, path), MIB + 5)
    await resume(again, path, file)
    await assertStored(again, path, file)
    assert.is(await again.stop(), 0)
  })
}

test.run()
