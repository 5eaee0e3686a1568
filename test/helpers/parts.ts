import { createHash } from 'node:crypto'
import { eventually, locationOf, type TestAnswer, type TestServer, tus } from './server.js'

/** The header of a partial upload's creation. */
export const PARTIAL = { 'Upload-Concat': 'partial' }

/** Creates a partial upload of these bytes and stores them, or only the first `stored` of them. */
export async function createPart(
  server: TestServer,
  bytes: string | Uint8Array,
  stored = bytes.length,
): Promise<string> {
  const location = locationOf(await tus.create(server, Buffer.byteLength(bytes), PARTIAL))
  if (stored > 0) await tus.patch(server, location, 0, bytes.slice(0, stored))
  return location
}

/** HEAD of a final upload, once it is joined. */
export function joinedHead(server: TestServer, location: string): Promise<TestAnswer> {
  return eventually(60_000, 'the joined upload', async () => {
    const head = await tus.head(server, location)
    return head.headers['upload-offset'] === undefined ? undefined : head
  })
}

/** RFC 9530's form of a text's digest. */
export function reprDigestOfText(text: string): string {
  return `sha-256=:${createHash('sha256').update(text).digest('base64')}:`
}

/** POST of a final upload, as a client sends it: again while the server says that it has just started. */
export function joinAgain(server: TestServer, parts: readonly string[]): Promise<TestAnswer> {
  return eventually(60_000, 'an answer but `starting`', async () => {
    const answer = await tus.join(server, parts)
    return answer.text.startsWith('starting:') ? undefined : answer
  })
}
