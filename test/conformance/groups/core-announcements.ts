import { createHash } from 'node:crypto'
import type { Check } from '../check.js'
import { CHUNKED, type Client, chunks, lengthHeader, OFFSET_TYPE } from '../client.js'
import { expect, expectStatus } from '../expect.js'

/**
 * "If the Server supports this extension, it MUST add it to Tus-Extension": an extension that a server does not
 * offer must not work. One that it offers has a group of checks of its own.
 */
export const announcements: readonly Check[] = [
  announced(
    'creation',
    'Creation',
    'If the Server supports this extension, it MUST add creation to the Tus-Extension header.',
    async (client) => {
      const answer = await client.post([lengthHeader(5)])
      return answer.status === 201 && answer.get('Location') !== undefined
    },
  ),
  announced(
    'creation-defer-length',
    'Creation › POST',
    'If the Server supports deferring length, it MUST add creation-defer-length to the Tus-Extension header.',
    async (client) => (await client.head(await client.create(null))).get('Upload-Defer-Length') === '1',
  ),
  announced(
    'creation-with-upload',
    'Creation With Upload',
    'If the Server supports this extension, it MUST advertise this by including creation-with-upload in the Tus-Extension header.',
    async (client) => {
      const answer = await client.post([lengthHeader(10), OFFSET_TYPE], 'hello')
      return answer.status === 201 && (await client.offsetOf(client.locationOf(answer))) === 5
    },
  ),
  announced(
    'expiration',
    'Expiration',
    'The Server MAY remove unfinished uploads once they expire. In order to indicate this behavior to the Client, the Server MUST add expiration to the Tus-Extension header.',
    async (client) =>
      (await client.patch(await client.create(10), 0, 'hello')).get('Upload-Expires') !== undefined,
  ),
  announced(
    'checksum',
    'Checksum',
    'If supported, the Server MUST add checksum to the Tus-Extension header.',
    async (client) => {
      const line = `Upload-Checksum: sha1 ${createHash('sha1').update('other').digest('base64')}`
      return (await client.patch(await client.create(10), 0, 'hello', [line])).status === 460
    },
  ),
  announced(
    'checksum-trailer',
    'Checksum',
    'If the Server can handle trailers, this behavior MUST be announced by adding checksum-trailer to the Tus-Extension header.',
    async (client) => {
      const line = `Upload-Checksum: sha1 ${createHash('sha1').update('other').digest('base64')}`
      const body = chunks(['hello'], [line])
      const answer = await client.patch(await client.create(10), 0, body, [
        CHUNKED,
        'Trailer: Upload-Checksum',
      ])
      return answer.status === 460
    },
  ),
  announced(
    'termination',
    'Termination',
    'If this extension is supported by the Server, it MUST be announced by adding termination to the Tus-Extension header.',
    async (client) => {
      const url = await client.create(10)
      return (await client.remove(url)).status === 204 && !(await client.head(url)).ok
    },
  ),
  announced(
    'concatenation',
    'Concatenation',
    'If the Server supports this extension, it MUST add concatenation to the Tus-Extension header.',
    (client) => concatenates(client, 'hello'),
  ),
  announced(
    'concatenation-unfinished',
    'Concatenation',
    'The Client MAY send the concatenation request while the partial uploads are still in progress. This feature MUST be explicitly announced by the Server by adding concatenation-unfinished to the Tus-Extension header.',
    (client) => concatenates(client, 'hell'),
  ),
]

function announced(
  extension: string,
  section: string,
  sentence: string,
  works: (client: Client) => Promise<boolean>,
): Check {
  return {
    section,
    level: 'MUST',
    sentence,
    title: `${extension} is announced if it works`,
    async run(client) {
      if (client.offers(extension)) return
      const seen = `it works, and Tus-Extension: ${client.target.extensions.join(',')}`
      expect(!(await works(client)), `${extension} in Tus-Extension, or no such extension`, seen)
    },
  }
}

/** Whether a part of five bytes that has so many of them makes a final upload. */
async function concatenates(client: Client, body: string): Promise<boolean> {
  const created = await client.post([lengthHeader(5), 'Upload-Concat: partial'])
  if (created.status !== 201) return false
  const part = client.locationOf(created)
  expectStatus(await client.patch(part, 0, body), 204)
  const answer = await client.post([`Upload-Concat: final;${part.pathname}${part.search}`])
  return answer.status === 201 && (await client.patch(client.locationOf(answer), 0, 'o')).status === 403
}
