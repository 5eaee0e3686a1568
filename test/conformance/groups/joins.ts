import type { Answer } from '../answer.js'
import { type Client, lengthHeader } from '../client.js'
import { eventually, expect, expectStatus } from '../expect.js'

/** A server may join after it has answered. */
const JOINED_WITHIN_MS = 6_000

/** Creates a partial upload of so many bytes, and sends the first of them. */
export async function part(
  client: Client,
  length: number,
  body: string,
  headers: readonly string[] = [],
): Promise<URL> {
  const answer = await client.post([lengthHeader(length), 'Upload-Concat: partial', ...headers])
  expectStatus(answer, 201)
  const url = client.locationOf(answer)
  if (body !== '') expectStatus(await client.patch(url, 0, body), 204)
  return url
}

/** `hello` and ` world`, each whole. */
export async function bothParts(client: Client): Promise<readonly URL[]> {
  return [await part(client, 5, 'hello'), await part(client, 6, ' world')]
}

/** Upload-Concat of a final upload, with URLs that begin at the path. */
export function finalLine(parts: readonly URL[]): string {
  return `Upload-Concat: final;${parts.map(({ pathname, search }) => pathname + search).join(' ')}`
}

/** POST of a final upload. */
export function postFinal(
  client: Client,
  parts: readonly URL[],
  headers: readonly string[] = [],
): Promise<Answer> {
  return client.post([finalLine(parts), ...headers])
}

/** Creates a final upload. Gives its URL. */
export async function join(
  client: Client,
  parts: readonly URL[],
  headers: readonly string[] = [],
): Promise<URL> {
  const answer = await postFinal(client, parts, headers)
  expectStatus(answer, 201)
  return client.locationOf(answer)
}

/** HEAD on a final upload once it has both its numbers. */
export async function joined(client: Client, url: URL): Promise<Answer> {
  let seen = await client.head(url)
  await eventually(JOINED_WITHIN_MS, async () => {
    seen = await client.head(url)
    const [offset, length] = [seen.get('Upload-Offset'), seen.get('Upload-Length')]
    return offset !== undefined && offset === length ? true : undefined
  })
  const [offset, length] = [seen.get('Upload-Offset'), seen.get('Upload-Length')]
  expect(offset !== undefined && offset === length, 'Upload-Offset and Upload-Length, and equal', seen)
  return seen
}

/** A PATCH of a final upload gets 403, and changes neither the final upload nor its parts. */
export async function refusesPatch(client: Client, url: URL, parts: readonly URL[]): Promise<void> {
  const before = await states(client, [url, ...parts])
  for (const offset of [Number((await client.head(url)).get('Upload-Offset') ?? 0), 0])
    expectStatus(await client.patch(url, offset, 'again'), 403)
  const after = await states(client, [url, ...parts])
  expect(after === before, `HEADs as before: ${before}`, after)
}

async function states(client: Client, urls: readonly URL[]): Promise<string> {
  const states: string[] = []
  for (const url of urls) {
    const answer = await client.head(url)
    states.push(
      `${answer.status}, offset ${answer.get('Upload-Offset')}, length ${answer.get('Upload-Length')}`,
    )
  }
  return states.join('; ')
}
