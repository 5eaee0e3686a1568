import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import {
  eventually,
  fileOf,
  idOf,
  locationOf,
  send,
  startServer,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { bodyHeaders, chunk, exchange, LAST_CHUNK, OFFSET_TYPE, offsetOf, VERSION } from '../helpers/wire.js'

const server = serverFor(test, ['--max-size', '1MiB'])

const createWith = (length: number | null, body: string, headers: Record<string, string | number> = {}) =>
  send(server.origin, {
    method: 'POST',
    path: '/files',
    headers: {
      'Tus-Resumable': '1.0.0',
      'Content-Type': OFFSET_TYPE,
      'Content-Length': Buffer.byteLength(body),
      ...(length === null ? { 'Upload-Defer-Length': 1 } : { 'Upload-Length': length }),
      ...headers,
    },
    body,
  })

test('a body in the POST is stored as far as it goes, and the answer has Upload-Offset', async () => {
  const answer = await createWith(10, 'abc')
  assert.is(answer.status, 201)
  assert.is(answer.headers['upload-offset'], '3')
  assert.is(answer.headers['repr-digest'], undefined)
  const location = locationOf(answer)
  assert.is(await offsetOf(server, location), 3)
  const last = await tus.patch(server, location, 3, 'defghij')
  const digest = createHash('sha256').update('abcdefghij').digest('base64')
  assert.is(last.headers['repr-digest'], `sha-256=:${digest}:`)
})

test('a POST that brings the whole upload finishes it, with its digest in the answer', async () => {
  const answer = await createWith(3, 'abc', { 'Content-Type': `${OFFSET_TYPE.toUpperCase()}; a=b` })
  assert.is(answer.status, 201)
  assert.is(answer.headers['upload-offset'], '3')
  assert.is(answer.headers['upload-expires'], undefined)
  const digest = createHash('sha256').update('abc').digest('base64')
  assert.is(answer.headers['repr-digest'], `sha-256=:${digest}:`)
  const download = await send(server.origin, { method: 'GET', path: locationOf(answer) })
  assert.is(download.text, 'abc')
})

test('a chunked body in the POST is stored, with a deferred length too', async () => {
  const body = `${chunk('ab')}${chunk('cde')}${LAST_CHUNK}`
  for (const declared of ['Upload-Length: 9', 'Upload-Defer-Length: 1']) {
    const answer = await exchange(server, 'POST /files', [VERSION, declared, ...bodyHeaders(null)], body)
    assert.is(answer.status, 201)
    assert.is(answer.headers.get('upload-offset'), '5')
    const id = idOf(answer.headers.get('location') ?? '')
    assert.is(readFileSync(fileOf(server, id), 'utf8'), 'abcde')
  }
})

/** Begins a POST of 5,000 bytes with 3,000 of them, and resolves once they have made an upload. */
async function beginCreation(to: TestServer, framing: number | null): Promise<RawConnection> {
  const before = filesIn(to)
  const raw = await RawConnection.open(to.port)
  await raw.head('POST /files', [VERSION, 'Upload-Length: 5000', ...bodyHeaders(framing)])
  await raw.write(framing === null ? chunk('a'.repeat(3000)) : 'a'.repeat(3000))
  await eventually(10_000, 'the new upload', async () =>
    filesIn(to).some((name) => !before.includes(name)) ? true : undefined,
  )
  return raw
}

test('a POST that ends without an answer leaves nothing: its client never learns the address', async () => {
  const before = filesIn(server)
  for (const framing of [5000, null]) {
    for (const by of ['end', 'reset'] as const) {
      const raw = await beginCreation(server, framing)
      if (by === 'end') raw.socket.end()
      else raw.cut()
      await unharmed(server, before)
    }
  }
})

test('of a POST in chunks whose last bytes came but not their end, nothing is finished and nothing stays', async () => {
  const before = filesIn(server)
  const raw = await beginCreation(server, null)
  await raw.write(chunk('b'.repeat(2000)))
  raw.socket.end()
  await unharmed(server, before)
  assert.not.match(server.log(), /"length":5000,"sha256":"/)
})

test('a POST whose sender falls silent, or whose server shuts down, leaves nothing', async () => {
  const strict = await startServer(['--idle-timeout', '500ms'])
  const silent = await beginCreation(strict, 5000)
  await silent.closed()
  await unharmed(strict)
  const running = await beginCreation(strict, 5000)
  const keep = setInterval(() => void running.write('a'), 100)
  try {
    const answer = running.answer()
    const stopped = strict.stop()
    assert.is((await answer).status, 503)
    assert.is(await stopped, 0)
  } finally {
    clearInterval(keep)
  }
  assert.equal(filesIn(strict), [])
})

test('an empty POST may have any content type', async () => {
  const answer = await createWith(10, '', { 'Content-Type': 'application/json' })
  assert.is(answer.status, 201)
  assert.is(await offsetOf(server, locationOf(answer)), 0)
})

test('a POST whose body is longer than its Upload-Length gets 413, and nothing is left', async () => {
  const before = filesIn(server)
  const known = await createWith(3, 'abcd')
  assert.is(known.status, 413)
  for (const length of [4, 1]) {
    const body = `${chunk('ab')}${chunk('cde')}${LAST_CHUNK}`
    const head = [VERSION, `Upload-Length: ${length}`, ...bodyHeaders(null)]
    const answer = await exchange(server, 'POST /files', head, body)
    assert.is(answer.status, 413)
    assert.match(answer.text, /^length_exceeded: /)
  }
  await unharmed(server, before)
})

test('a POST with Upload-Length 0 and a chunked body with bytes gets 413, and nothing is left', async () => {
  const before = filesIn(server)
  const head = [VERSION, 'Upload-Length: 0', ...bodyHeaders(null)]
  const answer = await exchange(server, 'POST /files', head, `${chunk('abc')}${LAST_CHUNK}`)
  assert.is(answer.status, 413)
  await unharmed(server, before)
})

test('a POST whose body is over the maximum size gets 413, and nothing is left', async () => {
  const before = filesIn(server)
  const known = await createWith(null, 'a'.repeat(1_048_577))
  assert.is(known.status, 413)
  const body = `${chunk('a'.repeat(600_000))}${chunk('b'.repeat(600_000))}${LAST_CHUNK}`
  const head = [VERSION, 'Upload-Defer-Length: 1', ...bodyHeaders(null)]
  const chunked = await exchange(server, 'POST /files', head, body)
  assert.is(chunked.status, 413)
  await unharmed(server, before)
})

test('a POST whose bytes are of a refused type gets 415, and nothing is left', async () => {
  const before = filesIn(server)
  for (const [length, body] of [
    [20, '#!/bin/sh\necho hello\n'.slice(0, 20)],
    [5000, `#!/bin/sh\n${'#'.repeat(600)}`],
  ] as const) {
    const answer = await createWith(length, body)
    assert.is(answer.status, 415)
    assert.match(answer.text, /^type_refused: /)
    assert.is(answer.headers.location, undefined)
  }
  await unharmed(server, before)
})

test.run()
