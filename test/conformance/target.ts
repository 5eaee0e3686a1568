import type { Answer } from './answer.js'
import { Connection } from './connection.js'

const CONTACT_WITHIN_MS = 10_000

/** The server under test: its URL, and what its OPTIONS said. */
export interface Target {
  /** Where uploads are created. */
  readonly url: URL
  /** Headers that each request has, as an Authorization. */
  readonly headers: readonly string[]
  readonly extensions: readonly string[]
  /** Tus-Max-Size; undefined if there is none, or if it cannot be read. */
  readonly maxSize: bigint | undefined
  /** Tus-Checksum-Algorithm. */
  readonly algorithms: readonly string[]
}

/** Asks a server what it offers. Throws an Error with one line where it does not answer. */
export async function readTarget(url: URL, headers: readonly string[]): Promise<Target> {
  const answer = await options(url, headers)
  const list = (name: string): string[] =>
    (answer.get(name) ?? '')
      .split(',')
      .map((member) => member.trim())
      .filter((member) => member !== '')
  const size = answer.get('Tus-Max-Size') ?? ''
  return {
    url,
    headers,
    extensions: list('Tus-Extension'),
    maxSize: /^\d+$/.test(size) ? BigInt(size) : undefined,
    algorithms: list('Tus-Checksum-Algorithm'),
  }
}

async function options(url: URL, headers: readonly string[]): Promise<Answer> {
  const opened = Connection.open(url)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${url.href} did not answer OPTIONS within 10 s`)),
      CONTACT_WITHIN_MS,
    )
  })
  const exchange = async (): Promise<Answer> => {
    const connection = await opened
    await connection.write(requestHead('OPTIONS', url, headers))
    return await connection.answer('OPTIONS', `OPTIONS ${url.pathname}`)
  }
  try {
    return await Promise.race([exchange(), late])
  } finally {
    clearTimeout(timer)
    opened.then((connection) => connection.close()).catch(() => {})
  }
}

/** A request line and headers as they are given, with the empty line. */
export function requestHead(method: string, url: URL, headers: readonly string[]): string {
  return `${[`${method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`, ...headers].join('\r\n')}\r\n\r\n`
}
