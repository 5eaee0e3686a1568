import { type Check, type Group, Skip } from '../check.js'
import { type Client, OFFSET_TYPE, VERSION } from '../client.js'
import { expect, expectAbsent, expectHeader, expectNumber, expectRefused, expectStatus } from '../expect.js'

const OMITTED = {
  section: 'Creation › Upload-Defer-Length',
  level: 'MUST',
  sentence: 'If the length of an upload is not deferred, this header MUST be omitted.',
} as const

const OTHER_VALUE = {
  section: 'Creation › POST',
  level: 'SHOULD',
  sentence:
    'If the Upload-Defer-Length header contains any other value than 1 the server should return a 400 Bad Request status.',
} as const

const STILL_UNKNOWN = {
  section: 'Creation › POST',
  level: 'MUST',
  sentence:
    'As long as the length of the upload is not known, the Server MUST set Upload-Defer-Length: 1 in all responses to HEAD requests.',
} as const

const NEXT_PATCH = {
  section: 'Creation › POST',
  level: 'MUST',
  sentence:
    'If the length was deferred using Upload-Defer-Length: 1, the Client MUST set the Upload-Length header in the next PATCH request, once the length is known.',
} as const

const UNCHANGED = {
  section: 'Creation › POST',
  level: 'MUST',
  sentence: 'Once set the length MUST NOT be changed.',
} as const

const notDeferred: readonly Check[] = [
  {
    section: 'Creation › Upload-Defer-Length',
    level: 'MUST',
    sentence: 'Its value MUST be 1.',
    title: 'an upload is created with 1, and with no other value',
    async run(client) {
      await client.create(null)
      for (const value of ['0', '2', '-1', '01', '1.0', 'true', '1, 1'])
        expectRefused(await client.post([`Upload-Defer-Length: ${value}`]), `Upload-Defer-Length: ${value}`)
    },
  },
  {
    // The word is in small letters there; it is counted as the SHOULD that it is.
    ...OTHER_VALUE,
    title: '400 to 0, 2 and true',
    async run(client) {
      for (const value of ['0', '2', 'true']) {
        const answer = await client.post([`Upload-Defer-Length: ${value}`])
        expect(answer.status === 400, `400 to Upload-Defer-Length: ${value}`, answer)
      }
    },
  },
  {
    ...OMITTED,
    title: 'POST with it and Upload-Length is refused',
    async run(client) {
      await client.create(null)
      const answer = await client.post(['Upload-Length: 10', 'Upload-Defer-Length: 1'])
      expectRefused(answer, 'a length that is there and deferred')
    },
  },
  {
    ...OMITTED,
    title: 'HEAD has none where the length came with the creation',
    async run(client) {
      expectAbsent(await client.head(await client.create(10)), 'Upload-Defer-Length')
    },
  },
  {
    ...OMITTED,
    title: 'HEAD has none once the length has come',
    async run(client) {
      const url = await client.create(null)
      expect((await client.patch(url, 0, 'hello', ['Upload-Length: 10'])).ok, 'an answer of 2xx', 'a refusal')
      expectAbsent(await client.head(url), 'Upload-Defer-Length')
    },
  },
]

const deferred: readonly Check[] = [
  {
    ...STILL_UNKNOWN,
    title: 'after the creation, without an Upload-Length',
    async run(client) {
      const answer = await client.head(await client.create(null))
      expectHeader(answer, 'Upload-Defer-Length', '1')
      expectAbsent(answer, 'Upload-Length')
    },
  },
  {
    ...STILL_UNKNOWN,
    title: 'after bytes, which are taken before the length',
    async run(client) {
      const answer = await client.head(await client.begin(null, 'hello'))
      expectHeader(answer, 'Upload-Offset', '5')
      expectHeader(answer, 'Upload-Defer-Length', '1')
    },
  },
  {
    ...NEXT_PATCH,
    title: 'the length comes with bytes, and HEAD tells it',
    async run(client) {
      const url = await client.begin(null, 'hello')
      expectStatus(await client.patch(url, 5, 'wor', ['Upload-Length: 10']), 204)
      expectHeader(await client.head(url), 'Upload-Length', '10')
      expectStatus(await client.patch(url, 8, 'ld'), 204)
      expectHeader(await client.head(url), 'Upload-Offset', '10')
    },
  },
  {
    ...NEXT_PATCH,
    title: 'the length comes behind the last byte',
    async run(client) {
      const url = await client.begin(null, 'hello')
      expectStatus(await client.patch(url, 5, '', ['Upload-Length: 5']), 204)
      const answer = await client.head(url)
      expectHeader(answer, 'Upload-Length', '5')
      expectHeader(answer, 'Upload-Offset', '5')
    },
  },
  {
    ...NEXT_PATCH,
    title: 'a PATCH that is refused sets no length',
    async run(client) {
      const url = await client.begin(null, 'hello')
      const lines = [VERSION, 'Content-Type: text/plain', 'Upload-Offset: 5', 'Upload-Length: 10']
      const answers = [
        await client.patch(url, 3, 'hello', ['Upload-Length: 10']),
        await client.ask('PATCH', url, lines, 'hello'),
        await client.ask('PATCH', url, [VERSION, OFFSET_TYPE, 'Upload-Length: 10'], 'hello'),
      ]
      for (const answer of answers) expect(!answer.ok, 'a refusal', answer)
      expectAbsent(await client.head(url), 'Upload-Length')
    },
  },
  {
    ...NEXT_PATCH,
    title: 'a length that is no number is not set',
    async run(client) {
      const url = await client.begin(null, 'hello')
      for (const value of ['1e1', '+10', '-10', '0x10', '10, 20'])
        expectRefused(
          await client.patch(url, 5, 'world', [`Upload-Length: ${value}`]),
          `Upload-Length: ${value}`,
        )
      expectAbsent(await client.head(url), 'Upload-Length')
    },
  },
  {
    ...NEXT_PATCH,
    title: 'a length below the offset is not set',
    async run(client) {
      const url = await client.begin(null, 'hello')
      expectRefused(await client.patch(url, 5, '', ['Upload-Length: 4']), 'a length of 4 behind 5 bytes')
      expectAbsent(await client.head(url), 'Upload-Length')
    },
  },
  {
    ...UNCHANGED,
    title: 'another length in a later PATCH does not count',
    run: async (client) => keepsLength(client, await client.begin(null, 'hello'), ['Upload-Length: 10']),
  },
  {
    ...UNCHANGED,
    title: 'a length in a PATCH does not count where the creation had one',
    run: async (client) => keepsLength(client, await client.begin(10, 'hello'), []),
  },
  {
    section: 'Creation › POST',
    level: 'MUST',
    sentence:
      'If the length of the upload exceeds the maximum, which MAY be specified using the Tus-Max-Size header, the Server MUST respond with the 413 Request Entity Too Large status.',
    title: '413 to a PATCH whose length is one byte above Tus-Max-Size',
    async run(client) {
      const { maxSize } = client.target
      if (maxSize === undefined) throw new Skip('the server tells no Tus-Max-Size')
      const url = await client.create(null)
      expectStatus(await client.patch(url, 0, 'hello', [`Upload-Length: ${maxSize + 1n}`]), 413)
      expectAbsent(await client.head(url), 'Upload-Length')
    },
  },
]

/** Creation with the length to come later. */
export const creationDeferLength: Group = {
  name: 'creation-defer-length',
  checks: [...notDeferred, ...deferred],
}

/** Sends one more byte with `first`, then others with another length: refused or not, 10 stays. */
async function keepsLength(client: Client, url: URL, first: readonly string[]): Promise<void> {
  expectStatus(await client.patch(url, 5, 'w', first), 204)
  expectHeader(await client.head(url), 'Upload-Length', '10')
  for (const length of [20, 7]) {
    const offset = expectNumber(await client.head(url), 'Upload-Offset')
    await client.patch(url, offset, 'o', [`Upload-Length: ${length}`])
    expectHeader(await client.head(url), 'Upload-Length', '10')
  }
}
