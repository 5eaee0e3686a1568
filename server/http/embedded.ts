import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Fault, UploadError } from '../errors.js'
import { watchEnd } from './answer-end.js'
import { Exchange, type Expectation } from './exchange.js'
import type { ListenerTools } from './listener.js'
import { SmallChunks } from './small-chunks.js'

const LINGER_MS = 100

export type EmbeddedTools = Pick<ListenerTools, 'headers' | 'limit' | 'received' | 'log'>

/**
 * Takes requests from the HTTP server of an application. It owns none of the sockets: heads, idle connections and
 * their limits are that server's. What is limited here is how many requests are served at once.
 */
export class Embedded {
  readonly connections: Pick<Embedded, 'open' | 'limit' | 'faults'> = this
  readonly #serve: (exchange: Exchange) => Promise<void>
  readonly #tools: EmbeddedTools
  readonly #smallChunks = new SmallChunks()
  /** The last request of each connection, until it has been served. */
  readonly #lastOf = new WeakMap<Socket, Promise<void>>()
  readonly #inHand = new Map<Exchange, Promise<void>>()
  #isClosed = false
  #hasWarned = false
  #faults = 0

  constructor(serve: (exchange: Exchange) => Promise<void>, tools: EmbeddedTools) {
    this.#serve = serve
    this.#tools = tools
  }

  /** Requests in hand; with an application's server they are what connections are elsewhere. */
  get open(): number {
    return this.#inHand.size
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
    // Its sockets are not those of a connection, and cannot be read slower.
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

  /** Resolves when every request has been served, or after `timeoutMs`; then ends the connections of the others. */
  async close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([Promise.all(this.#inHand.values()), late])
    clearTimeout(timer)
    if (this.#inHand.size === 0) return
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS))
    for (const exchange of this.#inHand.keys()) exchange.cut()
  }

  #take(exchange: Exchange): Promise<void> {
    const { request, response } = exchange
    const { socket } = request
    // Express takes the path at which a handler is mounted from `url`.
    const original: unknown = Reflect.get(request, 'originalUrl')
    if (typeof original === 'string') request.url = original
    const onError = (error: unknown): void => {
      if (error instanceof Fault) this.#fail(exchange, error.cause)
    }
    request.on('error', onError)
    response.on('error', onError)
    this.#warnOfTimeout(socket)
    if (!request.complete) {
      countReads(request, this.#tools.received)
      this.#smallChunks.watch(request)
    }
    // Requests of one connection are served one behind the other, as by the listener.
    const before = this.#lastOf.get(socket)
    const isOver = this.#inHand.size >= this.#tools.limit
    const serve = (): Promise<void> => this.#serveOne(exchange, isOver)
    const served = (before ? before.then(serve) : serve()).then(() => void this.#inHand.delete(exchange))
    this.#lastOf.set(socket, served)
    this.#inHand.set(exchange, served)
    return served
  }

  async #serveOne(exchange: Exchange, isOver: boolean): Promise<void> {
    const { request, response } = exchange
    const { socket } = request
    if (response.destroyed || socket.destroyed || socket.writableEnded) return
    const taken = watchEnd(exchange, socket)
    try {
      const refusal = this.#refusalOf(request, isOver)
      if (refusal) exchange.send(exchange.refusalOf(refusal, this.#tools.headers))
      else await this.#serve(exchange)
      await taken()
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #refusalOf(request: IncomingMessage, isOver: boolean): UploadError | undefined {
    if (this.#isClosed) return new UploadError('shutting_down')
    if (isOver) return new UploadError('connections_full')
    if (!hasBody(request) || !request.readableDidRead) return undefined
    this.#tools.log.error(
      { method: request.method, url: request.url },
      'the application has read the body of this request: mount Lading before what reads bodies',
    )
    return new UploadError('internal')
  }

  #fail(exchange: Exchange, error: unknown): void {
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

/** Node has answered `Expect: 100-continue` unless the application listens for it. */
function expectationOf(request: IncomingMessage, response: ServerResponse): Expectation {
  const { expect = '' } = request.headers
  const isOpen = /^100-continue$/i.test(expect.trim()) && Reflect.get(response, '_sent100') !== true
  return isOpen ? 'continue' : 'nothing'
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** The buffers of a body are collected in time. */
function countReads(request: IncomingMessage, received: (bytes: number) => void): void {
  const push = request.push.bind(request)
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) received(chunk.length)
    return push(chunk, encoding)
  }
}

async function refuseHttp2(response: ServerResponse): Promise<void> {
  response.writeHead(505, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end('Lading takes HTTP/1.1 from an application\n')
}
