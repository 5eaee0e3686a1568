import { type Group, undecidable } from '../check.js'
import type { Client } from '../client.js'
import { expect, expectAbsent, expectHeader, expectStatus } from '../expect.js'

const CONFIRMS = {
  section: 'Termination › DELETE',
  level: 'MUST',
  sentence:
    'When receiving a DELETE request for an existing upload the Server SHOULD free associated resources and MUST respond with the 204 No Content status confirming that the upload was terminated.',
} as const

const GONE = {
  section: 'Termination › DELETE',
  level: 'SHOULD',
  sentence:
    'For all future requests to this URL, the Server SHOULD respond with the 404 Not Found or 410 Gone status.',
} as const

/** Termination. */
export const termination: Group = {
  name: 'termination',
  checks: [
    {
      ...CONFIRMS,
      title: '204 for an upload without a byte',
      run: async (client) => expectStatus(await client.remove(await client.create(10)), 204),
    },
    {
      ...CONFIRMS,
      title: '204 for a begun upload',
      run: async (client) => expectStatus(await client.remove(await client.begin(10, 'hello')), 204),
    },
    {
      ...CONFIRMS,
      title: '204 for a completed upload',
      run: async (client) => expectStatus(await client.remove(await client.begin(5, 'hello')), 204),
    },
    {
      ...CONFIRMS,
      title: 'Tus-Resumable is in the 204',
      run: async (client) => {
        expectHeader(await client.remove(await client.create(10)), 'Tus-Resumable', '1.0.0')
      },
    },
    {
      ...CONFIRMS,
      title: 'what is terminated is no upload any more, and another one still is',
      async run(client) {
        const [url, neighbour] = [await client.create(10), await client.begin(10, 'hello')]
        expect((await client.remove(url)).ok, 'an answer of 2xx', 'a refusal')
        const answer = await client.head(url)
        expect(!answer.ok, 'a refusal', answer)
        expectAbsent(answer, 'Upload-Offset')
        expectHeader(await client.head(neighbour), 'Upload-Offset', '5')
      },
    },
    {
      ...GONE,
      title: '404 or 410 to HEAD',
      run: async (client) => expectStatus(await client.head(await terminated(client)), 404, 410),
    },
    {
      ...GONE,
      title: '404 or 410 to PATCH',
      run: async (client) => expectStatus(await client.patch(await terminated(client), 5, 'world'), 404, 410),
    },
    {
      ...GONE,
      title: '404 or 410 to a second DELETE',
      run: async (client) => expectStatus(await client.remove(await terminated(client)), 404, 410),
    },
    undecidable(
      { ...CONFIRMS, level: 'SHOULD', title: 'the resources are freed' },
      'what a server holds is not seen from outside',
    ),
  ],
}

async function terminated(client: Client): Promise<URL> {
  const url = await client.begin(10, 'hello')
  const answer = await client.remove(url)
  expect(answer.ok, 'an answer of 2xx', answer)
  return url
}
