import type { Group } from '../check.js'
import { CHUNKED, type Client, chunks } from '../client.js'
import { expect, expectHeader, expectList, expectPresent, expectStatus } from '../expect.js'
import {
  algorithmsOf,
  checksumLine,
  checksumLines,
  DISCARDED,
  expectDiscarded,
  half,
  STATUS,
  VERIFIES,
} from './checksums.js'
import { checkBytes } from './evidence.js'

/** No checksum, no Base64, half a checksum, no space, and no name. */
const MALFORMED = [
  'sha1',
  'sha1 *not base64*',
  'sha1 fvm+',
  'sha1:fvmlOVMsr2rxLXEe6Z7F2jsx2qE=',
  'fvmlOVMsr2rxLXEe6Z7F2jsx2qE=',
]

/** Checksums. The statuses are a MAY there; a client can tell its fault only by them, so they count as a SHOULD here. */
export const checksum: Group = {
  name: 'checksum',
  checks: [
    {
      section: 'Checksum',
      level: 'MUST',
      sentence: 'The Server MUST support at least the SHA1 checksum algorithm identified by sha1.',
      title: 'sha1 is listed, and a right one is accepted',
      async run(client) {
        const answer = await client.options()
        expect(expectList(answer, 'Tus-Checksum-Algorithm').includes('sha1'), 'sha1 in the list', answer)
        expectStatus(await client.patch(await half(client), 5, 'world', [checksumLine('sha1', 'world')]), 204)
      },
    },
    {
      section: 'Checksum',
      level: 'MUST',
      sentence:
        'The names of the checksum algorithms MUST only consist of ASCII characters with the modification that uppercase characters are excluded.',
      title: 'the names in Tus-Checksum-Algorithm have no capitals, and nothing beyond ASCII',
      async run(client) {
        const answer = await client.options()
        const names = expectList(answer, 'Tus-Checksum-Algorithm')
        const right = names.every((name) => /^[\x21-\x7e]+$/.test(name) && name === name.toLowerCase())
        expect(right, 'names in lower-case ASCII', answer)
      },
    },
    {
      section: 'Checksum',
      level: 'MUST',
      sentence: 'The Tus-Checksum-Algorithm header MUST be included in the response to an OPTIONS request.',
      title: 'OPTIONS has it',
      async run(client) {
        expectPresent(await client.options(), 'Tus-Checksum-Algorithm')
      },
    },
    {
      section: 'Checksum › Tus-Checksum-Algorithm',
      level: 'MUST',
      sentence:
        'The Tus-Checksum-Algorithm response header MUST be a comma-separated list of the checksum algorithms supported by the server.',
      title: 'it is a list, and each algorithm on it that can be computed here works',
      async run(client) {
        expectList(await client.options(), 'Tus-Checksum-Algorithm')
        for (const algorithm of algorithmsOf(client)) await acceptsRight(client, algorithm)
      },
    },
    {
      ...VERIFIES,
      title: 'a wrong checksum is refused, by each algorithm listed',
      async run(client) {
        for (const algorithm of algorithmsOf(client)) {
          const answer = await client.patch(await half(client), 5, 'world', [
            checksumLine(algorithm, 'other'),
          ])
          expect(answer.refuses, `a 4xx to a wrong ${algorithm}`, answer)
        }
      },
    },
    {
      ...VERIFIES,
      title: 'the checksum is that of the request, and not of the upload',
      async run(client) {
        const answer = await client.patch(await half(client), 5, 'world', [
          checksumLine('sha1', 'helloworld'),
        ])
        expect(answer.refuses, 'a 4xx to the checksum of the whole upload', answer)
      },
    },
    {
      ...VERIFIES,
      title: 'a body in chunks is verified too',
      async run(client) {
        const body = chunks(['wor', 'ld'])
        const url = await half(client)
        const wrong = await client.patch(url, 5, body, [CHUNKED, checksumLine('sha1', 'other')])
        expect(wrong.refuses, 'a 4xx to a wrong checksum', wrong)
        expectStatus(await client.patch(url, 5, body, [CHUNKED, checksumLine('sha1', 'world')]), 204)
      },
    },
    {
      ...DISCARDED,
      title: 'bytes with a wrong checksum, by each algorithm listed',
      async run(client) {
        for (const algorithm of algorithmsOf(client)) {
          const url = await half(client)
          await client.patch(url, 5, 'wurst', [checksumLine(algorithm, 'other')])
          await expectDiscarded(client, url)
          await checkBytes(client, url, 'helloworld')
        }
      },
    },
    {
      ...DISCARDED,
      title: 'the first bytes of an upload, and more of them than one read',
      async run(client) {
        const url = await client.create(40_000)
        await client.patch(url, 0, 'a'.repeat(40_000), [checksumLine('sha1', 'other')])
        expectHeader(await client.head(url), 'Upload-Offset', '0')
        const line = checksumLine('sha1', 'b'.repeat(40_000))
        expectStatus(await client.patch(url, 0, 'b'.repeat(40_000), [line]), 204)
        await checkBytes(client, url, 'b'.repeat(40_000))
      },
    },
    {
      ...DISCARDED,
      title: 'bytes with an algorithm that is not listed',
      async run(client) {
        const url = await half(client)
        const answer = await client.patch(url, 5, 'wurst', [unknownLine()])
        expect(answer.refuses, 'a 4xx to an unknown algorithm', answer)
        await expectDiscarded(client, url)
      },
    },
    {
      ...STATUS,
      title: '400 to an algorithm that is not listed',
      async run(client) {
        expectStatus(await client.patch(await half(client), 5, 'world', [unknownLine()]), 400)
      },
    },
    {
      ...STATUS,
      title: '460 to a wrong checksum',
      async run(client) {
        expectStatus(await client.patch(await half(client), 5, 'world', [checksumLine('sha1', 'other')]), 460)
      },
    },
    {
      section: 'Checksum › Upload-Checksum',
      level: 'MUST',
      sentence:
        'The header MUST consist of the name of the used checksum algorithm and the Base64 encoded checksum separated by a space.',
      title: 'bytes with a header of another form are refused and discarded',
      async run(client) {
        for (const value of MALFORMED) {
          const url = await half(client)
          const answer = await client.patch(url, 5, 'world', [`Upload-Checksum: ${value}`])
          expect(answer.refuses, `a 4xx to Upload-Checksum: ${value}`, answer)
          await expectDiscarded(client, url)
        }
      },
    },
  ],
}

async function acceptsRight(client: Client, algorithm: string): Promise<void> {
  const url = await half(client)
  const statuses: number[] = []
  for (const line of checksumLines(algorithm, 'world')) {
    const answer = await client.patch(url, 5, 'world', [line])
    if (answer.status === 204) return expectHeader(answer, 'Upload-Offset', '10')
    statuses.push(answer.status)
  }
  expect(false, `204 to a right ${algorithm}`, statuses.join(', '))
}

function unknownLine(): string {
  return `Upload-Checksum: crc-of-nobody ${Buffer.from('checksum').toString('base64')}`
}
