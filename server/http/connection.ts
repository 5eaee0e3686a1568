import type { Socket } from 'node:net'
import { Fault, guarded, UploadError } from '../errors.js'
import type { HeaderFields } from '../model/answer.js'
import { watchEnd } from './answer-end.js'
import type { Exchange } from './exchange.js'
import { Feed } from './feed.js'
import { rawRefusalOf } from './refusal.js'

/** Requests of one connection that may wait for the one before them; beyond that the connection is not read. */
const MOST_WAITING = 8
const LINGER_MS = 100

/** What a connection is doing. It decides which one is closed when there are too many. */
export type Doing = 'silent' | 'head' | 'busy' | 'idle'

export interface ConnectionTools {
  /** Bodies of which so much is to come take the lane; Infinity for none. */
  readonly laneFromBytes: number
  /** Serves one request to its end. */
  readonly serve: (exchange: Exchange) => Promise<void>
  /** Returns true where a head may be parsed now, false where its connection has to take a turn first. */
  readonly mayParse: () => boolean
  /** Calls back in the turn of a connection or of its feed. */
  readonly takeTurn: (who: object, begin: () => void) => void
  /** The turn of a connection or of its feed is not waited for any more. */
  readonly leaveTurns: (who: object) => void
  readonly changed: (connection: Connection) => void
  /** Called with the bytes of each read, so that their buffers are collected in time. */
  readonly received: (bytes: number) => void
  /** Called once with what our own code threw for this connection, which has ended. */
  readonly fault: (error: unknown) => void
  /** Headers of the answer to what is not a request. */
  readonly headers: HeaderFields
}

/**
 * One connection: its requests are served one behind the other (RFC 9112, section 9.3.2), the next one when the
 * answer before it has left. Behind an answer that closes, and on a socket that has ended, nothing is served.
 */
export class Connection {
  readonly socket: Socket
  readonly #tools: ConnectionTools
  readonly #feed: Feed
  #doing: Doing = 'silent'
  #sinceMs = performance.now()
  #waiting: Array<{ readonly exchange: Exchange; readonly bytes: number }> = []
  #current: Exchange | undefined
  #serving: Promise<void> | undefined
  #refusal: (() => void) | undefined
  #isClosing = false
  #isOver = false
  #hasFailed = false

  constructor(socket: Socket, firstByteWithinMs: number, tools: ConnectionTools) {
    this.socket = socket
    this.#tools = tools
    this.#feed = new Feed(socket, {
      isFull: () => this.#waiting.length >= MOST_WAITING,
      laneFromBytes: tools.laneFromBytes,
      received: tools.received,
      came: () => this.#came(),
      counted: () => tools.changed(this),
      mayParse: tools.mayParse,
      takeTurn: (goOn) => tools.takeTurn(this.#feed, this.#guarded(goOn)),
      overflowed: () => this.refuse(new Error('too many bytes before a request')),
      threw: (error) => this.fail(error),
    })
    // Node ends a socket whose timeout nobody listens for.
    socket.setTimeout(firstByteWithinMs)
    socket.on(
      'close',
      this.#guarded(() => this.#end()),
    )
  }

  get doing(): Doing {
    return this.#doing
  }

  /** Milliseconds since `doing` changed. */
  get forMs(): number {
    return performance.now() - this.#sinceMs
  }

  /** The request that is being served; undefined between requests. Never rejects. */
  get serving(): Promise<void> | undefined {
    return this.#serving
  }

  /** Bytes that were read and are not being served yet. */
  get unservedBytes(): number {
    // What was read belongs to the body that is being served.
    if (this.#waiting.length === 0 && this.#current?.request.complete === false) return 0
    let bytes = this.#feed.pendingBytes
    for (const { exchange, bytes: head } of this.#waiting) bytes += head + exchange.request.readableLength
    return bytes
  }

  /** Serves a request whose head is complete, now or behind those before it. */
  begin(exchange: Exchange): void {
    // Without a listener an error would end the process. Whoever reads the body gets 'close' for a lost connection.
    const onError = (error: unknown): void => {
      if (error instanceof Fault) this.fail(error.cause)
    }
    exchange.request.on('error', onError)
    exchange.response.on('error', onError)
    const bytes = this.#feed.began(exchange.request, !exchange.response.shouldKeepAlive)
    if (this.#isOver) return
    if (this.#current || this.#waiting.length > 0) this.#waiting.push({ exchange, bytes })
    else this.#serve(exchange)
    this.#change('busy')
  }

  /** Refuses what is not HTTP, or came too late: sends the refusal behind the answers before it, and closes. */
  refuse(error: Error & { code?: string }): void {
    this.#feed.end()
    if (!this.socket.writable || error.code === 'ECONNRESET') return void this.cut()
    // Bytes behind a request with `Connection: close`: its own answer closes the connection.
    if (error.code === 'HPE_CLOSED_CONNECTION' && this.#current) return
    const last = this.#waiting.at(-1)?.exchange ?? this.#current
    const isBroken = last !== undefined && !last.request.complete
    if (isBroken) this.#waiting.pop()
    const refusal = (): void => this.#refuseNow(error)
    // Between two requests the next one may wait for its turn.
    const isFree = !this.#current && this.#waiting.length === 0
    if (isFree || (isBroken && last === this.#current)) refusal()
    else this.#refusal = refusal
  }

  /**
   * Ends the connection after the request that is being served, or at once where none is. Requests that wait are never
   * begun, as in nginx: nobody would wait for their answers, which could be cut in the middle. Clients send them again
   * (RFC 9112, section 9.3.1).
   */
  close(): void {
    this.#isClosing = true
    this.#waiting = []
    if (this.#doing !== 'busy') this.cut()
  }

  /** Ends the connection where it stands. */
  cut(): void {
    this.#end()
    this.socket.destroy()
  }

  /** Our own code threw: this connection ends, and no other. */
  fail(error: unknown): void {
    if (!this.#hasFailed) this.#tools.fault(error)
    this.#hasFailed = true
    this.cut()
  }

  #guarded(handler: () => void): () => void {
    return guarded(handler, (error) => this.fail(error))
  }

  #came(): void {
    if (this.#doing === 'silent') this.socket.setTimeout(0)
    if (this.#doing !== 'busy') this.#change('head')
  }

  #change(doing: Doing): void {
    if (doing !== this.#doing) this.#sinceMs = performance.now()
    this.#doing = doing
    this.#tools.changed(this)
  }

  #serve(exchange: Exchange): void {
    this.#current = exchange
    const taken = watchEnd(exchange, this.socket)
    const served = serving(this.#tools.serve, exchange).catch((error: unknown) => this.fail(error))
    this.#serving = served
    served
      .then(taken)
      .then(() => this.#next())
      .catch((error: unknown) => this.fail(error))
  }

  #next(): void {
    this.#current = undefined
    this.#serving = undefined
    this.#feed.answered()
    if (this.socket.destroyed || this.socket.writableEnded) return void this.#end()
    if (this.#isClosing) {
      this.#end()
      return void this.socket.destroySoon()
    }
    if (this.#waiting.length > 0)
      return void this.#tools.takeTurn(
        this,
        this.#guarded(() => this.#serveNext()),
      )
    if (this.#refusal) return void this.#refusal()
    this.#feed.goOn()
    if (!this.#current && !this.#isOver) this.#change(this.#feed.pendingBytes > 0 ? 'head' : 'idle')
  }

  #serveNext(): void {
    if (this.socket.destroyed || this.socket.writableEnded) return void this.#end()
    const next = this.#waiting.shift()
    if (next) this.#serve(next.exchange)
    this.#feed.goOn()
    if (next) this.#tools.changed(this)
    else this.#next()
  }

  #refuseNow(error: Error & { code?: string }): void {
    const current = this.#current
    this.#end()
    if (!this.socket.writable) return void this.socket.destroy()
    // A client that sends no head expects no answer. A second answer behind one that has begun would be read as
    // part of the first.
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' || current?.response.headersSent) closeGently(this.socket)
    else {
      const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'request_malformed'
      closeGently(this.socket, rawRefusalOf(new UploadError(code), this.#tools.headers))
    }
  }

  #end(): void {
    this.#isOver = true
    this.#waiting = []
    this.#refusal = undefined
    this.#tools.leaveTurns(this)
    this.#tools.leaveTurns(this.#feed)
    this.#feed.end()
  }
}

async function serving(serve: (exchange: Exchange) => Promise<void>, exchange: Exchange): Promise<void> {
  await serve(exchange)
}

/**
 * Closes a socket behind an answer. It is read for a moment longer, so that the answer is not lost to a reset; a
 * sender that never closes is not waited for.
 */
export function closeGently(socket: Socket, answer = ''): void {
  socket.end(answer)
  socket.resume()
  setTimeout(() => socket.destroy(), LINGER_MS)
}
