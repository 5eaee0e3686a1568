import { createServer, type RequestListener } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fetchJson } from '../../server/http/auth/fetch-json.js'

const test = suite('fetch json')

const LIMITS = { timeoutMs: 30_000, mostBytes: 100 }

/** What becomes of a request that is answered like this: the document, or the error's message. */
async function outcome(answer: RequestListener, limits = LIMITS): Promise<unknown> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    return await fetchJson(`http://127.0.0.1:${port}/keys`, limits).catch((error: unknown) => String(error))
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

test('gives the document', async () => {
  assert.equal(await outcome((_request, response) => void response.end('{"keys":[]}')), { keys: [] })
})

test('rejects where the answer is longer than the limit, also before its end', async () => {
  const told = await outcome((_request, response) => void response.write(`["${'a'.repeat(100)}`))
  assert.match(String(told), 'longer than 100 bytes')
})

test('rejects where the answer does not end in time', async () => {
  for (const answer of [
    () => {},
    (_request: unknown, response: { write(text: string): unknown }) => response.write('{'),
  ])
    assert.match(String(await outcome(answer, { ...LIMITS, timeoutMs: 50 })), 'within 50 ms')
})

test('follows no redirect, and takes no other status than 200', async () => {
  const told = await outcome(({ url }, response) => {
    if (url === '/stolen') response.end('{"keys":["stolen"]}')
    else response.writeHead(302, { Location: '/stolen' }).end()
  })
  assert.match(String(told), 'the status is 302')
  assert.match(String(await outcome((_request, response) => void response.writeHead(404).end('{}'))), '404')
})

test('rejects where the connection is cut within the answer', async () => {
  const told = await outcome((_request, response) => {
    response.writeHead(200, { 'Content-Length': '50' }).write('{"keys"')
    setImmediate(() => response.destroy())
  })
  assert.match(String(told), /Error/)
})

test.run()
