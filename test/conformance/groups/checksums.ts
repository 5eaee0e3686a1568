import { createHash, getHashes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Skip } from '../check.js'
import { type Client, VERSION } from '../client.js'
import { expect, expectHeader } from '../expect.js'

/** The sentence that a checksum is verified. */
export const VERIFIES = {
  section: 'Checksum',
  level: 'MUST',
  sentence:
    'Once the entire request has been received, the Server MUST verify the uploaded chunk against the provided checksum using the specified algorithm.',
} as const

/** The sentence that bytes whose checksum does not match are dropped. */
export const DISCARDED = {
  section: 'Checksum',
  level: 'MUST',
  sentence:
    'In the first two cases the uploaded chunk MUST be discarded, and the upload and its offset MUST NOT be updated.',
} as const

/** The statuses of a mismatch: a MAY that counts as a SHOULD here. */
export const STATUS = {
  section: 'Checksum',
  level: 'SHOULD',
  sentence:
    'Depending on the result the Server MAY respond with one of the following status code: 1) 400 Bad Request if the checksum algorithm is not supported by the server, 2) 460 Checksum Mismatch if the checksums mismatch or 3) 204 No Content if the checksums match and the processing of the data succeeded.',
} as const

/** Algorithms of the server's list that Node computes. */
export function computable(client: Client): readonly string[] {
  const known = getHashes().filter((name) => /^[a-z\d-]+$/.test(name))
  return client.target.algorithms.filter((name) => name === 'crc32' || known.includes(name))
}

/** Upload-Checksum of a text. */
export function checksumLine(algorithm: string, text: string): string {
  return `Upload-Checksum: ${algorithm} ${digest(algorithm, text).toString('base64')}`
}

/** Several, where the specification does not say how a checksum becomes bytes. */
export function checksumLines(algorithm: string, text: string): readonly string[] {
  if (algorithm !== 'crc32') return [checksumLine(algorithm, text)]
  const bytes = digest(algorithm, text)
  return [bytes, Buffer.from(bytes).reverse(), Buffer.from(bytes.toString('hex'))].map((each) => {
    return `Upload-Checksum: crc32 ${each.toString('base64')}`
  })
}

/** An upload that has `hello` of its ten bytes; skips where its bytes cannot be checked by that algorithm. */
export async function half(client: Client): Promise<URL> {
  return await client.begin(10, 'hello')
}

/** The upload has its five bytes as before, and takes the right ones at that place. */
export async function expectDiscarded(client: Client, url: URL): Promise<void> {
  expectHeader(await client.ask('HEAD', url, [VERSION]), 'Upload-Offset', '5')
  const answer = await client.patch(url, 5, 'world')
  expect(answer.status === 204, '204 to the right bytes after it', answer)
  expectHeader(await client.head(url), 'Upload-Offset', '10')
}

/** The algorithms to try; skips where there is none. */
export function algorithmsOf(client: Client): readonly string[] {
  const algorithms = computable(client)
  if (algorithms.length === 0) throw new Skip('none of the algorithms can be computed here')
  return algorithms
}

function digest(algorithm: string, text: string): Buffer {
  if (algorithm !== 'crc32') return createHash(algorithm).update(text).digest()
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes
}
