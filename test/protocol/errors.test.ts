import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ERRORS, type ErrorCode } from '../../server/errors.js'
import { copyToOldDay } from '../helpers/old-upload.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import {
  eventually,
  fileOf,
  idOf,
  locationOf,
  send,
  startServer,
  statusOf,
  type TestAnswer,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { exchange, patchHeaders, unknownId, VERSION } from '../helpers/wire.js'

const server = serverFor(test, ['--slots', '1', '--max-size', '1MiB'])
test.before(async () => {
  await eventually(30_000, 'the end of the first sweep', async () => {
    return server.log().includes('the index is up to date') ? true : undefined
  })
})

interface Refusal {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
}

function refusalOf({ status, headers, text }: TestAnswer | RawAnswer): Refusal {
  if (headers instanceof Map) return { status, headers, text }
  return {
    status,
    headers: new Map(Object.entries(headers).map(([name, value]) => [name, `${value}`])),
    text,
  }
}

const SCRIPT_SENTENCE =
  'seen as text/x-shellscript, which is not accepted here: a script with an interpreter line'

/** The whole of what the design asks of an error's answer. */
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

/** Runs `work` on a server with these flags. */
async function on<T>(flags: readonly string[], work: (own: TestServer) => Promise<T>): Promise<T> {
  const own = await startServer(flags)
  try {
    return await work(own)
  } finally {
    await own.stop()
  }
}

/** Begins a PATCH of 1,000 bytes with so many of them, and resolves when it has a slot. */
async function beginPatch(on: TestServer, location: string): Promise<RawConnection> {
  const raw = await RawConnection.open(on.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(600))
  await eventually(30_000, 'the running PATCH', async () => {
    return (await statusOf(on)).slots.taken === 1 ? true : undefined
  })
  return raw
}

/** An error with a test file of its own, which must name it: what leads to it takes long. */
interface Elsewhere {
  readonly testedIn: string
}

/** Every error of the table: what leads to it. One that is new does not compile before it has a test. */
const CAUSES: Readonly<Record<ErrorCode, (() => Promise<TestAnswer | RawAnswer>) | Elsewhere>> = {
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
  token_missing: { testedIn: 'protocol/tokens' },
  token_invalid: { testedIn: 'protocol/tokens' },
  token_expired: { testedIn: 'protocol/tokens' },
  body_invalid: { testedIn: 'protocol/grants' },
  grant_used: { testedIn: 'protocol/grants' },
  auth_unavailable: { testedIn: 'protocol/key-sets' },
  event_streams_full: { testedIn: 'protocol/events' },
  index_unavailable: { testedIn: 'unit/upload-list' },
  admin_key_needed: { testedIn: 'protocol/admin' },
  admin_only: { testedIn: 'protocol/admin' },
  too_many_refusals: { testedIn: 'protocol/admin' },
  metadata_too_large: () => tus.create(server, 3, { 'Upload-Metadata': `a ${'A'.repeat(8192)}` }),
  query_invalid: () => get('/api/deliveries?state=late'),
  delivery_unknown: () => send(server.origin, { method: 'POST', path: '/api/deliveries/msg_1/resend' }),
  upload_unknown: () => tus.patch(server, `/files/${unknownId()}`, 0, 'ab'),
  upload_expired: async () => {
    return tus.patch(server, `/files/${copyToOldDay(server, idOf(await upload(4, 'ab')))}`, 2, 'c')
  },
  offset_conflict: async () => tus.patch(server, await upload(4, 'ab'), 0, 'ab'),
  upload_exists: { testedIn: 'protocol/hooks' },
  access_rejected: { testedIn: 'protocol/hooks-upload' },
  upload_rejected: { testedIn: 'protocol/hooks' },
  upload_stopped: { testedIn: 'protocol/hooks-telling' },
  termination_rejected: { testedIn: 'protocol/hooks-upload' },
  hook_failed: { testedIn: 'protocol/hooks' },
  size_exceeded: () => tus.create(server, 2 ** 30),
  length_exceeded: async () => tus.patch(server, await upload(4), 0, 'abcde'),
  upload_unfinished: async () => get(await upload(4, 'ab')),
  type_refused: async () => tus.patch(server, await upload(10), 0, '#!/bin/sh\n'),
  request_malformed: async () => {
    const raw = await RawConnection.open(server.port)
    await raw.write('nonsense\r\n\r\n')
    return raw.answer()
  },
  expectation_unknown: () => {
    return exchange(server, 'POST /files', [VERSION, 'Upload-Length: 3', 'Expect: nothing'])
  },
  precondition_failed: async () => {
    return send(server.origin, { method: 'GET', path: await upload(2, 'ab'), headers: { 'If-Match': '"x"' } })
  },
  range_unsatisfiable: async () => {
    return send(server.origin, { method: 'GET', path: await upload(2, 'ab'), headers: { Range: 'bytes=2-' } })
  },
  downloads_disabled: { testedIn: 'protocol/downloads-access' },
  headers_too_large: () => exchange(server, 'GET /healthz', [`X-Long: ${'a'.repeat(100 * 1024)}`]),
  upload_locked: async () => {
    const id = copyToOldDay(server, idOf(await upload(4, 'ab')))
    writeFileSync(`${fileOf(server, id)}.json`, '')
    return tus.patch(server, `/files/${id}`, 2, 'c')
  },
  upload_taken_over: async () => {
    const location = await upload(1000)
    const raw = await beginPatch(server, location)
    assert.is((await tus.head(server, location)).headers['upload-offset'], '600')
    return raw.answer()
  },
  slots_full: async () => {
    const raw = await beginPatch(server, await upload(1000))
    const answer = await tus.patch(server, await upload(4), 0, 'ab')
    raw.cut()
    return answer
  },
  owner_slots_full: { testedIn: 'protocol/owner-limits' },
  owner_bytes_used: { testedIn: 'protocol/owner-limits' },
  downloads_full: { testedIn: 'faults/downloads' },
  finals_full: { testedIn: 'unit/open-finals' },
  starting: { testedIn: 'faults/lost-finals' },
  files_exhausted: { testedIn: 'faults/files-exhausted' },
  connections_full: { testedIn: 'faults/connections' },
  unfinished_full: () => {
    return on(['--max-unfinished', '1'], async (own) => {
      await tus.create(own, 4)
      return tus.create(own, 4)
    })
  },
  shutting_down: () => {
    return on([], async (own) => {
      const raw = await beginPatch(own, locationOf(await tus.create(own, 1000)))
      const [answer] = await Promise.all([raw.answer(), own.stop()])
      return answer
    })
  },
  storage_unavailable: { testedIn: 'faults/s3-server' },
  disk_full: () => on(['--min-free', '1024TiB'], (own) => tus.create(own, 4)),
  internal: () => {
    return on([], async (own) => {
      const folder = join(own.dataDir, 'uploads')
      rmSync(folder, { recursive: true })
      writeFileSync(folder, '')
      const answer = await tus.create(own, 4)
      await eventually(30_000, 'the cause in the log', async () => {
        return own.log().includes('ENOTDIR') ? true : undefined
      })
      return answer
    })
  },
}

for (const code of codes()) {
  const cause = CAUSES[code]
  if ('testedIn' in cause) {
    test(`"Errors are one table": ${code} is asserted in ${cause.testedIn}`, () => {
      const url = new URL(`../../../test/${cause.testedIn}.test.ts`, import.meta.url)
      assert.match(readFileSync(url, 'utf8'), new RegExp(`\\b${code}\\b`))
    })
  } else {
    test(`"Errors are one table: code word, status, sentence. A client never sees a path or a stack": ${code}`, async () => {
      const refusal = refusalOf(await cause())
      assertTold(refusal, code)
      if (refusal.status === 503) assert.match(refusal.headers.get('retry-after') ?? '', /^\d+$/)
    })
  }
}

function codes(): ErrorCode[] {
  return Object.keys(CAUSES).filter((code): code is ErrorCode => code in ERRORS)
}

test('"Errors are one table": the answer to a HEAD that fails has the headers of the error and no body', async () => {
  const answer = await tus.head(server, `/files/${unknownId()}`)
  assert.is(answer.status, 404)
  assert.is(answer.text, '')
  assert.match(String(answer.headers['content-type']), /^text\/plain\b/)
})

test('"Errors are one table": request_malformed is told for what is not HTTP', async () => {
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

test('"Errors are one table": request_malformed is told for HTTP/1.1 without Host', async () => {
  const raw = await RawConnection.open(server.port)
  await raw.write('GET /healthz HTTP/1.1\r\n\r\n')
  assertTold(await raw.answer(), 'request_malformed')
  raw.cut()
})

test.run()
