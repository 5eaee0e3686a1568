import type { Answer } from '../answer.js'
import type { Check } from '../check.js'
import { Skip } from '../check.js'
import { type Client, lengthHeader, OFFSET_TYPE, VERSION } from '../client.js'
import { expect, expectHeader, expectList, expectPresent, expectRefused, expectStatus } from '../expect.js'

const LIST = {
  section: 'Core › Tus-Version',
  level: 'MUST',
} as const

const RESUMABLE = {
  section: 'Core › Tus-Resumable',
  level: 'MUST',
  sentence:
    'The Tus-Resumable header MUST be included in every request and response except for OPTIONS requests. The value MUST be the version of the protocol used by the Client or the Server.',
} as const

const UNSUPPORTED = {
  section: 'Core › Tus-Resumable',
  level: 'MUST',
  sentence:
    'If the version specified by the Client is not supported by the Server, it MUST respond with the 412 Precondition Failed status and MUST include the Tus-Version header into the response.',
} as const

const UNPROCESSED = {
  section: 'Core › Tus-Resumable',
  level: 'MUST',
  sentence: 'In addition, the Server MUST NOT process the request.',
} as const

/** No server has it. */
const OTHER_VERSION = 'Tus-Resumable: 99.0.0'

/** The versions, in both directions. */
export const version: readonly Check[] = [
  {
    ...LIST,
    sentence:
      'The Tus-Version response header MUST be a comma-separated list of protocol versions supported by the Server.',
    title: 'OPTIONS tells a list that has 1.0.0',
    async run(client) {
      const answer = await client.options()
      expect(expectList(answer, 'Tus-Version').includes('1.0.0'), '1.0.0 in Tus-Version', answer)
    },
  },
  {
    ...LIST,
    sentence: "The list MUST be sorted by Server's preference where the first one is the most preferred one.",
    title: 'a list of one version is sorted',
    async run(client) {
      const versions = expectList(await client.options(), 'Tus-Version')
      if (versions.length > 1)
        throw new Skip('what a server prefers of several versions is not seen from outside')
    },
  },
  {
    ...RESUMABLE,
    title: 'it is in the answers to POST, HEAD and PATCH that succeed',
    async run(client) {
      const url = await client.create(10)
      const created = await client.post([lengthHeader(10)])
      for (const answer of [created, await client.head(url), await client.patch(url, 0, 'hello')]) {
        expect(answer.ok, 'an answer of 2xx', answer)
        expectHeader(answer, 'Tus-Resumable', '1.0.0')
      }
    },
  },
  {
    ...RESUMABLE,
    title: 'it is in the answers that refuse',
    async run(client) {
      const url = await client.create(10)
      const answers = [
        await client.patch(url, 3, 'hello'),
        await client.ask('PATCH', url, [VERSION, 'Content-Type: text/plain', 'Upload-Offset: 0'], 'hello'),
        await client.ask('PATCH', url, [VERSION, OFFSET_TYPE], 'hello'),
        await client.post([]),
        await client.head(client.unknownLike(url)),
        await client.patch(client.unknownLike(url), 0, 'hello'),
      ]
      for (const answer of answers) {
        expect(!answer.ok, 'a refusal', answer)
        expectHeader(answer, 'Tus-Resumable', '1.0.0')
      }
    },
  },
  {
    ...RESUMABLE,
    title: 'it is in the answer to a version that is not supported',
    async run(client) {
      for (const answer of await withHeader(client, await client.create(10), [OTHER_VERSION]))
        expectPresent(answer, 'Tus-Resumable')
    },
  },
  {
    ...RESUMABLE,
    title: 'a request without it that would change something is refused, and not processed',
    async run(client) {
      const url = await client.create(10)
      // HEAD is left out: it changes nothing, clients in use send it without the header, and the sentence binds clients.
      const answers = [
        await client.ask('POST', client.target.url, [lengthHeader(10)]),
        await client.ask('PATCH', url, [OFFSET_TYPE, 'Upload-Offset: 0'], 'hello'),
      ]
      for (const answer of answers) {
        expectRefused(answer, 'no Tus-Resumable')
        expect(answer.get('Location') === undefined, 'no upload created', answer)
      }
      await expectUntouched(client, url)
    },
  },
  {
    ...UNSUPPORTED,
    title: '412 to POST, HEAD and PATCH under another version',
    async run(client) {
      for (const answer of await withHeader(client, await client.create(10), [OTHER_VERSION]))
        expectStatus(answer, 412)
    },
  },
  {
    ...UNSUPPORTED,
    title: 'Tus-Version is in the answer to POST, HEAD and PATCH under another version',
    async run(client) {
      for (const answer of await withHeader(client, await client.create(10), [OTHER_VERSION])) {
        expectRefused(answer, 'another version')
        expectPresent(answer, 'Tus-Version')
      }
    },
  },
  {
    ...RESUMABLE,
    title: 'it is in the answer to OPTIONS',
    async run(client) {
      const url = await client.create(10)
      for (const each of [client.target.url, url])
        expectHeader(await client.ask('OPTIONS', each, []), 'Tus-Resumable', '1.0.0')
    },
  },
  {
    ...UNSUPPORTED,
    title: '412 with Tus-Version where there is no upload',
    async run(client) {
      const unknown = client.unknownLike(await client.create(10))
      for (const answer of [
        await client.ask('HEAD', unknown, [OTHER_VERSION]),
        await client.ask('PATCH', unknown, [OTHER_VERSION, OFFSET_TYPE, 'Upload-Offset: 0'], 'hello'),
        await client.ask('POST', unknown, [OTHER_VERSION, lengthHeader(10)]),
      ]) {
        expectStatus(answer, 412)
        expectPresent(answer, 'Tus-Version')
      }
    },
  },
  {
    ...UNSUPPORTED,
    title: '412 with Tus-Version to versions that only look like 1.0.0',
    async run(client) {
      const url = await client.create(10)
      for (const value of ['1.0', '1', '1.0.0.0', '1.0.01', 'v1.0.0', '0.2.2'])
        await refusesUnlessSupported(client, url, value)
    },
  },
  {
    ...UNPROCESSED,
    title: 'PATCH under another version changes nothing',
    async run(client) {
      const url = await client.create(10)
      await client.ask('PATCH', url, [OTHER_VERSION, OFFSET_TYPE, 'Upload-Offset: 0'], 'hello')
      await expectUntouched(client, url)
    },
  },
  {
    ...UNPROCESSED,
    title: 'POST under another version creates nothing',
    async run(client) {
      await client.create(10)
      const answer = await client.ask('POST', client.target.url, [OTHER_VERSION, lengthHeader(10)])
      expect(answer.status !== 201 && answer.get('Location') === undefined, 'no upload created', answer)
    },
  },
  {
    ...UNPROCESSED,
    title: 'DELETE under another version removes nothing',
    async run(client) {
      const url = await client.create(10)
      await client.ask('DELETE', url, [OTHER_VERSION])
      await expectUntouched(client, url)
    },
  },
]

/** A POST, a HEAD and a PATCH, right in all but the version. */
async function withHeader(client: Client, url: URL, lines: readonly string[]): Promise<readonly Answer[]> {
  return [
    await client.ask('POST', client.target.url, [...lines, lengthHeader(10)]),
    await client.ask('HEAD', url, lines),
    await client.ask('PATCH', url, [...lines, OFFSET_TYPE, 'Upload-Offset: 0'], 'hello'),
  ]
}

async function refusesUnlessSupported(client: Client, url: URL, value: string): Promise<void> {
  if (expectList(await client.options(), 'Tus-Version').includes(value)) return
  const answer = await client.ask('HEAD', url, [`Tus-Resumable: ${value}`])
  expect(answer.status === 412, `412 to Tus-Resumable: ${value}`, answer)
  expectPresent(answer, 'Tus-Version')
}

async function expectUntouched(client: Client, url: URL): Promise<void> {
  const answer = await client.head(url)
  expect(
    answer.ok && answer.get('Upload-Offset') === '0',
    'the upload as it was, with Upload-Offset: 0',
    answer,
  )
}
