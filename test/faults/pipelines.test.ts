import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unharmed } from '../helpers/health.js'
import { firstOf, RawConnection } from '../helpers/raw.js'
import { send, statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'
import { bodyHeaders, LAST_CHUNK, patchHeaders, unknownId, VERSION } from '../helpers/wire.js'

const test = suite('pipelines')
test.after(killServers)

const CLOSES_WITHIN_MS = 30_000
const ATTEMPTS = 40

const request = (line: string, headers: readonly string[] = [], body = ''): string =>
  `${[`${line} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n${body}`

const CREATION = request('POST /files', [VERSION, 'Upload-Length: 3'])
const EXPECT = 'Expect: 100-continue'

/** Writes it all at once and resolves with all that the server says until it closes. */
async function saidUntilClosed(server: TestServer, text: string): Promise<string> {
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
  let said = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    said += part
  })
  socket.on('error', () => {})
  socket.write(text)
  try {
    await bounded(CLOSES_WITHIN_MS, firstOf(socket, 'end', 'close'), 'the end')
  } finally {
    socket.destroy()
  }
  return said
}

const statuses = (said: string): number[] =>
  [...said.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

async function reset(server: TestServer, text: string): Promise<void> {
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(text, () => socket.resetAndDestroy())
  await bounded(CLOSES_WITHIN_MS, firstOf(socket, 'close'), 'the reset')
}

test('"Whatever anyone sends, the process lives": three requests in one piece, then a reset', async () => {
  const server = await startServer()
  const id = '20240101-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
  const put = request(`PUT /files/${id}`, ['Content-Length: 3'], 'abc')
  const piece = request('GET /x', ['Expect: y']) + put + request('GET /x')
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) await reset(server, piece)
  await unharmed(server)
  assert.is((await statusOf(server)).faults.requests, 0)
  assert.is(await server.stop(), 0)
})

const CLOSING: Readonly<Record<string, string>> = {
  'an expectation that is not 100-continue': request('GET /healthz', ['Expect: y']),
  'Connection: close': request('GET /healthz', ['Connection: close']),
  'Connection: close, with a body': request('PUT /files', ['Connection: close', 'Content-Length: 3'], 'abc'),
  'Connection: close, with chunks': request(
    'PUT /files',
    ['Connection: close', 'Transfer-Encoding: chunked'],
    `3\r\nabc\r\n${LAST_CHUNK}`,
  ),
  'HTTP/1.0': 'GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n',
  'no HTTP': 'nonsense\r\n\r\n',
  'headers over 64 KiB': request('GET /healthz', [`X: ${'x'.repeat(70_000)}`]),
  'a body that waits for 100 and gets 412': request('POST /files', [EXPECT, ...bodyHeaders(3)]),
  'a body that waits for 100 and gets 404': request('PATCH /files/x', [EXPECT, ...patchHeaders(0, 3)]),
  'a body that waits for 100 and gets 413': request('POST /files', [
    ...[VERSION, 'Upload-Length: 3', EXPECT],
    ...bodyHeaders(4),
  ]),
  'a chunk that cannot be read': request('PATCH /files/x', patchHeaders(0, null), 'zz\r\n'),
}

// One server for all of them: to start one takes longer than a case.
let closing: Promise<TestServer> | undefined

for (const [what, text] of Object.entries(CLOSING)) {
  test(`behind an answer that closes nothing more is served: ${what}`, async () => {
    closing ??= startServer()
    const server = await closing
    for (const behind of [CREATION, CREATION + request('GET /x', ['Expect: y']) + CREATION]) {
      const said = await saidUntilClosed(server, text + behind)
      assert.is(statuses(said).length, 1, said)
      const before = await saidUntilClosed(server, request('GET /healthz') + text + behind)
      assert.is(statuses(before).length, 2, before)
      assert.is(statuses(before)[0], 200)
      for (let attempt = 0; attempt < 5; attempt++) await reset(server, text + behind)
    }
    await unharmed(server, [])
    assert.is((await statusOf(server)).faults.requests, 0)
  })
}

test('answers come in the order of their requests, also those that are no answers to HTTP', async () => {
  const server = await startServer()
  const location = `/files/${unknownId()}`
  const said = await saidUntilClosed(
    server,
    request('GET /api/status') +
      request(`HEAD ${location}`, [VERSION]) +
      request(`DELETE ${location}`, [VERSION]) +
      request('OPTIONS /files') +
      request('GET /healthz', ['Expect: y']) +
      request('GET /healthz'),
  )
  assert.equal(statuses(said), [200, 404, 404, 204, 417])
  const malformed = await saidUntilClosed(server, `${request('GET /readyz')}${CREATION}nonsense\r\n\r\n`)
  assert.equal(statuses(malformed), [200, 201, 400])
  assert.is(await server.stop(), 0)
})

test('a hundred requests in one piece are all answered, in their order', async () => {
  const server = await startServer()
  const raw = await RawConnection.open(server.port)
  const lines = Array.from({ length: 100 }, (_, index) => (index % 3 === 0 ? 'GET /healthz' : 'GET /x'))
  await raw.write(lines.map((line) => request(line)).join(''))
  for (const line of lines) assert.is((await raw.answer()).status, line === 'GET /x' ? 404 : 200)
  // Line by line, and cut anywhere.
  const text = lines
    .slice(0, 10)
    .map((line) => request(line))
    .join('')
  for (const letter of text) await raw.write(letter)
  for (const line of lines.slice(0, 10)) assert.is((await raw.answer()).status, line === 'GET /x' ? 404 : 200)
  raw.socket.destroy()
  assert.is(await server.stop(), 0)
})

test('a pipelined upload, its creation, and what follows it arrive whole, whatever the bytes are', async () => {
  const server = await startServer()
  // Empty lines in a body must not be taken for the end of a head.
  const text = 'GET / HTTP/1.1\r\n\r\n\n\n0\r\n\r\n'
  for (const repeated of [1, 100, 60_000]) {
    const body = text.repeat(repeated)
    const raw = await RawConnection.open(server.port)
    const headers = [VERSION, `Upload-Length: ${body.length}`, ...bodyHeaders(body.length)]
    const whole = request('POST /files', headers, body)
    const chunks = request(
      'POST /files',
      [VERSION, `Upload-Length: ${body.length}`, ...bodyHeaders(null)],
      `${body.length.toString(16)}\r\n${body}\r\n${LAST_CHUNK}`,
    )
    await raw.write(whole + request('GET /healthz') + chunks + whole + request('GET /x'))
    const answers = []
    for (let count = 0; count < 5; count++) answers.push(await raw.answer())
    assert.equal(
      answers.map(({ status }) => status),
      [201, 200, 201, 201, 404],
    )
    for (const answer of answers.filter(({ status }) => status === 201)) {
      const path = answer.headers.get('location') ?? ''
      const found = await send(server.origin, { method: 'GET', path: new URL(path).pathname })
      assert.ok(found.text === body, `${repeated} times`)
    }
    raw.socket.destroy()
  }
  assert.is((await statusOf(server)).faults.requests, 0)
  assert.is(await server.stop(), 0)
})

test.run()
