import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { guarded } from '../errors.js'
import type { HeaderFields } from '../model/answer.js'
import { Connections } from './connections.js'
import { Exchange, type Expectation } from './exchange.js'
import { SmallChunks } from './small-chunks.js'

const MAX_HEADER_BYTES = 64 * 1024
const HEADERS_WITHIN_MS = 30_000
const CHECK_EVERY_MS = 5_000
const LINGER_MS = 100
const REPORT_EVERY_MS = 5_000

export interface ListenerTools {
  /** Headers of the answer to what is not HTTP. */
  readonly headers: HeaderFields
  /** Bodies of which so much is to come take the lane; Infinity for none. */
  readonly laneFromBytes: number
  /** Connections at once. */
  readonly limit: number
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number
  /** Called with the bytes of each read, so that their buffers are collected in time. */
  readonly received: (bytes: number) => void
  readonly log: { error(fields: object, message: string): void }
}

/** The HTTP server: its address, its limits, and its connections. */
export class Listener {
  readonly connections: Connections
  readonly #server: Server
  readonly #log: ListenerTools['log']
  #state: 'new' | 'listening' | 'closed' = 'new'
  #notTaken = 0
  #notTakenUntilMs = 0

  constructor(serve: (exchange: Exchange) => Promise<void>, tools: ListenerTools) {
    this.#log = tools.log
    this.connections = new Connections({
      limit: tools.limit,
      laneFromBytes: tools.laneFromBytes,
      log: tools.log,
      received: tools.received,
      headers: tools.headers,
      serve,
    })
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      keepAliveTimeout: tools.keepAliveMs,
      // It would include the body, and end every upload of more than five minutes; the intake has its own.
      requestTimeout: 0,
      noDelay: true,
      // We answer that ourselves, with a code word.
      requireHostHeader: false,
    })
    const smallChunks = new SmallChunks()
    const begin = (request: IncomingMessage, response: ServerResponse, expects: Expectation): void => {
      this.#guard(request.socket, () => {
        smallChunks.watch(request)
        this.connections.of(request.socket)?.begin(new Exchange(request, response, expects))
      })
    }
    this.#server.on('connection', (socket) => this.#guard(socket, () => this.connections.add(socket)))
    this.#server.on('request', (request, response) => begin(request, response, 'nothing'))
    this.#server.on('checkContinue', (request, response) => begin(request, response, 'continue'))
    this.#server.on('checkExpectation', (request, response) => begin(request, response, 'unknown'))
    this.#server.on('clientError', (error, socket: Socket) => {
      const connection = this.connections.of(socket)
      if (connection) this.#guard(socket, () => connection.refuse(error))
      else socket.destroy()
    })
    // CONNECT: Node no longer counts such a connection, nor the requests before it.
    this.#server.on('connect', (request) => this.connections.of(request.socket)?.cut())
    this.#server.on('error', (error) => this.#couldNotTake(error))
  }

  /** Listens and resolves with the port. Rejects with the system's error, when called twice, and once closed. */
  listen(host: string, port: number): Promise<AddressInfo> {
    if (this.#state !== 'new')
      return Promise.reject(
        new Error(`the server ${this.#state === 'closed' ? 'is closed' : 'listens already'}`),
      )
    this.#state = 'listening'
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        this.#server.off('error', failed).off('close', closed)
        end()
      }
      const failed = (error: Error): void => {
        if (this.#state === 'listening') this.#state = 'new'
        settle(() => reject(error))
      }
      const closed = (): void => settle(() => reject(new Error('the server was closed before it listened')))
      this.#server.once('error', failed).once('close', closed)
      this.#server.listen(port, host, () => {
        const address = this.#server.address()
        // It was closed while the name of the host was being resolved.
        if (this.#state === 'closed') this.#server.close()
        if (typeof address === 'object' && address !== null) settle(() => resolve(address))
        else closed()
      })
    })
  }

  /** Takes no new connections, and closes those that bring nothing. */
  refuseNew(): void {
    this.#state = 'closed'
    this.#server.close()
    this.connections.close()
  }

  /** Resolves when every request has been served, or after `timeoutMs`; then ends every connection. */
  async close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([this.connections.served(), late])
    clearTimeout(timer)
    // A moment for the last answers to leave: destroying a socket drops what it has not sent.
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS))
    this.connections.cut()
    this.#server.closeAllConnections()
  }

  #guard(socket: Socket, work: () => void): void {
    guarded(work, (error) => this.connections.fail(socket, error))()
  }

  /** For example at the limit of open files: one connection that brings nothing is closed, the others go on. */
  #couldNotTake(error: Error): void {
    if (!this.#server.listening) return
    this.connections.evict()
    this.#notTaken += 1
    const nowMs = performance.now()
    if (nowMs < this.#notTakenUntilMs) return
    this.#notTakenUntilMs = nowMs + REPORT_EVERY_MS
    this.#log.error({ err: error, connections: this.#notTaken }, 'connections could not be taken')
    this.#notTaken = 0
  }
}
