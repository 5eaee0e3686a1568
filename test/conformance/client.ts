import type { Answer } from './answer.js'
import { Failure, Skip } from './check.js'
import { Connection } from './connection.js'
import { expect, expectNumber, expectStatus } from './expect.js'
import { requestHead, type Target } from './target.js'

/** The header of every request but OPTIONS. */
export const VERSION = 'Tus-Resumable: 1.0.0'
/** The header of a body that goes into an upload. */
export const OFFSET_TYPE = 'Content-Type: application/offset+octet-stream'
/** The header of a body in chunks. */
export const CHUNKED = 'Transfer-Encoding: chunked'

/** The client of one check. Each request has its own connection, unless the check opens one. */
export class Client {
  readonly target: Target
  readonly #connections: Connection[] = []
  readonly #created = new Set<string>()
  #closed = false

  constructor(target: Target) {
    this.target = target
  }

  offers(extension: string): boolean {
    return this.target.extensions.includes(extension)
  }

  /** Opens a connection to the server of a URL, which ends with the check. */
  async connect(url = this.target.url): Promise<Connection> {
    const connection = await Connection.open(url)
    this.#connections.push(connection)
    if (this.#closed) connection.close()
    return connection
  }

  /** The head of a request as it goes over the wire, for checks that write by hand. */
  written(method: string, url: URL, headers: readonly string[]): string {
    return requestHead(method, url, [...this.target.headers, ...headers])
  }

  /** Sends one request, its headers as given; a Content-Length is added where a body has no length yet. */
  async ask(
    method: string,
    url: URL,
    headers: readonly string[],
    body?: string | Uint8Array,
  ): Promise<Answer> {
    const connection = await this.connect(url)
    const framed = headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))
    const length = body === undefined && method !== 'POST' ? undefined : Buffer.byteLength(body ?? '')
    const framing = framed || length === undefined ? [] : [`Content-Length: ${length}`]
    const head = this.written(method, url, [...headers, ...framing])
    // In one write: if the server answers early and closes, no bytes may arrive after its answer.
    await connection.write(Buffer.concat([Buffer.from(head), Buffer.from(body ?? '')]))
    const answer = await connection.answer(method, `${method} ${url.pathname}${url.search}`)
    connection.end()
    this.keep(answer)
    return answer
  }

  /** OPTIONS on the creation URL. */
  options(headers: readonly string[] = []): Promise<Answer> {
    return this.ask('OPTIONS', this.target.url, headers)
  }

  /** POST on the creation URL. */
  post(headers: readonly string[], body?: string | Uint8Array): Promise<Answer> {
    return this.ask('POST', this.target.url, [VERSION, ...headers], body)
  }

  /** Creates an upload of so many bytes; a length of null defers it. Returns its URL; skips the check if Tus-Max-Size is smaller. */
  async create(length: number | null, headers: readonly string[] = []): Promise<URL> {
    if (!this.offers('creation')) throw new Skip('the server has no creation, and an upload is needed')
    const { maxSize } = this.target
    if (length !== null && maxSize !== undefined && BigInt(length) > maxSize)
      throw new Skip(`an upload of ${length} bytes is needed, which is over Tus-Max-Size`)
    const answer = await this.post([lengthHeader(length), ...headers])
    expectStatus(answer, 201)
    return this.locationOf(answer)
  }

  /** Creates an upload and sends its first bytes. Returns its URL. */
  async begin(length: number | null, body: string, headers: readonly string[] = []): Promise<URL> {
    const url = await this.create(length, headers)
    expectStatus(await this.patch(url, 0, body), 204)
    return url
  }

  /** The upload's URL in the answer to its creation. */
  locationOf(answer: Answer): URL {
    const location = answer.get('Location')
    if (location === undefined || location === '') throw new Failure('a header Location', String(answer))
    if (!URL.canParse(location, this.target.url.href)) throw new Failure('a URL in Location', String(answer))
    return new URL(location, this.target.url.href)
  }

  /** HEAD on an upload. */
  head(url: URL): Promise<Answer> {
    return this.ask('HEAD', url, [VERSION])
  }

  /** The offset of an upload; fails if the answer to HEAD has none. */
  async offsetOf(url: URL): Promise<number> {
    const answer = await this.head(url)
    expect(answer.ok, 'an answer of 2xx', answer)
    return expectNumber(answer, 'Upload-Offset')
  }

  /** PATCH on an upload. */
  patch(
    url: URL,
    offset: number,
    body: string | Uint8Array,
    headers: readonly string[] = [],
  ): Promise<Answer> {
    return this.ask('PATCH', url, [VERSION, OFFSET_TYPE, `Upload-Offset: ${offset}`, ...headers], body)
  }

  /** DELETE on an upload. */
  remove(url: URL): Promise<Answer> {
    return this.ask('DELETE', url, [VERSION])
  }

  /**
   * GET on an upload. The specification does not mention it, so this waits for the end of the connection: some servers
   * do not survive a client that leaves after the last byte.
   */
  async download(url: URL): Promise<Answer> {
    const connection = await this.connect(url)
    await connection.write(this.written('GET', url, [VERSION, 'Connection: close']))
    const answer = await connection.answer('GET', `GET ${url.pathname}${url.search}`)
    await connection.ended()
    return answer
  }

  /** A URL that looks like the URL of an upload, but no upload has it. */
  unknownLike(url: URL): URL {
    const unknown = new URL(url.href)
    // The ends of what may be an id, or its parts: the front may be a date, or say which form it has.
    const ends = (text: string) =>
      text.replaceAll(/[a-z\d]{1,8}(?=$|[+.~&])/gi, (end) => [...end].map(other).join(''))
    const [, front = '', name = '', slash = ''] = /^(.*\/)([^/]+)(\/*)$/.exec(unknown.pathname) ?? []
    if (name !== '') unknown.pathname = front + ends(name) + slash
    unknown.search = ends(unknown.search)
    return unknown
  }

  /** The uploads that this check created, which are removed after it. */
  get created(): readonly URL[] {
    return [...this.#created].map((href) => new URL(href))
  }

  /** Ends its connections, and everything that waits for them. */
  close(): void {
    this.#closed = true
    for (const connection of this.#connections) connection.close()
  }

  /** Notes the upload that an answer created, so that it is removed after the check. */
  keep(answer: Answer): void {
    const location = answer.get('Location')
    if (answer.status !== 201 || location === undefined || !URL.canParse(location, this.target.url.href))
      return
    this.#created.add(new URL(location, this.target.url.href).href)
  }
}

/** The header with the length of a creation; null defers it. */
export function lengthHeader(length: number | null): string {
  return length === null ? 'Upload-Defer-Length: 1' : `Upload-Length: ${length}`
}

/** A body in chunks, followed by trailers. */
export function chunks(pieces: readonly string[], trailers: readonly string[] = []): string {
  const parts = pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`)
  return `${parts.join('')}0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`
}

/** Another character of the same kind: hexadecimal digits stay such. */
function other(character: string): string {
  const kinds = ['0123456789abcdef', '0123456789ABCDEF', 'ghijklmnopqrstuvwxyz', 'GHIJKLMNOPQRSTUVWXYZ']
  const kind = kinds.find((each) => each.includes(character)) ?? character
  return kind[(kind.indexOf(character) + 1) % kind.length] ?? character
}
