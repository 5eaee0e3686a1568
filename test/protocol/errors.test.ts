import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ERRORS, type ErrorCode } from '../../server/errors.js'
import { copyToOldDay } from '../helpers/old-upload.js'
import { RawConnection } from '../helpers/raw.js'
import {
  eventually,
  idOf,
  locationOf,
  send,
  startServer,
  statusOf,
  type TestAnswer,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { exchange, patchHeaders, unknownId, VERSION } from '../helpers/wire.js'

let server: TestServer

test.before(async () => {
  server = await startServer(['--slots', '1', '--max-size', '1MiB'])
  await eventually(30_000, 'the end of the first sweep', async () => {
    return server.log().includes('the index is up to date') ? true : undefined
  })
})
test.after(async () => void (await server.stop()))

interface Refusal {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
}

function refusalOf({ status, headers, text }: TestAnswer): Refusal {
  return {
    status,
    headers: new Map(Object.entries(headers).map(([name, value]) => [name, `${value}`])),
    text,
  }
}

const SCRIPT_SENTENCE =
  'seen as text/x-shellscript, which is not accepted here: a script with an interpreter line'

/** The whole of what line 36 asks of an error's answer. */
function assertTold({ status, headers, text }: Refusal, code: ErrorCode): void {
  // A refused type says which one was seen.
  const sentence = code === 'type_refused' ? SCRIPT_SENTENCE : ERRORS[code].text
  assert.is(text, `${code}: ${sentence}\n`)
  assert.is(status, ERRORS[code].status)
  assert.is(headers.get('content-length'), String(Buffer.byteLength(text)))
  assert.match(headers.get('content-type') ?? '', /^text\/plain\b/)
  assert.not.match(text, /data\/|uploads\/|node_modules|\.js\b|\n.*\n/)
}

const upload = async (length: number | null, body = ''): Promise<string> => {
  const location = locationOf(await tus.create(server, length))
  if (body !== '') await tus.patch(server, location, 0, body)
  return location
}

const HEADERS = { 'Tus-Resumable': '1.0.0' }
const get = (path: string) => send(server.origin, { method: 'GET', path })

const CAUSES: Partial<Record<ErrorCode, () => Promise<TestAnswer>>> = {
  version_unsupported: () => tus.create(server, 3, { 'Tus-Resumable': '0.2.2' }),
  not_found: () => get('/nothing/here'),
  method_not_allowed: () => send(server.origin, { method: 'PUT', path: '/files', headers: HEADERS }),
  header_invalid: () => tus.create(server, 3, { 'Upload-Length': '1e3' }),
  offset_missing: async () => {
    const headers = { ...HEADERS, 'Content-Type': 'application/offset+octet-stream' }
    return send(server.origin, { method: 'PATCH', path: await upload(4), headers })
  },
  content_type_wrong: async () => {
    return tus.patch(server, await upload(4), 0, 'ab', { 'Content-Type': 'text/plain' })
  },
  length_needed: () => send(server.origin, { method: 'POST', path: '/files', headers: HEADERS }),
  length_conflict: async () => tus.patch(server, await upload(4), 0, '', { 'Upload-Length': '5' }),
  checksum_invalid: async () => {
    return tus.patch(server, await upload(4), 0, 'ab', { 'Upload-Checksum': 'crc99 AAAA' })
  },
  checksum_mismatch: async () => {
    return tus.patch(server, await upload(4), 0, 'ab', { 'Upload-Checksum': 'crc32 AAAAAA==' })
  },
  concat_invalid: () => tus.create(server, 3, { 'Upload-Concat': 'parts' }),
  part_unknown: () => tus.join(server, [`/files/${unknownId()}`]),
  final_unpatchable: async () => {
    const part = locationOf(await tus.create(server, 0, { 'Upload-Concat': 'partial' }))
    return tus.patch(server, locationOf(await tus.join(server, [part])), 0, '')
  },
  metadata_too_large: () => tus.create(server, 3, { 'Upload-Metadata': `a ${'A'.repeat(8192)}` }),
  upload_unknown: () => tus.patch(server, `/files/${unknownId()}`, 0, 'ab'),
  upload_expired: async () => {
    return tus.patch(server, `/files/${copyToOldDay(server, idOf(await upload(4, 'ab')))}`, 2, 'c')
  },
  offset_conflict: async () => tus.patch(server, await upload(4, 'ab'), 0, 'ab'),
  size_exceeded: () => tus.create(server, 2 ** 30),
  length_exceeded: async () => tus.patch(server, await upload(4), 0, 'abcde'),
  upload_unfinished: async () => get(await upload(4, 'ab')),
  type_refused: async () => tus.patch(server, await upload(10), 0, '#!/bin/sh\n'),
}

for (const [code, cause] of Object.entries(CAUSES)) {
  test(`line 36: ${code} is told as a short plain text with Content-Length, and no path or stack`, async () => {
    const known = Object.keys(ERRORS).find((each): each is ErrorCode => each === code)
    if (known === undefined) throw new Error(`${code} is not in the table`)
    assertTold(refusalOf(await cause()), known)
  })
}

test('line 36: the answer to a HEAD that fails has the headers of the error and no body', async () => {
  const answer = await tus.head(server, `/files/${unknownId()}`)
  assert.is(answer.status, 404)
  assert.is(answer.text, '')
  assert.match(String(answer.headers['content-type']), /^text\/plain\b/)
})

test('line 36: slots_full and upload_taken_over are told in plain text, slots_full with Retry-After', async () => {
  const [first, second] = [await upload(1000), await upload(4)]
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(first).pathname}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(600))
  await eventually(10_000, 'the running PATCH', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  const full = refusalOf(await tus.patch(server, second, 0, 'ab'))
  assertTold(full, 'slots_full')
  assert.match(full.headers.get('retry-after') ?? '', /^\d+$/)
  assert.is((await tus.head(server, first)).headers['upload-offset'], '600')
  assertTold(await raw.answer(), 'upload_taken_over')
  raw.cut()
})

test('line 36: request_malformed is told for what is not HTTP', async () => {
  for (const text of [
    'nonsense\r\n\r\n',
    'GET /files HTTP/9.9\r\nHost: a\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n',
    'POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  ]) {
    const raw = await RawConnection.open(server.port)
    await raw.write(text)
    assertTold(await raw.answer(), 'request_malformed')
    await raw.closed()
  }
})

test('line 36: headers_too_large is told for headers of 100 KiB', async () => {
  const answer = await exchange(server, 'GET /healthz', [`X-Long: ${'a'.repeat(100 * 1024)}`])
  assertTold(answer, 'headers_too_large')
})

test('line 36: request_malformed is told for HTTP/1.1 without Host', async () => {
  const raw = await RawConnection.open(server.port)
  await raw.write('GET /healthz HTTP/1.1\r\n\r\n')
  assertTold(await raw.answer(), 'request_malformed')
  raw.cut()
})

test('line 36: an Expect that is not 100-continue gets an error in plain text', async () => {
  const answer = await exchange(server, 'POST /files', [VERSION, 'Upload-Length: 3', 'Expect: nothing'])
  assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status))
  assert.match(answer.text, /^[a-z_]+: .+\n$/)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain\b/)
})

test('line 36: disk_full is told in plain text', async () => {
  const full = await startServer(['--min-free', '1024TiB'])
  try {
    assertTold(refusalOf(await tus.create(full, 4)), 'disk_full')
  } finally {
    await full.stop()
  }
})

test('line 36: internal is told for what goes wrong inside, and the log alone has the cause', async () => {
  const broken = await startServer()
  try {
    const folder = join(broken.dataDir, 'uploads')
    rmSync(folder, { recursive: true })
    writeFileSync(folder, '')
    assertTold(refusalOf(await tus.create(broken, 4)), 'internal')
    await eventually(10_000, 'the cause in the log', async () => {
      return broken.log().includes('ENOTDIR') ? true : undefined
    })
  } finally {
    await broken.stop()
  }
})

test('line 36: shutting_down is told to a PATCH that runs when the server is asked to end', async () => {
  const ending = await startServer()
  const location = locationOf(await tus.create(ending, 1000))
  const raw = await RawConnection.open(ending.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(600))
  await eventually(10_000, 'the running PATCH', async () => {
    return (await statusOf(ending)).slots.taken === 1 ? true : undefined
  })
  const [answer, code] = await Promise.all([raw.answer(), ending.stop()])
  assertTold(answer, 'shutting_down')
  assert.is(code, 0)
})

test.run()
