import type { Answer } from '../answer.js'
import type { Group } from '../check.js'
import { CHUNKED, type Client, chunks, lengthHeader, OFFSET_TYPE, VERSION } from '../client.js'
import { expect, expectAbsent, expectHeader, expectNumber, expectStatus, pause } from '../expect.js'
import { checkBytes } from './evidence.js'

const POST = {
  section: 'Creation With Upload',
} as const

const OFFSET = {
  ...POST,
  level: 'MUST',
} as const

const ACCEPTS = 'The Server SHOULD accept as many bytes as possible'
const INCLUDES = 'and MUST include the Upload-Offset header in the response'
const VALUE = 'and MUST set its value to the offset of the upload after applying the accepted bytes.'

const SIMILAR = {
  ...POST,
  level: 'SHOULD',
  sentence:
    'In this case, similar rules as for the PATCH request and response apply. The Client MUST include the Content-Type: application/offset+octet-stream header. (PATCH: otherwise the server SHOULD return a 415 Unsupported Media Type status.)',
} as const

/** How long a server may think about `Expect: 100-continue`. */
const FEEDBACK_MS = 5_000

/** Creation with bytes in the same request. */
export const creationWithUpload: Group = {
  name: 'creation-with-upload',
  checks: [
    {
      ...OFFSET,
      sentence:
        'Furthermore, this extension depends directly on the Creation extension. Therefore, if the Server does not offer the Creation extension, it MUST NOT offer the Creation With Upload extension either.',
      title: 'creation is offered too',
      async run(client) {
        expect(client.offers('creation'), 'creation in Tus-Extension', client.target.extensions.join(','))
      },
    },
    {
      ...OFFSET,
      sentence: `${ACCEPTS} ${INCLUDES} ${VALUE}`,
      title: 'Upload-Offset is in the 201',
      async run(client) {
        expectNumber(await withBody(client, 10, 'hello'), 'Upload-Offset')
      },
    },
    {
      ...OFFSET,
      sentence: `${INCLUDES} ${VALUE}`,
      title: 'Upload-Offset in the 201 is the one that HEAD tells, and that PATCH goes on from',
      async run(client) {
        const answer = await withBody(client, 10, 'hello')
        const offset = expectNumber(answer, 'Upload-Offset')
        const url = client.locationOf(answer)
        expectHeader(await client.head(url), 'Upload-Offset', String(offset))
        expectStatus(await client.patch(url, offset, 'helloworld'.slice(offset)), 204)
        await checkBytes(client, url, 'helloworld')
      },
    },
    {
      ...OFFSET,
      sentence: `${INCLUDES} ${VALUE}`,
      title: 'bytes beyond Upload-Length are never counted',
      async run(client) {
        await withBody(client, 10, 'hello')
        const answer = await client.post([lengthHeader(5), OFFSET_TYPE], 'hello world')
        expect(answer.ok || answer.refuses, '201 or a 4xx', answer)
        if (!answer.ok) return
        const seen = await client.head(client.locationOf(answer))
        expect(expectNumber(seen, 'Upload-Offset') <= 5, 'an offset of at most 5', seen)
      },
    },
    {
      ...POST,
      level: 'SHOULD',
      sentence: ACCEPTS,
      title: 'a part of the bytes is taken whole',
      async run(client) {
        expectHeader(await withBody(client, 10, 'hello'), 'Upload-Offset', '5')
      },
    },
    {
      ...POST,
      level: 'SHOULD',
      sentence: ACCEPTS,
      title: 'all the bytes are taken, and complete the upload',
      async run(client) {
        const answer = await withBody(client, 5, 'hello')
        expectHeader(answer, 'Upload-Offset', '5')
        await checkBytes(client, client.locationOf(answer), 'hello')
      },
    },
    {
      ...POST,
      level: 'SHOULD',
      sentence: ACCEPTS,
      title: 'a body in chunks is taken whole',
      async run(client) {
        const answer = await client.post(
          [lengthHeader(11), OFFSET_TYPE, CHUNKED],
          chunks(['hello', ' ', 'world']),
        )
        expectStatus(answer, 201)
        expectHeader(answer, 'Upload-Offset', '11')
      },
    },
    {
      ...SIMILAR,
      title: '415 to a body of another Content-Type',
      async run(client) {
        await withBody(client, 10, 'hello')
        const answer = await client.post([lengthHeader(10), 'Content-Type: text/plain'], 'hello')
        expectStatus(answer, 415)
        expectAbsent(answer, 'Location')
      },
    },
    {
      ...SIMILAR,
      title: '415 to a body without a Content-Type',
      async run(client) {
        await withBody(client, 10, 'hello')
        const answer = await client.post([lengthHeader(10)], 'hello')
        expectStatus(answer, 415)
        expectAbsent(answer, 'Location')
      },
    },
    {
      ...POST,
      level: 'SHOULD',
      sentence:
        'In addition, the Client SHOULD include the Expect: 100-continue header in the request to receive early feedback from the Server on whether it will accept the creation request, before attempting to transfer the first chunk.',
      title: 'there is feedback before the body, and 201 behind it',
      run: givesFeedback,
    },
  ],
}

async function withBody(client: Client, length: number, body: string): Promise<Answer> {
  const answer = await client.post([lengthHeader(length), OFFSET_TYPE], body)
  expectStatus(answer, 201)
  return answer
}

async function givesFeedback(client: Client): Promise<void> {
  const { url } = client.target
  const connection = await client.connect()
  const lines = [VERSION, lengthHeader(5), OFFSET_TYPE, 'Content-Length: 5', 'Expect: 100-continue']
  await connection.write(client.written('POST', url, lines))
  const first = await Promise.race([connection.next('POST', 'POST'), pause(FEEDBACK_MS)])
  expect(first !== undefined, '100 before the body', `nothing within ${FEEDBACK_MS / 1_000} s`)
  expect(first?.status === 100, '100 Continue', String(first))
  await connection.write('hello')
  const answer = await connection.answer('POST', 'POST')
  client.keep(answer)
  expectStatus(answer, 201)
  expectHeader(answer, 'Upload-Offset', '5')
}
