import { Socket } from 'node:net'
import { mock } from 'node:test'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Connections } from '../../server/http/connections.js'

const KIB = 1024

/** So many connections among fakes, on a clock that the test sets. */
function place(limit: number) {
  let nowMs = 0
  const clock = mock.method(performance, 'now', () => nowMs)
  const connections = new Connections({
    ...{ limit, headers: {}, laneFromBytes: Infinity, received: () => {}, serve: async () => {} },
    log: { error: () => {} },
  })
  const connect = (): Socket => {
    const socket = new Socket()
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
  return { connections, connect, end, at }
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

test('a first byte is waited for 10 s; behind it a connection may pause for longer', () => {
  const { connect, end } = place(1)
  const socket = connect()
  assert.is(socket.timeout, 10_000)
  beginHead(socket, 1)
  assert.is(socket.timeout, 0)
  end()
})

test.run()
