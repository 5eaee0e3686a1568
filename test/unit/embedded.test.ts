import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttp2, connect as http2 } from 'node:http2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { publicOrigin } from '../../server/http/origin.js'
import { embeddedPlace as place } from '../helpers/embedded-place.js'
import { fakeRequest } from '../helpers/fake-exchange.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, send } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'

const test = suite('embedded')

const WITHIN_MS = 30_000
const OK = { status: 200, headers: {} }

test('requests of one connection are served one behind the other', async () => {
  const begun: string[] = []
  let goOn = (): void => {}
  const { port, end } = await place(async (exchange) => {
    begun.push(exchange.request.url ?? '')
    if (begun.length === 1)
      await new Promise<void>((resolve) => {
        goOn = resolve
      })
    exchange.send({ ...OK, text: exchange.request.url ?? '' })
  })
  const raw = await RawConnection.open(port)
  await raw.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(WITHIN_MS, 'the first request', async () => begun[0])
  const other = await RawConnection.open(port)
  await other.write('GET /c HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.is((await other.answer()).text, '/c')
  assert.equal(begun, ['/a', '/c'])
  goOn()
  assert.is((await raw.answer()).text, '/a')
  assert.is((await raw.answer()).text, '/b')
  await end()
})

test('connections beyond the limit get 503, and their number is what status shows as connections', async () => {
  let goOn = (): void => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { embedded, origin, end } = await place(
    async (exchange) => {
      if (exchange.request.url === '/held') await held
      exchange.send(OK)
    },
    { limit: 1 },
  )
  const first = send(origin, { method: 'GET', path: '/held' })
  await eventually(WITHIN_MS, 'the first request', async () => embedded.connections.open === 1 || undefined)
  const refused = await send(origin, { method: 'POST', path: '/', body: 'abc' })
  assert.is(refused.status, 503)
  assert.match(refused.text, /^connections_full: /)
  assert.is(refused.headers['tus-resumable'], '1.0.0')
  goOn()
  assert.is((await first).status, 200)
  await eventually(WITHIN_MS, 'the place', async () => embedded.connections.open === 0 || undefined)
  assert.is((await send(origin, { method: 'GET', path: '/' })).status, 200)
  await end()
})

test('close() waits for requests, ends those that last too long, and leaves other connections open', async () => {
  const { embedded, port, origin, end } = await place(async (exchange) => {
    if (exchange.request.url === '/hangs') await new Promise(() => {})
    exchange.send(OK)
  })
  const idle = await RawConnection.open(port)
  await idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.is((await idle.answer()).status, 200)
  const hangs = await RawConnection.open(port)
  await hangs.write('GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(WITHIN_MS, 'the request', async () => embedded.connections.open === 1 || undefined)
  embedded.refuseNew()
  const refused = await send(origin, { method: 'GET', path: '/' })
  assert.is(refused.status, 503)
  assert.match(refused.text, /^shutting_down: /)
  await bounded(WITHIN_MS, embedded.close(50), 'the end')
  await hangs.closed()
  await idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.is((await idle.answer()).status, 503)
  await end()
})

test('a fault in one request ends its connection and no other', async () => {
  const { embedded, port, logged, end } = await place(async (exchange) => {
    if (exchange.request.url === '/fault') throw new Error('a fault')
    exchange.send(OK)
  })
  const [faulty, other] = [await RawConnection.open(port), await RawConnection.open(port)]
  await faulty.write('GET /fault HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await faulty.closed()
  await other.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.is((await other.answer()).status, 200)
  assert.is(embedded.connections.faults, 1)
  assert.equal(logged, ['a fault in a request; its connection was ended'])
  await eventually(WITHIN_MS, 'the places', async () => embedded.connections.open === 0 || undefined)
  await end()
})

test('a body that the application has read is a fault of the server, never an upload without bytes', async () => {
  const { origin, logged, end } = await place(async (exchange) => exchange.send(OK), {
    before: async (request) => {
      if (request.url !== '/read') return
      request.on('data', () => {})
      await once(request, 'end')
    },
  })
  assert.is((await send(origin, { method: 'PATCH', path: '/', body: 'abc' })).status, 200)
  const answer = await send(origin, { method: 'PATCH', path: '/read', body: 'abc' })
  assert.is(answer.status, 500)
  assert.match(answer.text, /^internal: /)
  assert.match(logged.join(), 'mount Lading before what reads bodies')
  await end()
})

test('a body that the application listens to, pipes or decodes is refused, and one it only paused is whole', async () => {
  const touches: Readonly<Record<string, (request: IncomingMessage) => void>> = {
    data: (request) => void request.on('data', () => {}),
    readable: (request) => void request.on('readable', () => {}),
    resume: (request) => void request.resume(),
    encoding: (request) => void request.setEncoding('utf8'),
    pause: (request) => void request.pause(),
  }
  const bodies: string[] = []
  const { embedded, origin, end } = await place(
    async (exchange) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of exchange.request) chunks.push(Buffer.from(chunk))
      bodies.push(Buffer.concat(chunks).toString('latin1'))
      exchange.send(OK)
    },
    {
      application: (request, response) => {
        touches[request.url?.slice('/app/'.length) ?? '']?.(request)
        void embedded.handle(request, response)
      },
    },
  )
  for (const touch of ['data', 'readable', 'resume', 'encoding']) {
    const answer = await send(origin, { method: 'PATCH', path: `/app/${touch}`, body: 'abc' })
    assert.is(answer.status, 500, touch)
  }
  assert.is((await send(origin, { method: 'PATCH', path: '/app/pause', body: 'abc' })).status, 200)
  assert.equal(bodies, ['abc'])
  await end()
})

test('the bytes of a body are counted, so that their buffers are collected in time', async () => {
  const { origin, received, end } = await place(async (exchange) => {
    for await (const _ of exchange.request);
    exchange.send(OK)
  })
  const body = Buffer.alloc(300_000)
  await send(origin, { method: 'PATCH', path: '/', body })
  await send(origin, { method: 'PATCH', path: '/', body, headers: { 'Transfer-Encoding': 'chunked' } })
  assert.is(
    received.reduce((sum, bytes) => sum + bytes, 0),
    2 * body.length,
  )
  await end()
})

test('a server that ends long requests is named in the log, once', async () => {
  const { origin, logged, end } = await place(async (exchange) => exchange.send(OK), {
    requestTimeout: 300_000,
  })
  await send(origin, { method: 'GET', path: '/' })
  await send(origin, { method: 'GET', path: '/' })
  assert.equal(logged, ['the server of the application ends longer uploads: set its requestTimeout to 0'])
  await end()
})

test('the path is the one that the client asked for, wherever a router has mounted the handler', async () => {
  const { origin, end } = await place(
    async (exchange) => exchange.send({ ...OK, text: exchange.request.url ?? '' }),
    {
      before: async (request) => {
        Object.assign(request, { url: '/x?y', originalUrl: '/api/files/x?y' })
      },
    },
  )
  assert.is((await send(origin, { method: 'GET', path: '/api/files/x?y' })).text, '/api/files/x?y')
  await end()
})

test('a sender that waits for 100 Continue gets it where the application has left that to the handler', async () => {
  const { port, server, end } = await place(async (exchange) => {
    exchange.askForBody()
    for await (const _ of exchange.request);
    exchange.send(OK)
  })
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  const raw = await RawConnection.open(port)
  await raw.head('PATCH /', ['Content-Length: 3', 'Expect: 100-continue'])
  assert.is((await raw.answer()).status, 100)
  await raw.write('abc')
  assert.is((await raw.answer()).status, 200)
  server.removeAllListeners('checkContinue')
  await raw.head('PATCH /', ['Content-Length: 3', 'Expect: 100-continue'])
  assert.is((await raw.answer()).status, 100)
  await raw.write('abc')
  assert.is((await raw.answer()).status, 200, 'Node has sent the only 100')
  raw.socket.destroy()
  await end()
})

test('no 100 Continue goes to a client of HTTP/1.0, which would take it for the answer', async () => {
  const { port, end } = await place(async (exchange) => {
    exchange.askForBody()
    for await (const _ of exchange.request);
    exchange.send(OK)
  })
  const raw = await RawConnection.open(port)
  await raw.write('PATCH / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc')
  assert.is((await raw.answer()).status, 200)
  await end()
})

test('HTTP/2 gets 505', async () => {
  const { embedded, end } = await place(async (exchange) => exchange.send(OK))
  const server = createHttp2(
    (request, response) => void Reflect.apply(embedded.handle, undefined, [request, response]),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const session = http2(
    `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
  )
  const stream = session.request({ ':path': '/', ':method': 'GET' })
  const [headers] = await bounded(WITHIN_MS, once(stream, 'response'), 'the answer')
  assert.is(headers[':status'], 505)
  session.destroy()
  server.close()
  await end()
})

test('Location has https where the application takes TLS itself', () => {
  const request = fakeRequest('POST', '/files')
  assert.is(publicOrigin(request, false), 'http://lading.test')
  Object.assign(request.socket, { encrypted: true })
  assert.is(publicOrigin(request, false), 'https://lading.test')
  request.headers['x-forwarded-proto'] = 'http'
  assert.is(publicOrigin(request, true), 'http://lading.test')
})

test.run()
