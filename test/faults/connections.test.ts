import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { storedBytes } from '../helpers/proof.js'
import { firstOf, RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, send, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'
import { descriptors, underAttack } from '../helpers/under-attack.js'
import { patchHeaders } from '../helpers/wire.js'

const test = suite('connections')
test.after(killServers)

const OPEN_FILES = 1_024
const P99_MS = 3_000
const REQUEST = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'

async function opened(server: TestServer): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  await bounded(30_000, firstOf(socket, 'connect', 'close'), 'a connection')
  return socket
}

/** A PATCH whose first bytes have been stored; it goes on when the rest is written. */
async function runningPatch(server: TestServer): Promise<{ raw: RawConnection; location: string }> {
  const location = locationOf(await tus.create(server, 6))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 6))
  await raw.write('abc')
  await eventually(30_000, 'the running PATCH', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  return { raw, location }
}

const CROWDS: Readonly<Record<string, string>> = {
  'silent connections': '',
  'connections with half a head': 'GET / HTTP/1.1\r\nHost:',
  'idle connections': REQUEST,
}

for (const [crowd, text] of Object.entries(CROWDS)) {
  test(`with ulimit -n ${OPEN_FILES} and 1,500 ${crowd} everyone is served, and a running upload goes on`, async () => {
    const server = await startServer([], undefined, undefined, { openFiles: OPEN_FILES })
    const { raw, location } = await runningPatch(server)
    const { limit } = (await statusOf(server)).connections
    assert.ok(limit > 500 && limit < OPEN_FILES, `${limit}`)
    const { failures, p99Ms } = await underAttack(`1,500 ${crowd}`, server, async () => {
      const sockets: Socket[] = []
      for (let count = 0; count < 1_500; count++) {
        const socket = await opened(server)
        if (text !== '') socket.write(text)
        sockets.push(socket)
      }
      const { connections } = await statusOf(server)
      assert.ok(connections.open <= limit, `${connections.open} of ${limit}`)
      assert.ok(connections.open > limit / 2, `${connections.open} of ${limit}`)
      assert.ok(descriptors(server.pid) < OPEN_FILES)
      await raw.write('def')
      assert.is((await raw.answer()).status, 204)
      for (const socket of sockets) socket.destroy()
      // At rest there is no upload but the other user's.
      raw.socket.destroy()
    })
    assert.equal(failures, [])
    assert.ok(p99Ms < P99_MS, `${p99Ms} ms`)
    assert.is((await send(server.origin, { method: 'GET', path: location })).text, 'abcdef')
    assert.not.match(server.log(), 'EMFILE')
    assert.is(await server.stop(), 0)
  })
}

test('where every connection is being served, a new one is told 503 connections_full with Retry-After', async () => {
  const server = await startServer(['--connections', '3'])
  const patches: Array<{ raw: RawConnection; location: string }> = []
  for (let count = 0; count < 3; count++) {
    const location = locationOf(await tus.create(server, 6))
    const raw = await RawConnection.open(server.port)
    await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 6))
    await raw.write('abc')
    // Seen on the disk: a connection more, to ask, would take the place of this one until it is being served.
    await eventually(30_000, 'the running PATCH', async () => {
      return storedBytes(server, new URL(location).pathname) === 3 ? true : undefined
    })
    patches.push({ raw, location })
  }
  const answer = await send(server.origin, { method: 'GET', path: '/healthz' })
  assert.is(answer.status, 503)
  assert.match(answer.text, /^connections_full: /)
  assert.ok(answer.headers['retry-after'])
  assert.is(answer.headers['access-control-allow-origin'], '*')
  for (const { raw } of patches) {
    await raw.write('def')
    assert.is((await raw.answer()).status, 204)
    raw.socket.destroy()
  }
  await eventually(30_000, 'room', async () => {
    return (await send(server.origin, { method: 'GET', path: '/healthz' })).status === 200 ? true : undefined
  })
  assert.is(await server.stop(), 0)
})

test('more connections than ulimit -n leaves room for are refused at the start, in one line', async () => {
  const start = startServer(['--connections', '5000'], undefined, undefined, { openFiles: OPEN_FILES })
  const message = await start.then(
    () => 'it started',
    (error: unknown) => (error instanceof Error ? error.message : ''),
  )
  assert.match(
    message,
    /ended with 1: lading: connections is 5000 but ulimit -n \(1024\) leaves room for \d+ only\n$/,
  )
})

async function closedAfterMs(server: TestServer, text: string): Promise<number> {
  const socket = await opened(server)
  const since = performance.now()
  if (text !== '') socket.write(text)
  await bounded(90_000, firstOf(socket, 'close'), 'the end of the connection')
  return performance.now() - since
}

test('a first byte is waited for 10 s, a head 30 s; who sends neither is closed without an answer', async () => {
  const server = await startServer()
  const [silent, head] = await Promise.all([
    closedAfterMs(server, ''),
    closedAfterMs(server, 'GET / HTTP/1.1\r\nHost: x\r\nX: '),
  ])
  console.log(
    `connections: silent closed after ${silent.toFixed(0)} ms, half a head after ${head.toFixed(0)} ms`,
  )
  assert.ok(silent > 9_000 && silent < 20_000, `${silent} ms`)
  assert.ok(head > 25_000 && head < 45_000, `${head} ms`)
  assert.is(await server.stop(), 0)
})

test('an idle connection is kept for --keep-alive, and its answers say so', async () => {
  const usual = await startServer()
  const raw = await RawConnection.open(usual.port)
  await raw.head('GET /healthz')
  assert.is((await raw.answer()).headers.get('keep-alive'), 'timeout=75')
  raw.socket.destroy()
  const short = await startServer(['--keep-alive', '1s'])
  const took = await closedAfterMs(short, REQUEST)
  console.log(`connections: idle closed after ${took.toFixed(0)} ms with --keep-alive 1s`)
  assert.ok(took > 900 && took < 20_000, `${took} ms`)
  assert.is(await usual.stop(), 0)
  assert.is(await short.stop(), 0)
})

test('SIGTERM ends the process within 10 s, with 900 idle, silent and half-sent connections', async () => {
  const server = await startServer([], undefined, undefined, { openFiles: OPEN_FILES * 2 })
  const texts = Object.values(CROWDS)
  const sockets: Socket[] = []
  for (let count = 0; count < 900; count++) {
    const socket = await opened(server)
    socket.write(texts[count % texts.length] ?? '')
    sockets.push(socket)
  }
  const since = performance.now()
  assert.is(await server.stop(), 0)
  console.log(`connections: ended ${(performance.now() - since).toFixed(0)} ms after SIGTERM`)
  assert.ok(performance.now() - since < 12_000)
  for (const socket of sockets) socket.destroy()
})

test.run()
