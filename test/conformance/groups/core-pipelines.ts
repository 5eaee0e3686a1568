import { type Check, Skip } from '../check.js'
import { type Client, OFFSET_TYPE, VERSION } from '../client.js'
import { expectHeader } from '../expect.js'

/** Requests that are sent before the answers to those before them. */
export const pipelines: readonly Check[] = [
  {
    section: 'Core › PATCH',
    level: 'MUST',
    sentence:
      'It MUST include the Upload-Offset header containing the new offset. The new offset MUST be the sum of the offset before the PATCH request and the number of bytes received and processed or stored during the current PATCH request.',
    title: 'pipelined requests for two uploads each get their own, in order',
    run: pipelinesTwo,
  },
  {
    section: 'Core › PATCH',
    level: 'SHOULD',
    sentence:
      'The Server SHOULD accept PATCH requests against any upload URL and apply the bytes contained in the message at the given offset specified by the Upload-Offset header.',
    title: 'pipelined requests for one upload are applied one behind the other',
    run: pipelinesOne,
  },
]

async function pipelinesTwo(client: Client): Promise<void> {
  const [first, second] = [await client.create(20), await client.create(20)]
  await pipelined(client, [
    { url: first, body: 'hello', offsets: [0, 5] },
    { url: second, body: 'hello world', offsets: [0, 11] },
  ])
  expectHeader(await client.head(first), 'Upload-Offset', '5')
  expectHeader(await client.head(second), 'Upload-Offset', '11')
}

async function pipelinesOne(client: Client): Promise<void> {
  const url = await client.create(10)
  // Only requests with safe methods may be handled at the same time (RFC 9112 section 9.3.2).
  await pipelined(client, [
    { url, body: 'hello', offsets: [0, 5] },
    { url, body: 'world', offsets: [5, 10] },
  ])
  expectHeader(await client.head(url), 'Upload-Offset', '10')
}

interface Pipelined {
  readonly url: URL
  readonly body: string
  /** Before and after it. */
  readonly offsets: readonly [number, number]
}

async function pipelined(client: Client, requests: readonly Pipelined[]): Promise<void> {
  const connection = await client.connect()
  const texts = requests.map(({ url, body, offsets: [before] }) => {
    const lines = [VERSION, OFFSET_TYPE, `Upload-Offset: ${before}`, `Content-Length: ${body.length}`]
    return client.written('PATCH', url, lines) + body
  })
  await connection.write(texts.join(''))
  for (const [at, { offsets }] of requests.entries()) {
    const answer = await connection.answer('PATCH', `PATCH ${at + 1} of ${requests.length} in one write`)
    expectHeader(answer, 'Upload-Offset', String(offsets[1]))
    // A server may end any connection behind an answer; what it did not answer a client sends again.
    if (/\bclose\b/i.test(answer.get('Connection') ?? ''))
      throw new Skip('the server closes behind an answer')
  }
}
