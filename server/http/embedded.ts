import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Fault, UploadError } from '../errors.js'
import { watchEnd } from './answer-end.js'
import { Exchange, type Expectation } from './exchange.js'
import { countReads, hasBody, isTouched } from './given-body.js'
import { Lines } from './lines.js'
import type { ListenerTools } from './listener.js'
import { SmallChunks } from './small-chunks.js'

const LINGER_MS = 100
export type EmbeddedTools = Pick<ListenerTools, 'headers' | 'limit' | 'received' | 'log'>

/**
 * Takes requests from the HTTP server of an application. It owns none of the sockets: heads, idle connections and
 * their limits are that server's. What is limited here is how many connections have requests here at once.
 */
export class Embedded {
  readonly connections: Pick<Embedded, 'open' | 'limit' | 'faults'> = this
  readonly #serve: (exchange: Exchange) => Promise<void>
  readonly #tools: EmbeddedTools
  readonly #smallChunks = new SmallChunks()
  readonly #lines: Lines
  /** Requests that are served, each until its answer was taken; the promise is that of serving it. */
  readonly #inHand = new Map<Exchange, Promise<void>>()
  /** Requests that were served or have failed: a further fault is no news, and their connection may be another's. */
  readonly #ended = new WeakSet<Exchange>()
  #isClosed = false
  #hasWarned = false
  #faults = 0

  constructor(serve: (exchange: Exchange) => Promise<void>, tools: EmbeddedTools) {
    this.#serve = serve
    this.#tools = tools
    this.#lines = new Lines(tools.limit)
  }

  /** Connections with a request here, those that are refused not counted. */
  get open(): number {
    return this.#lines.open
  }

  get limit(): number {
    return this.#tools.limit
  }

  /** Requests whose connection ended because our own code threw. */
  get faults(): number {
    return this.#faults
  }

  /** Serves one request of the application's server; resolves when its answer was taken, and never rejects. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // The requests of an HTTP/2 connection share its socket, so one upload alone cannot be slowed down.
    if (request.httpVersionMajor !== 1) return refuseHttp2(response)
    const exchange = new Exchange(request, response, expectationOf(request, response))
    try {
      return this.#take(exchange)
    } catch (error) {
      this.#fail(exchange, error)
      return Promise.resolve()
    }
  }

  /** Answers every further request with 503. */
  refuseNew(): void {
    this.#isClosed = true
  }

  /**
   * Resolves when the requests that are being served now have been, or after `timeoutMs`; then ends the connections on
   * which they still are. Requests that come or begin meanwhile are answered with 503, and not waited for.
   */
  async close(timeoutMs: number): Promise<void> {
    const running = new Map(this.#inHand)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([Promise.allSettled(running.values()), late])
    clearTimeout(timer)
    if (![...running.keys()].some((exchange) => this.#inHand.has(exchange))) return
    // A moment for the last answers to leave. The rest of a body that was stopped is not waited for.
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS))
    for (const exchange of running.keys()) if (this.#inHand.has(exchange)) exchange.cut()
  }

  #take(exchange: Exchange): Promise<void> {
    const { request, response } = exchange
    const { socket } = request
    const isWhole = !hasBody(request) || !isTouched(request)
    // Express takes the path at which a handler is mounted from `url`.
    const original: unknown = Reflect.get(request, 'originalUrl')
    if (typeof original === 'string') request.url = original
    const onError = (error: unknown): void => {
      if (error instanceof Fault) this.#fail(exchange, error.cause)
    }
    request.on('error', onError)
    response.on('error', onError)
    // Node goes on to parse what one read has brought.
    if (socket.destroyed) return Promise.resolve()
    this.#warnOfTimeout(socket)
    if (!request.complete) {
      countReads(request, this.#tools.received)
      this.#smallChunks.watch(request)
    }
    const served = this.#lines.add(socket, (isOver) => this.#serveOne(exchange, isOver, isWhole))
    if (!served) exchange.cut()
    return served ?? Promise.resolve()
  }

  async #serveOne(exchange: Exchange, isOver: boolean, isWhole: boolean): Promise<void> {
    const { request, response } = exchange
    const { socket } = request
    if (!response.socket && !response.writableFinished) await turnOf(response, socket)
    if (response.destroyed || socket.destroyed || socket.writableEnded) return
    const taken = watchEnd(exchange, socket)
    const serving = this.#answer(exchange, isOver, isWhole)
    this.#inHand.set(exchange, serving)
    try {
      await serving
      await taken()
    } catch (error) {
      this.#fail(exchange, error)
    }
    this.#inHand.delete(exchange)
    this.#ended.add(exchange)
  }

  async #answer(exchange: Exchange, isOver: boolean, isWhole: boolean): Promise<void> {
    const { headers } = this.#tools
    const refusal = this.#refusalOf(exchange.request, isOver, isWhole)
    // A long body is not read on where there is no place for it.
    if (refusal)
      exchange.send(exchange.refusalOf(refusal, isOver ? { ...headers, Connection: 'close' } : headers))
    else await this.#serve(exchange)
  }

  #refusalOf(request: IncomingMessage, isOver: boolean, isWhole: boolean): UploadError | undefined {
    if (this.#isClosed) return new UploadError('shutting_down')
    if (isOver) return new UploadError('connections_full')
    if (isWhole) return undefined
    this.#tools.log.error(
      { method: request.method, url: request.url },
      'the application reads the body of this request: mount Lading before what reads bodies',
    )
    return new UploadError('internal')
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (this.#ended.has(exchange)) return
    this.#ended.add(exchange)
    this.#faults += 1
    this.#tools.log.error({ err: error }, 'a fault in a request; its connection was ended')
    exchange.cut()
  }

  /** Node ends a request after five minutes unless its server says otherwise, also one that still brings bytes. */
  #warnOfTimeout(socket: Socket): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    const server: unknown = Reflect.get(socket, 'server')
    const ms: unknown = typeof server === 'object' && server !== null && Reflect.get(server, 'requestTimeout')
    if (typeof ms !== 'number' || ms === 0) return
    this.#tools.log.error(
      { requestTimeoutMs: ms },
      'the server of the application ends longer uploads: set its requestTimeout to 0',
    )
  }
}

/**
 * Resolves when the answers before this one have left, or the connection has ended: Node tells a response that is not
 * at its turn nothing of the latter.
 */
function turnOf(response: ServerResponse, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      response.off('socket', over)
      socket.off('close', over)
      resolve()
    }
    if (socket.destroyed) return resolve()
    response.on('socket', over)
    socket.on('close', over)
  })
}

/** Node has answered `Expect: 100-continue` unless the application listens for it. */
function expectationOf(request: IncomingMessage, response: ServerResponse): Expectation {
  // It has no such answers (RFC 9110, section 15.2).
  if (request.httpVersionMinor === 0) return 'nothing'
  const { expect = '' } = request.headers
  const isOpen = /^100-continue$/i.test(expect.trim()) && Reflect.get(response, '_sent100') !== true
  return isOpen ? 'continue' : 'nothing'
}

async function refuseHttp2(response: ServerResponse): Promise<void> {
  response.writeHead(505, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end('Lading takes HTTP/1.1 from an application\n')
}
