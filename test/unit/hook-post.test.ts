import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTcp, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Poster, type PostOptions, type Reply } from '../../hooks/http/post.js'

const test = suite('hook-post')

const options = (changes: Partial<PostOptions> = {}): PostOptions => ({
  headers: { 'content-type': 'application/json' },
  mostBytes: 100,
  signal: new AbortController().signal,
  nowMs: Date.parse('2026-11-26T12:00:00Z'),
  ...changes,
})

/** A receiver that handles each request by `serve`, and what posts to it. */
async function place(serve: Parameters<typeof createServer>[1]) {
  const server = createServer(serve ?? (() => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const poster = new Poster(new URL(`http://127.0.0.1:${port}/hooks`))
  const end = (): void => {
    poster.close()
    server.closeAllConnections()
    server.close()
  }
  return { poster, end }
}

const reasonOf = (posted: Promise<Reply>): Promise<string> =>
  posted.then(
    ({ status }) => `answered ${status}`,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

test('an answer is read whole, with its type and Retry-After in both forms', async () => {
  const after = ['7', 'Thu, 26 Nov 2026 12:00:09 GMT']
  const { poster, end } = await place((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': after.shift() ?? '' })
      response.end('{"a":1}')
    })
  })
  const seconds = { status: 503, contentType: 'application/json', retryAfterMs: 7_000, text: '{"a":1}' }
  assert.equal(await poster.post('{}', options()), seconds)
  assert.equal(await poster.post('{}', options()), { ...seconds, retryAfterMs: 9_000 })
  end()
})

test('a longer answer than the limit is not read, a redirect is not followed, and one connection serves all', async () => {
  const ports = new Set<number | undefined>()
  const { poster, end } = await place((request, response) => {
    ports.add(request.socket.remotePort)
    request.resume().on('end', () => {
      if (request.headers['x-ask'] === 'long') response.end('x'.repeat(101))
      else response.writeHead(307, { Location: '/elsewhere' }).end()
    })
  })
  assert.is((await poster.post('{}', options())).status, 307)
  assert.is((await poster.post('{}', options())).status, 307)
  assert.is(ports.size, 1)
  assert.is((await poster.post('{}', options({ headers: { 'x-ask': 'long' } }))).text, null)
  end()
})

test('a request ends with the reason of its signal', async () => {
  const { poster, end } = await place((request) => void request.resume())
  const controller = new AbortController()
  const posted = reasonOf(poster.post('{}', options({ signal: controller.signal })))
  controller.abort(new Error('no answer within 5 ms'))
  assert.is(await posted, 'no answer within 5 ms')
  assert.is(
    await reasonOf(poster.post('{}', options({ signal: controller.signal }))),
    'no answer within 5 ms',
  )
  end()
  assert.match(await reasonOf(poster.post('{}', options())), 'ECONNREFUSED')
})

test('a kept connection that the receiver closes costs no request; a new one that it closes is an error', async () => {
  const sockets: Socket[] = []
  let answers = 1
  const server = createTcp((socket) => {
    sockets.push(socket)
    socket.on('data', () => {
      if (answers === 0) return socket.destroy()
      answers -= 1
      return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const poster = new Poster(new URL(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`))
  assert.is(await reasonOf(poster.post('{}', options())), 'answered 200')
  // The next request goes over the kept connection, which ends; then over a new one, which ends too.
  assert.match(await reasonOf(poster.post('{}', options())), /ECONNRESET|socket hang up/)
  assert.is(sockets.length, 2)
  answers = 1
  assert.is(await reasonOf(poster.post('{}', options())), 'answered 200')
  poster.close()
  server.close()
  for (const socket of sockets) socket.destroy()
})

test.run()
