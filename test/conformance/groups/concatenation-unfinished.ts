import type { Group } from '../check.js'
import { expectAbsent, expectHeader, expectStatus } from '../expect.js'
import { checkBytes } from './evidence.js'
import { finalLine, join, joined, part, postFinal, refusesPatch } from './joins.js'

const SENT = {
  section: 'Concatenation',
  level: 'MUST',
  sentence:
    'The Client MAY send the concatenation request while the partial uploads are still in progress. This feature MUST be explicitly announced by the Server by adding concatenation-unfinished to the Tus-Extension header.',
} as const

/** Concatenation of parts that are not whole yet. */
export const concatenationUnfinished: Group = {
  name: 'concatenation-unfinished',
  checks: [
    {
      ...SENT,
      title: '201 while one part is not whole',
      async run(client) {
        expectStatus(
          await postFinal(client, [await part(client, 5, 'hello'), await part(client, 6, '')]),
          201,
        )
      },
    },
    {
      ...SENT,
      title: 'the parts are completed after it, and then the final upload is',
      async run(client) {
        const urls = [await part(client, 5, 'hel'), await part(client, 6, '')] as const
        const final = await join(client, urls)
        expectStatus(await client.patch(urls[1], 0, ' world'), 204)
        expectStatus(await client.patch(urls[0], 3, 'lo'), 204)
        expectHeader(await joined(client, final), 'Upload-Length', '11')
        await checkBytes(client, final, 'hello world')
      },
    },
    {
      section: 'Concatenation',
      level: 'SHOULD',
      sentence:
        'The response to a HEAD request for a final upload SHOULD NOT contain the Upload-Offset header unless the concatenation has been successfully finished.',
      title: 'no Upload-Offset while a part is not whole',
      async run(client) {
        const url = await join(client, [await part(client, 5, 'hello'), await part(client, 6, ' wor')])
        const answer = await client.head(url)
        expectStatus(answer, 200, 204)
        expectAbsent(answer, 'Upload-Offset')
      },
    },
    {
      section: 'Concatenation',
      level: 'MUST',
      sentence:
        'The Upload-Length header MUST be included if the length of the final resource can be calculated at the time of the request.',
      title: 'Upload-Length while the lengths of all parts are known',
      async run(client) {
        const url = await join(client, [await part(client, 5, 'hello'), await part(client, 6, '')])
        expectHeader(await client.head(url), 'Upload-Length', '11')
      },
    },
    {
      section: 'Concatenation',
      level: 'MUST',
      sentence:
        'Response to HEAD request against partial or final upload MUST include the Upload-Concat header and its value as received in the upload creation request.',
      title: 'Upload-Concat while a part is not whole',
      async run(client) {
        const urls = [await part(client, 5, 'hello'), await part(client, 6, '')]
        const value = finalLine(urls).replace('Upload-Concat: ', '')
        expectHeader(await client.head(await join(client, urls)), 'Upload-Concat', value)
      },
    },
    {
      section: 'Concatenation',
      level: 'MUST',
      sentence:
        'The Server MUST respond with the 403 Forbidden status to PATCH requests against a final upload URL and MUST NOT modify the final or its partial uploads.',
      title: '403 while a part is not whole, and all as before',
      async run(client) {
        const urls = [await part(client, 5, 'hello'), await part(client, 6, ' wor')]
        await refusesPatch(client, await join(client, urls), urls)
      },
    },
  ],
}
