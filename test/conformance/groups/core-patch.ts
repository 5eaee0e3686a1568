import { type Check, undecidable } from '../check.js'
import { CHUNKED, type Client, chunks, OFFSET_TYPE, VERSION } from '../client.js'
import { eventually, expect, expectHeader, expectNumber, expectStatus, pause } from '../expect.js'
import { checkBytes, cut } from './evidence.js'

const APPLIES = {
  section: 'Core › PATCH',
  level: 'SHOULD',
  sentence:
    'The Server SHOULD accept PATCH requests against any upload URL and apply the bytes contained in the message at the given offset specified by the Upload-Offset header.',
} as const

const TYPE = {
  section: 'Core › PATCH',
  level: 'SHOULD',
  sentence:
    'All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise the server SHOULD return a 415 Unsupported Media Type status.',
} as const

const CONFLICT = {
  section: 'Core › PATCH',
  level: 'MUST',
  sentence:
    'If the offsets do not match, the Server MUST respond with the 409 Conflict status without modifying the upload resource.',
} as const

const ACKNOWLEDGES = {
  section: 'Core › PATCH',
  level: 'MUST',
  sentence: 'The Server MUST acknowledge successful PATCH requests with the 204 No Content status.',
} as const

const NEW_OFFSET = {
  section: 'Core › PATCH',
  level: 'MUST',
  sentence:
    'It MUST include the Upload-Offset header containing the new offset. The new offset MUST be the sum of the offset before the PATCH request and the number of bytes received and processed or stored during the current PATCH request.',
} as const

const KEEPS = {
  section: 'Core › PATCH',
  level: 'SHOULD',
  sentence: 'The Server SHOULD always attempt to store as much of the received data as possible.',
} as const

const NETWORK = {
  section: 'Core › PATCH',
  level: 'SHOULD',
} as const

/** PATCH. */
export const patch: readonly Check[] = [
  {
    ...APPLIES,
    title: 'bytes of several requests stand one behind the other',
    async run(client) {
      const url = await client.create(11)
      for (const [offset, piece] of [
        [0, 'hello'],
        [5, ' '],
        [6, 'world'],
      ] as const)
        expect((await client.patch(url, offset, piece)).ok, 'an answer of 2xx', `a refusal at ${offset}`)
      expectHeader(await client.head(url), 'Upload-Offset', '11')
      await checkBytes(client, url, 'hello world')
    },
  },
  {
    ...TYPE,
    title: '415 to another Content-Type, and nothing stored',
    run: (client) => refusesTypes(client, ['text/plain', 'application/octet-stream', 'application/offset']),
  },
  {
    ...TYPE,
    title: '415 to no Content-Type, and nothing stored',
    run: (client) => refusesTypes(client, [undefined]),
  },
  {
    ...CONFLICT,
    title: 'an offset that is too large',
    run: (client) => refusesOffset(client, 6),
  },
  {
    ...CONFLICT,
    title: 'an offset that is too small',
    run: (client) => refusesOffset(client, 0),
  },
  {
    ...CONFLICT,
    title: 'an offset that is too small for a completed upload',
    async run(client) {
      const url = await client.begin(5, 'hello')
      expectStatus(await client.patch(url, 0, 'HELLO'), 409)
      expectHeader(await client.head(url), 'Upload-Offset', '5')
      await checkBytes(client, url, 'hello')
    },
  },
  {
    ...ACKNOWLEDGES,
    title: '204 within and at the end of an upload',
    async run(client) {
      const url = await client.create(10)
      expectStatus(await client.patch(url, 0, 'hello'), 204)
      expectStatus(await client.patch(url, 5, 'world'), 204)
    },
  },
  {
    ...NEW_OFFSET,
    title: 'it is told within and at the end of an upload',
    async run(client) {
      const url = await client.create(10)
      expectHeader(await client.patch(url, 0, 'hello'), 'Upload-Offset', '5')
      expectHeader(await client.patch(url, 5, 'world'), 'Upload-Offset', '10')
    },
  },
  {
    ...NEW_OFFSET,
    title: 'a body in chunks counts its bytes and not its frames',
    async run(client) {
      const url = await client.create(20)
      const answer = await client.patch(url, 0, chunks(['hello', ' ', 'world']), [CHUNKED])
      expectHeader(answer, 'Upload-Offset', '11')
      expectHeader(await client.head(url), 'Upload-Offset', '11')
    },
  },
  {
    ...NEW_OFFSET,
    title: 'a body that comes byte by byte counts whole',
    run: sendsSlowly,
  },
  {
    ...NEW_OFFSET,
    title: 'a body of no bytes leaves the offset',
    async run(client) {
      const url = await client.begin(10, 'hello')
      expectHeader(await client.patch(url, 5, ''), 'Upload-Offset', '5')
      expectHeader(await client.head(url), 'Upload-Offset', '5')
    },
  },
  {
    section: 'Core › PATCH',
    level: 'SHOULD',
    sentence:
      'If the server receives a PATCH request against a non-existent resource it SHOULD return a 404 Not Found status.',
    title: '404 for an upload that never was',
    async run(client) {
      const url = client.unknownLike(await client.create(10))
      expectStatus(await client.patch(url, 0, 'hello'), 404)
    },
  },
  {
    ...KEEPS,
    title: 'a body that is cut keeps what arrived',
    run: (client) => keepsWhatArrived(client, ['Content-Length: 4000'], 'a'.repeat(1_000)),
  },
  {
    ...KEEPS,
    title: 'a body in chunks that is cut keeps what arrived',
    run: (client) => keepsWhatArrived(client, [CHUNKED], `3e8\r\n${'a'.repeat(1_000)}\r\n`),
  },
  {
    ...KEEPS,
    title: 'of a body in chunks that runs over Upload-Length, bytes that fit and came before stay',
    run: keepsWhatFits,
  },
  {
    ...NETWORK,
    sentence:
      'Both Client and Server, SHOULD attempt to detect and handle network errors predictably. They MAY do so by checking for read/write socket errors, as well as setting read/write timeouts.',
    title: 'after a cut an upload is resumed where HEAD says, and completed',
    run: resumes,
  },
  undecidable(
    {
      ...NETWORK,
      sentence: 'A timeout SHOULD be handled by closing the underlying connection.',
      title: 'a connection on which nothing comes is closed',
    },
    'a time-out is longer than a check may last',
  ),
]

async function refusesTypes(client: Client, types: readonly (string | undefined)[]): Promise<void> {
  const url = await client.create(10)
  for (const type of types) {
    const line = type === undefined ? [] : [`Content-Type: ${type}`]
    const answer = await client.ask('PATCH', url, [VERSION, ...line, 'Upload-Offset: 0'], 'hello')
    expect(answer.status === 415, `415 to ${line[0] ?? 'no Content-Type'}`, answer)
    expectHeader(await client.head(url), 'Upload-Offset', '0')
  }
}

async function refusesOffset(client: Client, offset: number): Promise<void> {
  const url = await client.begin(20, 'hello')
  const answer = await client.patch(url, offset, 'HELLO')
  expectStatus(answer, 409)
  expectHeader(await client.head(url), 'Upload-Offset', '5')
  expectStatus(await client.patch(url, 5, ' world, again..'), 204)
  await checkBytes(client, url, 'hello world, again..')
}

async function sendsSlowly(client: Client): Promise<void> {
  const url = await client.create(10)
  const connection = await client.connect(url)
  const lines = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', 'Content-Length: 10']
  await connection.write(client.written('PATCH', url, lines))
  for (const character of 'helloworld') {
    await connection.write(character)
    await pause(5)
  }
  expectHeader(await connection.answer('PATCH', `PATCH ${url.pathname}`), 'Upload-Offset', '10')
  expectHeader(await client.head(url), 'Upload-Offset', '10')
}

async function keepsWhatArrived(client: Client, framing: readonly string[], body: string): Promise<void> {
  const url = await client.create(4_000)
  await cut(client, url, framing, body)
  let seen = await client.head(url)
  await eventually(6_000, async () => {
    seen = await client.head(url)
    return seen.get('Upload-Offset') === '1000' ? true : undefined
  })
  expectHeader(seen, 'Upload-Offset', '1000')
}

async function keepsWhatFits(client: Client): Promise<void> {
  const url = await client.create(10_240)
  const connection = await client.connect(url)
  const lines = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', CHUNKED]
  const piece = `1000\r\n${'a'.repeat(4_096)}\r\n`
  await connection.write(`${client.written('PATCH', url, lines)}${piece}${piece}`)
  await pause(500)
  await connection.write(`${piece}0\r\n\r\n`)
  let seen = await client.head(url)
  await eventually(6_000, async () => {
    seen = await client.head(url)
    return seen.get('Upload-Offset') === undefined ? undefined : true
  })
  const offset = expectNumber(seen, 'Upload-Offset')
  expect(offset >= 8_192 && offset <= 10_240, 'an offset from 8192 to 10240', seen)
}

async function resumes(client: Client): Promise<void> {
  const url = await client.create(4_000)
  await cut(client, url, ['Content-Length: 4000'], 'a'.repeat(1_000))
  // While the server still waits for the rest it may refuse, so that a client tries again.
  const done = await eventually(7_000, async () => {
    const seen = await client.head(url)
    const offset = Number(seen.get('Upload-Offset'))
    if (!seen.ok || offset > 1_000) return undefined
    const answer = await client.patch(url, offset, 'a'.repeat(4_000 - offset))
    return answer.status === 204 ? answer : undefined
  })
  expect(done !== undefined, 'a PATCH from the offset of HEAD to be accepted within 7 s', 'only refusals')
  expectHeader(await client.head(url), 'Upload-Offset', '4000')
  await checkBytes(client, url, 'a'.repeat(4_000))
}
