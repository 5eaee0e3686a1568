import type { Answer } from '../answer.js'
import { type Group, Skip } from '../check.js'
import { CHUNKED, type Client, chunks, lengthHeader, OFFSET_TYPE } from '../client.js'
import { expect, expectHeader, expectStatus } from '../expect.js'
import { checksumLine, DISCARDED, expectDiscarded, half, STATUS, VERIFIES } from './checksums.js'

const HANDLES = {
  section: 'Checksum',
  level: 'MUST',
  sentence:
    'If the hash cannot be calculated at the beginning of the upload, it MAY be included as a trailer. If the Server can handle trailers, this behavior MUST be announced by adding checksum-trailer to the Tus-Extension header.',
} as const

/** A sender of trailers SHOULD announce them, and need not (RFC 9110, section 6.6.2). */
const ANNOUNCED = ['Trailer: Upload-Checksum']

/** Checksums behind the body. */
export const checksumTrailer: Group = {
  name: 'checksum-trailer',
  checks: [
    {
      ...HANDLES,
      title: 'a right checksum in a trailer is accepted',
      async run(client) {
        const url = await half(client)
        const answer = await withTrailer(client, url, checksumLine('sha1', 'world'))
        expectStatus(answer, 204)
        expectHeader(answer, 'Upload-Offset', '10')
        expectHeader(await client.head(url), 'Upload-Offset', '10')
      },
    },
    {
      ...HANDLES,
      title: 'a wrong checksum in a trailer is refused',
      async run(client) {
        const answer = await withTrailer(client, await half(client), checksumLine('sha1', 'other'))
        expect(answer.refuses, 'a 4xx', answer)
      },
    },
    {
      ...HANDLES,
      title: 'the name of the trailer is read in any case of letters',
      async run(client) {
        const line = checksumLine('sha1', 'other').replace('Upload-Checksum', 'upload-CHECKSUM')
        const answer = await withTrailer(client, await half(client), line)
        expect(answer.refuses, 'a 4xx to a wrong checksum', answer)
      },
    },
    {
      ...HANDLES,
      title: 'a right checksum in a trailer that no header announced is accepted',
      async run(client) {
        const url = await half(client)
        const answer = await withTrailer(client, url, checksumLine('sha1', 'world'), [])
        expectStatus(answer, 204)
        expectHeader(await client.head(url), 'Upload-Offset', '10')
      },
    },
    {
      ...VERIFIES,
      title: 'a wrong checksum in a trailer that no header announced is refused',
      async run(client) {
        const answer = await withTrailer(client, await half(client), checksumLine('sha1', 'other'), [])
        expect(answer.refuses, 'a 4xx', answer)
      },
    },
    {
      ...VERIFIES,
      title: 'a wrong checksum in a trailer of a creation is refused, announced or not',
      async run(client) {
        if (!client.offers('creation-with-upload')) throw new Skip('the server has no creation-with-upload')
        for (const announced of [ANNOUNCED, []]) {
          const lines = [lengthHeader(10), OFFSET_TYPE, CHUNKED, ...announced]
          const answer = await client.post(lines, chunks(['hello'], [checksumLine('sha1', 'other')]))
          expect(answer.refuses, 'a 4xx', answer)
        }
      },
    },
    {
      ...DISCARDED,
      title: 'bytes with a wrong checksum in a trailer that no header announced',
      async run(client) {
        const url = await half(client)
        await withTrailer(client, url, checksumLine('sha1', 'other'), [])
        await expectDiscarded(client, url)
      },
    },
    {
      ...DISCARDED,
      title:
        'bytes that would complete the upload, with a wrong checksum in a trailer that no header announced',
      async run(client) {
        const url = await client.create(5)
        const line = checksumLine('sha1', 'other')
        const answer = await client.patch(url, 0, chunks(['hel', 'lo'], [line]), [CHUNKED])
        expect(answer.refuses, 'a 4xx', answer)
        expectHeader(await client.head(url), 'Upload-Offset', '0')
      },
    },
    {
      ...DISCARDED,
      title: 'bytes with a wrong checksum in a trailer',
      async run(client) {
        const url = await half(client)
        await withTrailer(client, url, checksumLine('sha1', 'other'))
        await expectDiscarded(client, url)
      },
    },
    {
      ...DISCARDED,
      title: 'bytes with an algorithm in a trailer that is not listed',
      async run(client) {
        const url = await half(client)
        await withTrailer(client, url, 'Upload-Checksum: crc-of-nobody Y2hlY2tzdW0=')
        await expectDiscarded(client, url)
      },
    },
    {
      ...STATUS,
      title: '460 to a wrong checksum in a trailer',
      async run(client) {
        expectStatus(await withTrailer(client, await half(client), checksumLine('sha1', 'other')), 460)
      },
    },
    {
      ...STATUS,
      title: '460 to a wrong checksum in a trailer that no header announced',
      async run(client) {
        expectStatus(await withTrailer(client, await half(client), checksumLine('sha1', 'other'), []), 460)
      },
    },
    {
      ...STATUS,
      title: '400 to an algorithm in a trailer that is not listed',
      async run(client) {
        const line = 'Upload-Checksum: crc-of-nobody Y2hlY2tzdW0='
        expectStatus(await withTrailer(client, await half(client), line), 400)
      },
    },
  ],
}

/** Five bytes at offset 5 in two chunks, and the line behind them. */
function withTrailer(
  client: Client,
  url: URL,
  line: string,
  announced: readonly string[] = ANNOUNCED,
): Promise<Answer> {
  return client.patch(url, 5, chunks(['wor', 'ld'], [line]), [CHUNKED, ...announced])
}
