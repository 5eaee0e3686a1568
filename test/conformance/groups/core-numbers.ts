import type { Check } from '../check.js'
import { type Client, lengthHeader, OFFSET_TYPE, VERSION } from '../client.js'
import { expect, expectNumber, expectRefused, expectStatus } from '../expect.js'

const OFFSET = {
  section: 'Core › Upload-Offset',
  level: 'MUST',
  sentence:
    'The Upload-Offset request and response header indicates a byte offset within a resource. The value MUST be a non-negative integer.',
} as const

const LENGTH = {
  section: 'Core › Upload-Length',
  level: 'MUST',
  sentence:
    'The Upload-Length request and response header indicates the size of the entire upload in bytes. The value MUST be a non-negative integer.',
} as const

const MAX_SIZE = {
  section: 'Core › Tus-Max-Size',
  sentence:
    'The Tus-Max-Size response header MUST be a non-negative integer indicating the maximum allowed size of an entire upload in bytes.',
} as const

/** The numbers in headers. Each wrong one is chosen so that a reader who is not strict takes it for a right one. */
export const numbers: readonly Check[] = [
  {
    ...OFFSET,
    title: 'HEAD and PATCH tell it in decimal digits',
    async run(client) {
      const url = await client.create(10)
      expectNumber(await client.head(url), 'Upload-Offset')
      expectNumber(await client.patch(url, 0, 'hello'), 'Upload-Offset')
    },
  },
  {
    ...OFFSET,
    title: 'PATCH refuses 5e0, +5, 5.0, 0x5, 5x and a list',
    run: (client) => refusesOffsets(client, ['5e0', '+5', '5.0', '0x5', '5x', '5, 5', '5;5']),
  },
  {
    ...OFFSET,
    title: 'PATCH refuses a negative one',
    run: (client) => refusesOffsets(client, ['-5', '-1', '-0']),
  },
  {
    ...OFFSET,
    title: 'PATCH refuses one beyond any integer',
    run: (client) =>
      refusesOffsets(client, ['18446744073709551621', '4294967301', '1e+30', 'NaN', 'Infinity']),
  },
  {
    ...OFFSET,
    title: 'PATCH refuses an empty one, and none',
    async run(client) {
      const url = await client.create(10)
      for (const lines of [['Upload-Offset:'], []]) {
        const answer = await client.ask('PATCH', url, [VERSION, OFFSET_TYPE, ...lines], 'hello')
        expectRefused(answer, lines.length === 0 ? 'no Upload-Offset' : 'an empty Upload-Offset')
        await expectOffset(client, url, 0)
      }
    },
  },
  {
    ...OFFSET,
    title: 'PATCH refuses two of them that differ',
    async run(client) {
      // A server may read the first value or the last: in one of the two orders it then takes the wrong one.
      for (const [first, second] of [
        [5, 7],
        [7, 5],
      ]) {
        const url = await client.begin(20, 'hello')
        const lines = [VERSION, OFFSET_TYPE, `Upload-Offset: ${first}`, `Upload-Offset: ${second}`]
        expectRefused(await client.ask('PATCH', url, lines, 'world'), `Upload-Offset: ${first} and ${second}`)
        await expectOffset(client, url, 5)
      }
    },
  },
  {
    ...OFFSET,
    title: 'no offset passes Upload-Length, by Content-Length or by chunks',
    async run(client) {
      for (const framing of [[], ['Transfer-Encoding: chunked']]) {
        const url = await client.create(5)
        const body = framing.length === 0 ? 'hello world' : 'b\r\nhello world\r\n0\r\n\r\n'
        const answer = await client.patch(url, 0, body, framing)
        if (answer.ok) expect(expectNumber(answer, 'Upload-Offset') <= 5, 'an offset of at most 5', answer)
        const after = await client.head(url)
        // A server may also remove such an upload.
        if (after.ok) expect(expectNumber(after, 'Upload-Offset') <= 5, 'an offset of at most 5', after)
      }
    },
  },
  {
    ...LENGTH,
    title: 'HEAD tells it in decimal digits',
    async run(client) {
      const answer = await client.head(await client.create(10))
      expect(expectNumber(answer, 'Upload-Length') === 10, 'Upload-Length: 10', answer)
    },
  },
  {
    ...LENGTH,
    title: 'POST refuses 1e1, +5, 5.0, 0x5, 5x, a list and words',
    run: (client) => refusesLengths(client, ['1e1', '+5', '5.0', '0x5', '5x', '5, 5', 'five', 'NaN']),
  },
  {
    ...LENGTH,
    title: 'POST refuses a negative one',
    run: (client) => refusesLengths(client, ['-5', '-1']),
  },
  {
    ...LENGTH,
    title: 'POST refuses two of them that differ',
    async run(client) {
      await needsCreation(client)
      for (const [first, second] of [
        [5, 7],
        [7, 5],
      ]) {
        const answer = await client.post([`Upload-Length: ${first}`, `Upload-Length: ${second}`])
        expectRefused(answer, `Upload-Length: ${first} and ${second}`)
      }
    },
  },
  {
    ...MAX_SIZE,
    level: 'MUST',
    title: 'OPTIONS tells it in decimal digits where it tells it',
    async run(client) {
      const answer = await client.options()
      if (answer.get('Tus-Max-Size') !== undefined) expectNumber(answer, 'Tus-Max-Size')
    },
  },
  {
    section: MAX_SIZE.section,
    level: 'SHOULD',
    sentence: 'The Server SHOULD set this header if there is a known hard limit.',
    title: 'OPTIONS tells it where a very long upload gets 413',
    async run(client) {
      await needsCreation(client)
      if (client.target.maxSize !== undefined) return
      // None of its bytes is sent.
      const answer = await client.post([`Upload-Length: ${Number.MAX_SAFE_INTEGER}`])
      expect(answer.status !== 413, 'a header Tus-Max-Size in OPTIONS, or no 413', answer)
    },
  },
]

async function refusesOffsets(client: Client, values: readonly string[]): Promise<void> {
  const url = await client.begin(20, 'hello')
  for (const value of values) {
    const lines = [VERSION, OFFSET_TYPE, `Upload-Offset: ${value}`]
    expectRefused(await client.ask('PATCH', url, lines, 'world'), `Upload-Offset: ${value}`)
    await expectOffset(client, url, 5)
  }
}

async function refusesLengths(client: Client, values: readonly string[]): Promise<void> {
  await needsCreation(client)
  for (const value of values) {
    expectRefused(await client.post([`Upload-Length: ${value}`]), `Upload-Length: ${value}`)
  }
}

/** Skips where nothing can be created, and fails where a right creation is refused: then a refusal tells nothing. */
async function needsCreation(client: Client): Promise<void> {
  await client.create(5)
  expectStatus(await client.post([lengthHeader(5)]), 201)
}

async function expectOffset(client: Client, url: URL, offset: number): Promise<void> {
  const answer = await client.head(url)
  expect(answer.get('Upload-Offset') === String(offset), `Upload-Offset: ${offset} as before`, answer)
}
