import { connect, type IncomingHttpHeaders } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { bounded } from './test.js'

const ANSWER_WITHIN_MS = 60_000

/** Where a request goes by TLS. */
export interface Peer {
  readonly origin: string
  /** The certificate that is trusted, as PEM. */
  readonly ca: string
}

export interface Wanted {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** None where the request has no body; then its headers end it. */
  readonly body?: Iterable<Buffer>
}

export interface Heard {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
}

/** Sends one request over HTTP/1.1 and TLS, on a connection of its own. */
export function askHttps(
  { origin, ca }: Peer,
  { method, path, headers = {}, body = [] }: Wanted,
): Promise<Heard> {
  const heard = new Promise<Heard>((resolve, reject) => {
    const request = httpsRequest(new URL(path, origin), { method, headers, ca, agent: false })
    request.on('error', reject).on('response', (response) => {
      const { statusCode: status = 0, headers } = response
      response.toArray().then((parts) => resolve({ status, headers, bytes: Buffer.concat(parts) }), reject)
    })
    Readable.from(body, { objectMode: false }).pipe(request)
  })
  return bounded(ANSWER_WITHIN_MS, heard, 'the answer')
}

/** Sends one request over HTTP/2, on a connection of its own; fails where the other side speaks none. */
export async function askHttp2(
  { origin, ca }: Peer,
  { method, path, headers = {}, body }: Wanted,
): Promise<Heard> {
  const session = connect(origin, { ca })
  try {
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: !body })
    const failed = new Promise<never>((_, reject) => {
      session.on('error', reject)
      stream.on('error', reject)
    })
    const answered = new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve))
    const all = async (): Promise<Heard> => {
      // A refusal comes while the body is sent, and ends the sending.
      if (body) pipeline(Readable.from(body, { objectMode: false }), stream).catch(() => {})
      const fields = await answered
      return {
        status: Number(fields[':status']),
        headers: fields,
        bytes: Buffer.concat(await stream.toArray()),
      }
    }
    return await bounded(ANSWER_WITHIN_MS, Promise.race([all(), failed]), 'the answer')
  } finally {
    session.destroy()
  }
}
