import { randomBytes } from 'node:crypto'
import type { RawAnswer } from './raw.js'
import { RawConnection } from './raw.js'
import { type TestServer, tus } from './server.js'

/** The content type of a body that goes into an upload. */
export const OFFSET_TYPE = 'application/offset+octet-stream'

/** The header of every tus request, for requests written by hand. */
export const VERSION = 'Tus-Resumable: 1.0.0'

/** The two headers of a body, for requests written by hand; a length of null announces chunks. */
export function bodyHeaders(length: number | null): string[] {
  const framing = length === null ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  return [`Content-Type: ${OFFSET_TYPE}`, framing]
}

/** The headers of a PATCH, for requests written by hand. */
export function patchHeaders(offset: number, length: number | null): string[] {
  return [VERSION, `Upload-Offset: ${offset}`, ...bodyHeaders(length)]
}

/** One chunk of a chunked body. */
export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

/** The chunk that ends a chunked body. */
export const LAST_CHUNK = '0\r\n\r\n'

/** Base64, as a value of Upload-Metadata. */
export function base64(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64')
}

/** An id that has the form of one and names nothing. */
export function unknownId(day = '20200102'): string {
  return `${day}-${randomBytes(16).toString('hex')}`
}

/** Sends one request written by hand and resolves with its first answer; the connection is closed. */
export async function exchange(
  server: Pick<TestServer, 'port'>,
  line: string,
  headers: readonly string[] = [],
  body = '',
): Promise<RawAnswer> {
  const connection = await RawConnection.open(server.port)
  try {
    await connection.head(line, headers)
    if (body !== '') await connection.write(body)
    return await connection.answer(undefined, line.startsWith('HEAD '))
  } finally {
    connection.socket.destroy()
  }
}

/** The offset that HEAD tells. Fails where HEAD does not answer 200. */
export async function offsetOf(server: TestServer, location: string): Promise<number> {
  const answer = await tus.head(server, location)
  if (answer.status !== 200) throw new Error(`HEAD answered ${answer.status}`)
  return Number(answer.headers['upload-offset'])
}
