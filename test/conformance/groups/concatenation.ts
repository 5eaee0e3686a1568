import { type Check, type Group, Skip, undecidable } from '../check.js'
import { type Client, lengthHeader } from '../client.js'
import { expect, expectAbsent, expectHeader, expectPresent, expectRefused, expectStatus } from '../expect.js'
import { checkBytes } from './evidence.js'
import { bothParts, finalLine, join, joined, part, postFinal, refusesPatch } from './joins.js'
import { expectPairs, pairsOf } from './metadata.js'

const SUM = {
  section: 'Concatenation',
  level: 'MUST',
  sentence: 'The length of the final upload MUST be the sum of the length of all partial uploads.',
} as const

const ORDER = {
  section: 'Concatenation',
  level: 'MUST',
  sentence: 'The partial uploads MUST be concatenated as per the order specified in the list.',
} as const

const RECEIVED = {
  section: 'Concatenation',
  level: 'MUST',
  sentence:
    'Response to HEAD request against partial or final upload MUST include the Upload-Concat header and its value as received in the upload creation request.',
} as const

const VALUE = {
  section: 'Concatenation › Upload-Concat',
  level: 'MUST',
} as const

const FORM =
  'If the upload is a partial one, the header value MUST be partial. In the case of a final upload, its value MUST be final followed by a semicolon and a space-separated list of partial upload URLs that will be concatenated.'

const parts: readonly Check[] = [
  {
    ...RECEIVED,
    title: 'a partial upload is created, and HEAD says that it is one',
    async run(client) {
      expectHeader(await client.head(await part(client, 5, '')), 'Upload-Concat', 'partial')
      expectHeader(await client.head(await part(client, 5, 'hello')), 'Upload-Concat', 'partial')
    },
  },
  {
    section: 'Concatenation',
    level: 'MUST',
    sentence: 'The response to a HEAD request for a partial upload MUST contain the Upload-Offset header.',
    title: 'before, within and after its bytes',
    async run(client) {
      for (const body of ['', 'hel', 'hello'])
        expectHeader(await client.head(await part(client, 5, body)), 'Upload-Offset', String(body.length))
    },
  },
  undecidable(
    {
      section: 'Concatenation',
      level: 'SHOULD',
      sentence:
        'The Server SHOULD NOT process these partial uploads until they are concatenated to form a final upload.',
      title: 'a partial upload is not processed',
    },
    'what a server does with an upload is not seen from outside',
  ),
  {
    ...VALUE,
    sentence: FORM,
    title: 'other values are refused, or not taken for one of these',
    async run(client) {
      await part(client, 5, 'hello')
      for (const value of ['part', 'partial;x', 'final', 'final;', 'final:x', 'both']) {
        const answer = await client.post([lengthHeader(5), `Upload-Concat: ${value}`])
        expect(answer.ok || answer.refuses, `a 4xx, or 201, to Upload-Concat: ${value}`, answer)
        if (answer.ok) expectAbsent(await client.head(client.locationOf(answer)), 'Upload-Concat')
      }
    },
  },
]

const finals: readonly Check[] = [
  {
    ...SUM,
    title: 'of two parts',
    async run(client) {
      expectHeader(await joined(client, await join(client, await bothParts(client))), 'Upload-Length', '11')
    },
  },
  {
    ...SUM,
    title: 'whatever Upload-Length a client sends with it against the rules',
    async run(client) {
      await join(client, await bothParts(client))
      const answer = await postFinal(client, await bothParts(client), ['Upload-Length: 3'])
      expect(answer.ok || answer.refuses, 'a 4xx, or 201', answer)
      if (!answer.ok) return
      expectHeader(await joined(client, client.locationOf(answer)), 'Upload-Length', '11')
    },
  },
  {
    ...SUM,
    title: 'so that there is none where a part is unknown',
    async run(client) {
      const [first, second] = [await part(client, 5, 'hello'), await part(client, 6, ' world')]
      await join(client, [first, second])
      const answer = await postFinal(client, [await part(client, 5, 'hello'), client.unknownLike(second)])
      expectRefused(answer, 'a part that never was')
    },
  },
  {
    ...ORDER,
    title: 'the bytes of the second part named first stand first',
    run: async (client) => keepsOrder(client, ([first, second]) => [second, first], ' worldhello'),
  },
  {
    ...ORDER,
    title: 'the bytes of three parts stand in their order',
    async run(client) {
      const urls = [await part(client, 2, 'bb'), await part(client, 1, 'a'), await part(client, 3, 'ccc')]
      await sees(client, await join(client, urls), 'bbaccc')
    },
  },
  {
    ...VALUE,
    sentence:
      'The partial uploads URLs MAY be absolute or relative and MUST NOT contain spaces as defined in RFC 3986.',
    title: 'relative URLs are found',
    async run(client) {
      expectHeader(await joined(client, await join(client, await bothParts(client))), 'Upload-Length', '11')
    },
  },
  {
    ...VALUE,
    sentence:
      'The partial uploads URLs MAY be absolute or relative and MUST NOT contain spaces as defined in RFC 3986.',
    title: 'absolute URLs are found',
    async run(client) {
      const urls = (await bothParts(client)).map(({ href }) => href)
      const answer = await client.post([`Upload-Concat: final;${urls.join(' ')}`])
      expectStatus(answer, 201)
      expectHeader(await joined(client, client.locationOf(answer)), 'Upload-Length', '11')
    },
  },
  {
    ...RECEIVED,
    title: 'a final upload of relative URLs has them',
    async run(client) {
      const urls = await bothParts(client)
      const value = finalLine(urls).replace('Upload-Concat: ', '')
      expectHeader(await joined(client, await join(client, urls)), 'Upload-Concat', value)
    },
  },
  {
    ...RECEIVED,
    title: 'a final upload of absolute URLs has them',
    async run(client) {
      const value = `final;${(await bothParts(client)).map(({ href }) => href).join(' ')}`
      const answer = await client.post([`Upload-Concat: ${value}`])
      expectStatus(answer, 201)
      expectHeader(await joined(client, client.locationOf(answer)), 'Upload-Concat', value)
    },
  },
  {
    section: 'Concatenation',
    level: 'MUST',
    sentence:
      'After successful concatenation, the Upload-Offset and Upload-Length MUST be set and their values MUST be equal.',
    title: 'both are in HEAD, and equal',
    async run(client) {
      await joined(client, await join(client, await bothParts(client)))
    },
  },
  {
    section: 'Concatenation',
    level: 'MUST',
    sentence:
      'The Upload-Length header MUST be included if the length of the final resource can be calculated at the time of the request.',
    title: 'it is in the first HEAD after the creation',
    async run(client) {
      expectHeader(await client.head(await join(client, await bothParts(client))), 'Upload-Length', '11')
    },
  },
  {
    section: 'Concatenation',
    level: 'MUST',
    sentence:
      'The Server MUST respond with the 403 Forbidden status to PATCH requests against a final upload URL and MUST NOT modify the final or its partial uploads.',
    title: '403, and all as before',
    async run(client) {
      const urls = await bothParts(client)
      const url = await join(client, urls)
      await joined(client, url)
      await refusesPatch(client, url, urls)
    },
  },
]

const metadata: readonly Check[] = [
  {
    section: 'Concatenation',
    level: 'MUST',
    sentence:
      "When creating a new final upload the partial uploads' metadata SHALL NOT be transferred to the new final upload.",
    title: 'a final upload has none of it',
    async run(client) {
      const line = 'Upload-Metadata: part eWVz'
      const urls = [await part(client, 5, 'hello', [line]), await part(client, 6, ' world', [line])]
      const plain = await joined(client, await join(client, urls))
      expect(!pairsOf(plain.get('Upload-Metadata') ?? '')?.has('part'), 'no key of a part', plain)
    },
  },
  {
    section: 'Concatenation',
    level: 'SHOULD',
    sentence:
      'All metadata SHOULD be included in the concatenation request using the Upload-Metadata header.',
    title: 'what comes with the request is told by HEAD',
    async run(client) {
      const given = 'whole eWVz,bytes AP/+'
      const url = await join(client, await bothParts(client), [`Upload-Metadata: ${given}`])
      const answer = await joined(client, url)
      expectPresent(answer, 'Upload-Metadata')
      expectPairs(answer, given)
    },
  },
  {
    section: 'Concatenation',
    level: 'SHOULD',
    sentence:
      'The same partial upload MAY be present multiple times in the Upload-Concat header in one upload creation request or MAY be used in multiple upload creation requests.',
    title: 'a part that is named twice counts twice',
    async run(client) {
      const url = await part(client, 5, 'hello')
      const final = await join(client, [url, url])
      expectHeader(await joined(client, final), 'Upload-Length', '10')
      await checkBytes(client, final, 'hellohello')
    },
  },
  {
    section: 'Concatenation',
    level: 'SHOULD',
    sentence:
      'The Server MAY delete partial uploads after concatenation. The Client, however, MAY attempt to use a partial upload multiple times.',
    title: 'a part that is still there after a concatenation is of use for another one',
    async run(client) {
      const urls = await bothParts(client)
      await joined(client, await join(client, urls))
      for (const url of urls)
        if (!(await client.head(url)).ok) throw new Skip('the server deletes partial uploads')
      expectHeader(await joined(client, await join(client, urls)), 'Upload-Length', '11')
    },
  },
]

/** Concatenation. */
export const concatenation: Group = {
  name: 'concatenation',
  checks: [...parts, ...finals, ...metadata],
}

async function keepsOrder(
  client: Client,
  order: (urls: readonly [URL, URL]) => readonly URL[],
  content: string,
): Promise<void> {
  const urls = [await part(client, 5, 'hello'), await part(client, 6, ' world')] as const
  await sees(client, await join(client, order(urls)), content)
}

async function sees(client: Client, url: URL, content: string): Promise<void> {
  await joined(client, url)
  if (!(await checkBytes(client, url, content)))
    throw new Skip('the server does not give the bytes of an upload to GET, so that their order is not seen')
}
