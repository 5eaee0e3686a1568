import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { UploadError } from '../errors.js'

const MAX_HEADER_BYTES = 64 * 1024
const HEADERS_TIMEOUT_MS = 30_000
const LINGER_MS = 100
const KEEP_ALIVE_MS = 15_000

/** What requests are shown to. */
export interface Reception {
  serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void>
  refuseExpectation(request: IncomingMessage, response: ServerResponse): void
}

export interface ListenerTools {
  readonly headers: Readonly<Record<string, string>>
  readonly log: { error(fields: object, message: string): void }
}

/** The HTTP server: its limits, its sockets, and the requests that are being served. */
export class Listener {
  readonly #server: Server
  /** The last request of each connection that is being served: the next waits for it (RFC 9112, section 9.3.2). */
  readonly #serving = new Map<Duplex, Promise<void>>()

  /** `headers` go with the answer to what is not HTTP. */
  constructor(reception: Reception, tools: ListenerTools) {
    const begin = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
      // A connection that dies is an end like any other; whoever reads the body hears of it by 'close'.
      request.on('error', () => {})
      response.on('error', () => {})
      const { socket } = request
      const serve = () => reception.serve(request, response, expectsContinue)
      const before = this.#serving.get(socket)
      const served = (before ? before.then(serve) : serve()).finally(() => {
        if (this.#serving.get(socket) === served) this.#serving.delete(socket)
      })
      this.#serving.set(socket, served)
    }
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // It would include the body, and end every upload of more than five minutes; the intake has its own.
      requestTimeout: 0,
      noDelay: true,
      // We answer that ourselves, with a code word.
      requireHostHeader: false,
    })
    this.#server.on('request', (request, response) => begin(request, response, false))
    this.#server.on('checkContinue', (request, response) => begin(request, response, true))
    this.#server.on('checkExpectation', (request, response) => reception.refuseExpectation(request, response))
    this.#server.on('clientError', (error, socket) => refuseMalformed(error, socket, tools.headers))
    // Too many open files, for one: those that are connected go on.
    this.#server.on('error', (error) => tools.log.error({ err: error }, 'a connection could not be taken'))
  }

  /** Listens and resolves with the port. Rejects with the system's error. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        const address = this.#server.address()
        if (typeof address === 'object' && address !== null) resolve(address)
        else reject(new Error('the server listens on no port'))
      })
    })
  }

  /** Takes no new connections, and lets go of those that bring nothing. */
  refuseNew(): void {
    this.#server.close()
    this.#server.closeIdleConnections()
  }

  /** Resolves when every request has been served, or after `timeoutMs`; then ends every connection. */
  async close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([Promise.allSettled([...this.#serving.values()]), late])
    clearTimeout(timer)
    // A moment for the last answers to leave: destroying a socket drops what it has not sent.
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS))
    this.#server.closeAllConnections()
  }
}

/** What Node's parser cannot read gets an answer where it still can. */
function refuseMalformed(
  error: Error & { code?: string },
  socket: Duplex,
  headers: Readonly<Record<string, string>>,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const { status, text } = new UploadError(
    error.code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'request_malformed',
  )
  const fields = [
    `HTTP/1.1 ${status} ${status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'}`,
    'Content-Type: text/plain; charset=utf-8',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ]
  socket.end(`${fields.join('\r\n')}\r\n\r\n${text}`)
  // Read on for a moment, so that the answer is not lost to a reset; a sender that never closes is not waited for.
  socket.resume()
  setTimeout(() => socket.destroy(), LINGER_MS)
}
