import { Socket } from 'node:net'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Connections } from '../../server/http/connections.js'
import { FakeExchange, fakeRequest } from '../helpers/fake-exchange.js'
import { bounded } from '../helpers/test.js'

const KIB = 1024
const HEAD = Buffer.from('POST /files HTTP/1.1\r\nX: y\r\n\r\n')

/** So many connections among fakes, on a clock that the test sets. */
function place(limit: number) {
  let nowMs = 0
  const clock = mock.method(performance, 'now', () => nowMs)
  const served: FakeExchange[] = []
  const connections = new Connections({
    ...{ limit, headers: {}, laneFromBytes: Infinity, received: () => {} },
    serve: () => new Promise(() => {}),
    log: { error: () => {} },
  })
  const connect = (): Socket => {
    const socket = new Socket()
    connections.add(socket)
    return socket
  }
  /** A connection on which each HEAD is that of an upload with so many bytes. */
  const connectUpload = (bodyBytes: number): Socket => {
    const socket = new Socket()
    // Node's parser would be here.
    socket.on('data', (slice: Buffer) => {
      if (!slice.equals(HEAD)) return
      const exchange = new FakeExchange(
        fakeRequest('POST', '/files', { 'content-length': String(bodyBytes) }),
      )
      served.push(exchange)
      connections.of(socket)?.begin(exchange)
      exchange.request.complete = bodyBytes === 0
    })
    connections.add(socket)
    return socket
  }
  const end = (): void => {
    connections.cut()
    clock.mock.restore()
  }
  const at = (ms: number): void => {
    nowMs = ms
  }
  return { connections, connect, connectUpload, served, end, at }
}

/** A head that has begun, and will not end. */
function beginHead(socket: Socket, bytes: number): void {
  socket.emit('data', Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nX: '), Buffer.alloc(bytes, 'a')]))
}

test('at the limit the connection that has brought nothing for long is closed, not one that has just come', () => {
  const { connections, connect, end, at } = place(2)
  const slow = connect()
  beginHead(slow, 1)
  at(60_000)
  const fresh = connect()
  at(60_500)
  const next = connect()
  assert.equal(
    [slow, fresh, next].map(({ destroyed }) => destroyed),
    [true, false, false],
  )
  assert.is(connections.open, 2)
  end()
})

test('"Memory stays within its bound": beyond 4 MiB of heads the largest is closed, and what it had counts no more', () => {
  const { connections, connect, end } = place(100)
  // 6 MiB one after the other, but never more than 3 MiB at once.
  for (let round = 0; round < 2; round++) {
    const sockets = Array.from({ length: 48 }, connect)
    for (const socket of sockets) beginHead(socket, 64 * KIB)
    assert.ok(
      sockets.every(({ destroyed }) => !destroyed),
      'their memory is within the bound',
    )
    for (const socket of sockets) connections.of(socket)?.cut()
    for (const socket of sockets) socket.emit('close')
  }
  const small = connect()
  beginHead(small, KIB)
  const large = Array.from({ length: 66 }, connect)
  for (const socket of large) beginHead(socket, 64 * KIB)
  assert.not(small.destroyed)
  assert.ok(large.some(({ destroyed }) => destroyed))
  end()
})

test('"Other users\' requests are answered": hundreds of uploads that come at once all begin, none is cut', async () => {
  const { connectUpload, served, end } = place(300)
  const sockets = Array.from({ length: 300 }, () => connectUpload(256 * KIB))
  const read = Buffer.concat([HEAD, Buffer.alloc(64 * KIB)])
  for (const socket of sockets) socket.emit('data', read)
  const allBegin = async (): Promise<void> => {
    while (served.length < sockets.length && sockets.every(({ destroyed }) => !destroyed))
      await setImmediate()
  }
  await bounded(30_000, allBegin(), 'all uploads')
  assert.ok(
    sockets.every(({ destroyed }) => !destroyed),
    'bytes behind a head that waits for its turn cut no connection',
  )
  end()
})

test('"Other users\' requests are answered": connections that came and went keep nobody waiting', async () => {
  const { connectUpload, served, end } = place(2_000)
  const gone = Array.from({ length: 1_000 }, () => connectUpload(0))
  for (const socket of gone) socket.emit('data', HEAD)
  for (const socket of gone) socket.emit('close')
  const begun = served.length
  connectUpload(0).emit('data', HEAD)
  await setImmediate()
  assert.is(served.length, begun + 1, 'in the next turn of the event loop')
  end()
})

/** Two connections with these use up a turn of the event loop; with more bytes it fills a read. */
const PIPELINED = Buffer.concat(Array.from({ length: 20 }, () => HEAD))
const PIPELINED_READ = Buffer.concat(Array.from({ length: (64 * KIB) / HEAD.length }, () => HEAD))

test('"One connection cannot hurt another": who has waited for a turn begins in it, whatever others pipeline', async () => {
  const { connections, connectUpload, end } = place(100)
  for (let count = 0; count < 8; count++) connectUpload(0).emit('data', PIPELINED)
  const honest = connectUpload(0)
  honest.emit('data', HEAD)
  assert.is(connections.of(honest)?.doing, 'head', 'it waits')
  await setImmediate()
  assert.is(connections.of(honest)?.doing, 'busy')
  end()
})

test('"Memory stays within its bound": what a connection keeps after its turn counts', async () => {
  const { connect, connectUpload, end } = place(200)
  const sockets = Array.from({ length: 26 }, () => connectUpload(0))
  for (const socket of sockets) socket.emit('data', PIPELINED_READ)
  await setImmediate()
  const others = Array.from({ length: 39 }, connect)
  for (const socket of others) beginHead(socket, 64 * KIB)
  assert.ok(
    [...sockets, ...others].some(({ destroyed }) => destroyed),
    'more than 4 MiB',
  )
  end()
})

test('a first byte is waited for 10 s; behind it a connection may pause for longer', () => {
  const { connect, end } = place(1)
  const socket = connect()
  assert.is(socket.timeout, 10_000)
  beginHead(socket, 1)
  assert.is(socket.timeout, 0)
  end()
})

test('"SIGTERM: no new requests": what is not being served then is never begun, so no answer is cut in the middle', async () => {
  const { connections, connect, connectUpload, served, end } = place(3)
  const head = connect()
  beginHead(head, 1)
  const [running, late] = [connectUpload(0), connectUpload(0)]
  // Behind the running request a second one waits.
  running.emit('data', Buffer.concat([HEAD, HEAD]))
  late.emit('data', HEAD.subarray(0, 20))
  assert.is(served.length, 2)
  connections.close()
  late.emit('data', HEAD.subarray(20))
  await setImmediate()
  assert.equal(
    [head, running, late].map(({ destroyed }) => destroyed),
    [true, false, true],
  )
  assert.is(served.length, 2)
  end()
})

test.run()
