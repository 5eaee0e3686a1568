import type { Check } from '../check.js'
import { expect, expectAbsent, expectHeader, expectPresent, expectStatus } from '../expect.js'

const OFFSET = {
  section: 'Core › HEAD',
  level: 'MUST',
  sentence:
    'The Server MUST always include the Upload-Offset header in the response for a HEAD request, even if the offset is 0, or the upload is already considered completed.',
} as const

const NOT_FOUND = {
  section: 'Core › HEAD',
  level: 'SHOULD',
  sentence:
    'If the resource is not found, the Server SHOULD return either the 404 Not Found, 410 Gone or 403 Forbidden status without the Upload-Offset header.',
} as const

/** HEAD. */
export const head: readonly Check[] = [
  {
    ...OFFSET,
    title: 'an upload without a byte has Upload-Offset: 0',
    async run(client) {
      expectHeader(await client.head(await client.create(10)), 'Upload-Offset', '0')
    },
  },
  {
    ...OFFSET,
    title: 'a begun upload has the number of its bytes',
    async run(client) {
      expectHeader(await client.head(await client.begin(10, 'hello')), 'Upload-Offset', '5')
    },
  },
  {
    ...OFFSET,
    title: 'a completed upload has its length, on each HEAD',
    async run(client) {
      const url = await client.begin(5, 'hello')
      for (const answer of [await client.head(url), await client.head(url)]) {
        expect(answer.ok, 'an answer of 2xx', answer)
        expectHeader(answer, 'Upload-Offset', '5')
      }
    },
  },
  {
    section: 'Core › HEAD',
    level: 'MUST',
    sentence:
      'If the size of the upload is known, the Server MUST include the Upload-Length header in the response.',
    title: 'Upload-Length is there before, within and after the bytes',
    async run(client) {
      const url = await client.create(10)
      expectHeader(await client.head(url), 'Upload-Length', '10')
      expectStatus(await client.patch(url, 0, 'hello'), 204)
      expectHeader(await client.head(url), 'Upload-Length', '10')
      expectStatus(await client.patch(url, 5, 'world'), 204)
      expectHeader(await client.head(url), 'Upload-Length', '10')
    },
  },
  {
    ...NOT_FOUND,
    title: '404, 410 or 403 for an upload that never was',
    async run(client) {
      const url = client.unknownLike(await client.create(10))
      expectStatus(await client.head(url), 404, 410, 403)
    },
  },
  {
    ...NOT_FOUND,
    title: 'no Upload-Offset for an upload that never was',
    async run(client) {
      const answer = await client.head(client.unknownLike(await client.create(10)))
      expect(!answer.ok, 'a refusal', answer)
      expectAbsent(answer, 'Upload-Offset')
    },
  },
  {
    section: 'Core › HEAD',
    level: 'SHOULD',
    sentence:
      'The Server SHOULD acknowledge successful HEAD requests with a 200 OK or 204 No Content status.',
    title: '200 or 204 for an upload that is there',
    async run(client) {
      expectStatus(await client.head(await client.create(10)), 200, 204)
    },
  },
  {
    section: 'Core › HEAD',
    level: 'MUST',
    sentence:
      'The Server MUST prevent the client and/or proxies from caching the response by adding the Cache-Control: no-store header to the response.',
    title: 'Cache-Control: no-store, of a begun and of a completed upload',
    async run(client) {
      const url = await client.begin(10, 'hello')
      const begun = await client.head(url)
      expectStatus(await client.patch(url, 5, 'world'), 204)
      for (const answer of [begun, await client.head(url)]) {
        const directives = expectPresent(answer, 'Cache-Control')
          .toLowerCase()
          .split(/[\s,]+/)
        expect(directives.includes('no-store'), 'Cache-Control: no-store', answer)
      }
    },
  },
]
