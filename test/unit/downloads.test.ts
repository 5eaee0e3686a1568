import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Downloads } from '../../server/http/downloads.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { FakeExchange, fakeRequest } from '../helpers/fake-exchange.js'

const PIECE = Buffer.alloc(10)
const ASKED = { id: 'an-id', principal: ANONYMOUS, headers: {} }

/** A download of so many pieces; its reader takes each in turn by `taken`. */
function download(pieces: number, taken: (written: (error?: Error) => void) => void, idleTimeoutMs = 60_000) {
  const seen = { closed: 0, read: 0, cut: 0, failsAt: 0 }
  const file = {
    ...{ type: 'text/plain', length: pieces * PIECE.length, filename: null, sha256: 'a'.repeat(64) },
    finishedAt: '2026-11-26T10:00:00.000Z',
  }
  const range = {
    next: async () => {
      seen.read += 1
      if (seen.read === seen.failsAt) throw new Error('EIO: the disk')
      return seen.read <= pieces ? PIECE : undefined
    },
    goTo: () => {},
    close: async () => {
      seen.closed += 1
    },
  }
  const log = { info: () => {}, error: () => {} }
  const downloads = new Downloads({
    ...{ limit: 1, idleTimeoutMs, log, find: async () => file, read: async () => range },
  })
  const request = Object.assign(fakeRequest('GET', '/files/an-id'), { complete: true })
  const exchange = new FakeExchange(request)
  Object.assign(exchange.response, {
    write: (_: Uint8Array, written: (error?: Error) => void) => taken(written),
    // Without a socket Node's own would wait for one.
    destroy: () => {
      seen.cut += 1
      exchange.response.emit('close')
    },
  })
  return { downloads, exchange, seen }
}

test('a file that was sent to its end is closed, and its place is free again', async () => {
  const { downloads, exchange, seen } = download(3, (written) => written())
  await downloads.send(exchange, ASKED)
  assert.equal(seen, { closed: 1, read: 3, cut: 0, failsAt: 0 })
  assert.ok(exchange.response.writableEnded)
  assert.is(downloads.taken, 0)
})

test('a file whose reader goes away is closed too', async () => {
  const { downloads, exchange, seen } = download(3, (written) => written(new Error('EPIPE')))
  await downloads.send(exchange, ASKED)
  assert.equal(seen, { closed: 1, read: 2, cut: 0, failsAt: 0 })
  assert.is(downloads.taken, 0)
})

test('a slow reader keeps its download for as long as it takes something within --idle-timeout', async () => {
  const idleTimeoutMs = 200
  const { downloads, exchange, seen } = download(
    6,
    // The timer of a piece is due before that of the silence, however busy the machine is.
    (written) => void setTimeout(idleTimeoutMs / 4).then(() => written()),
    idleTimeoutMs,
  )
  await downloads.send(exchange, ASKED)
  assert.is(seen.cut, 0)
  assert.ok(exchange.response.writableEnded)
})

test('a reader that needs longer than --idle-timeout for one piece keeps its download while it takes some of it', async () => {
  const idleTimeoutMs = 200
  const handle = { writeQueueSize: 0, readStart: () => {}, readStop: () => {} }
  const { downloads, exchange, seen } = download(
    1,
    (written) => {
      // Node hands a piece to the system only behind the turn in which it is written.
      queueMicrotask(() => {
        handle.writeQueueSize = PIECE.length
      })
      void setTimeout(idleTimeoutMs / 2).then(() => {
        handle.writeQueueSize = PIECE.length / 2
      })
      void setTimeout(1.5 * idleTimeoutMs).then(() => {
        Object.assign(exchange.response, { socket: null })
        written()
      })
    },
    idleTimeoutMs,
  )
  Object.assign(exchange.response, { socket: { _handle: handle } })
  await downloads.send(exchange, ASKED)
  assert.is(seen.cut, 0)
  assert.ok(exchange.response.writableEnded)
})

test('a reader that takes nothing for --idle-timeout loses its connection, and we close the file', async () => {
  const { downloads, exchange, seen } = download(3, () => {}, 20)
  await downloads.send(exchange, ASKED)
  assert.equal(seen, { closed: 1, read: 2, cut: 1, failsAt: 0 })
})

test('a piece that cannot be read while another is sent ends the download, and nothing else', async () => {
  const { downloads, exchange, seen } = download(3, (written) => void setTimeout(20).then(() => written()))
  seen.failsAt = 2
  await downloads.send(exchange, ASKED).catch(() => {})
  assert.is(seen.closed, 1)
  assert.is(downloads.taken, 0)
})

test('at the limit a download is refused before the disk is asked, and a place that comes free is taken again', async () => {
  let finish = (): void => {}
  const { downloads, exchange, seen } = download(1, (written) => {
    finish = written
  })
  const running = downloads.send(exchange, ASKED)
  while (seen.read === 0) await setTimeout(1)
  const other = new FakeExchange(fakeRequest('GET', '/files/an-id'))
  const refused = await downloads
    .send(other, ASKED)
    .catch((error: unknown) => Reflect.get(Object(error), 'code'))
  assert.equal([refused, downloads.taken, seen.read], ['downloads_full', 1, 1])
  finish()
  await running
  assert.is(downloads.taken, 0)
})

test('a file that is shorter than its record ends the connection: its reader must not take it for whole', async () => {
  const { downloads, exchange, seen } = download(3, (written) => written())
  seen.read = 1
  await downloads.send(exchange, ASKED)
  assert.ok(exchange.isCut)
  assert.not(exchange.response.writableEnded)
  assert.is(seen.closed, 1)
})

test.run()
