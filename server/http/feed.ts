import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { guarded } from '../errors.js'
import { endOfBodySlice, endOfEmptyLines, endOfHead } from './slices.js'

/** From here on a body is worth the switch to Node's own reading, in bytes. */
const NATIVE_FROM_BYTES = 512 * 1024
/** Node's own reading ends so far before the body does: two of its reads. A read holds no second request then. */
const NATIVE_UNTIL_BYTES = 128 * 1024
/** Slices of a body that are parsed before all others have their turn: a read may hold thousands of small chunks. */
const SLICES_A_TURN = 32
/** Empty lines before a request count for no limit of Node's. */
const MOST_HEAD_BYTES = 128 * 1024

export interface FeedTools {
  /** Returns true while no further request may be parsed. */
  readonly isFull: () => boolean
  /** Called with the number of bytes that came from the socket, before they are parsed. */
  readonly came: (bytes: number) => void
  /** Called when the number of waiting bytes has changed. */
  readonly counted: () => void
  /** Returns true where a head may be parsed now, false where the connection has to take a turn first. */
  readonly mayParse: () => boolean
  /** Calls back in the connection's turn. */
  readonly takeTurn: (goOn: () => void) => void
  /** Called when more bytes have come than any head may have. */
  readonly overflowed: () => void
  /** Called with what the parser, or a listener below it, threw. */
  readonly threw: (error: unknown) => void
}

/**
 * What Node's HTTP server keeps on a socket, beyond its documentation. With `consume` the parser reads the socket
 * itself, which costs a quarter less CPU; `readStop` stops reading at once, without one more chunk in memory.
 */
interface Internals {
  readonly parser: { consume(handle: object): void; unconsume(): void; _consumed: boolean }
  readonly handle: { reading: boolean; readStart(): void; readStop(): void }
}

/**
 * Hands a connection's bytes to Node's parser, head by head.
 *
 * Node itself hands on all it read: 64 KiB may hold 3,600 requests, and each is an object of some kilobytes.
 * Here the parser gets no further head while enough requests wait; the rest is kept and the socket is not read.
 * Only within a long body of known length Node reads for itself, because that is faster.
 */
export class Feed {
  readonly #socket: Socket
  readonly #tools: FeedTools
  readonly #parse: (bytes: Buffer) => void
  #rest: Buffer | undefined
  #isHeld = false
  #isParsing = false
  #isOver = false
  /** The request that was parsed last, and what its Content-Length leaves to come; NaN where that is not known. */
  #last: { readonly request: IncomingMessage; remainingBytes: number; readonly isFinal: boolean } | undefined
  #native: Internals | undefined
  #headBytes = 0
  /** A head has begun and is not complete. */
  #isInHead = false

  /** Takes the place of the listener that Node's HTTP server has on the socket. */
  constructor(socket: Socket, tools: FeedTools) {
    this.#socket = socket
    this.#tools = tools
    const listeners = socket.listeners('data')
    this.#parse = (bytes) => {
      for (const listener of listeners) listener.call(socket, bytes)
    }
    socket.removeAllListeners('data')
    const resumed = (): void => {
      // Bodies resume the socket whoever holds it.
      if (this.#isHeld) socket.pause()
      else startReading(socket)
    }
    socket.on('data', guarded(this.#take, tools.threw))
    socket.on('pause', () => stopReading(socket))
    socket.on('resume', guarded(resumed, tools.threw))
    socket.on(
      'drain',
      guarded(() => this.goOn(), tools.threw),
    )
  }

  /** Bytes that were read and belong to no request yet. */
  get pendingBytes(): number {
    return this.#headBytes + (this.#rest?.length ?? 0)
  }

  /**
   * A head was parsed; its body follows. `isFinal` says that no further request may (RFC 9112, section 9.3).
   * Returns the bytes that were read for it.
   */
  began(request: IncomingMessage, isFinal: boolean): number {
    const bytes = this.#headBytes
    this.#headBytes = 0
    this.#isInHead = false
    const isChunked = request.headers['transfer-encoding'] !== undefined
    const remainingBytes = isChunked ? Number.NaN : Number(request.headers['content-length'] ?? 0)
    this.#last = { request, remainingBytes, isFinal }
    return bytes
  }

  /** Parses what waits, as far as it may: a request has been served, or the turn of the connection has come. */
  goOn(isItsTurn = false): void {
    if (this.#isParsing || this.#isOver) return
    if (this.#socket.destroyed) return void this.end()
    this.#isParsing = true
    try {
      for (let slices = 0; this.#rest && !this.#isOver; slices++) {
        if (this.#mustHold()) return void this.#hold()
        // In its turn a connection has at least one head parsed, whatever others have used up.
        const mayParse = (isItsTurn && slices === 0) || this.#isInBody || this.#tools.mayParse()
        if (slices === SLICES_A_TURN || !mayParse) return void this.#takeTurn()
        this.#next(this.#rest)
      }
    } catch (error) {
      this.#tools.threw(error)
    } finally {
      this.#isParsing = false
    }
    if (this.#isHeld) {
      this.#isHeld = false
      this.#socket.resume()
    }
    this.#readNatively()
  }

  /** A request was answered, perhaps before its body came to an end: what follows may be another one. */
  answered(): void {
    this.#leaveNative()
    // An idle connection keeps no request in memory.
    if (this.#last?.request.complete && !this.#last.isFinal) this.#last = undefined
  }

  /** Parses nothing more; what comes is dropped. */
  end(): void {
    this.#leaveNative()
    this.#isOver = true
    this.#rest = undefined
    this.#headBytes = 0
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#socket.resume()
  }

  readonly #take = (chunk: Buffer): void => {
    if (this.#isOver) return
    this.#tools.came(chunk.length)
    this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    // Counted before: the parser copies what is no whole head, and frees that only turns after the connection was cut.
    if (this.#isHeadUnfinished(this.#rest)) this.#tools.counted()
    this.goOn()
    this.#tools.counted()
  }

  get #isInBody(): boolean {
    return this.#last?.request.complete === false
  }

  #isHeadUnfinished(rest: Buffer): boolean {
    return !this.#isInBody && endOfHead(rest) === rest.length
  }

  #next(rest: Buffer): void {
    const last = this.#last
    const isInBody = last !== undefined && !last.request.complete
    if (!isInBody && last?.isFinal) return void this.end()
    const empty = isInBody || this.#isInHead ? 0 : endOfEmptyLines(rest)
    const end = empty || (isInBody ? endOfBodySlice(rest, last.remainingBytes) : endOfHead(rest))
    this.#rest = end < rest.length ? rest.subarray(end) : undefined
    if (isInBody) last.remainingBytes -= end
    else this.#headBytes += end
    if (this.#headBytes > MOST_HEAD_BYTES) return void this.#tools.overflowed()
    // The parser would drop them too, but in thousands of slices.
    if (empty > 0) return
    this.#isInHead = !isInBody
    this.#parse(end < rest.length ? rest.subarray(0, end) : rest)
  }

  #mustHold(): boolean {
    // Node asserts that it is handed nothing while its answers wait for a client that does not read.
    const nodeWaits = this.#socket.writableNeedDrain || Reflect.get(this.#socket, '_paused') === true
    return nodeWaits || this.#tools.isFull()
  }

  #takeTurn(): void {
    this.#hold()
    this.#tools.takeTurn(() => {
      this.goOn(true)
      this.#tools.counted()
    })
  }

  #hold(): void {
    this.#isHeld = true
    this.#socket.pause()
    stopReading(this.#socket)
  }

  #readNatively(): void {
    const last = this.#last
    if (!last || !(last.remainingBytes >= NATIVE_FROM_BYTES) || this.#isOver || this.#native) return
    if (last.request.complete || this.#socket.readableLength > 0 || this.#socket.isPaused()) return
    const internals = internalsOf(this.#socket)
    if (!internals) return
    this.#native = internals
    internals.parser._consumed = true
    internals.parser.consume(internals.handle)
    const { request } = last
    const push = request.push.bind(request)
    request.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
      // Node's own reading calls this, and no code of ours is above it.
      try {
        last.remainingBytes -= chunk?.length ?? 0
        if (last.remainingBytes <= NATIVE_UNTIL_BYTES) this.#leaveNative()
        return push(chunk, encoding)
      } catch (error) {
        this.#tools.threw(error)
        return false
      }
    }
  }

  #leaveNative(): void {
    const native = this.#native
    if (!native) return
    this.#native = undefined
    if (this.#last) Reflect.deleteProperty(this.#last.request, 'push')
    native.parser.unconsume()
    native.parser._consumed = false
  }
}

function stopReading(socket: Socket): void {
  const handle = handleOf(socket)
  if (!handle?.reading) return
  handle.reading = false
  handle.readStop()
}

function startReading(socket: Socket): void {
  const handle = handleOf(socket)
  if (!handle || handle.reading) return
  handle.reading = true
  handle.readStart()
}

function handleOf(socket: Socket): Internals['handle'] | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  return isHandle(handle) ? handle : undefined
}

function internalsOf(socket: Socket): Internals | undefined {
  const handle = handleOf(socket)
  const parser: unknown = Reflect.get(socket, 'parser')
  return handle && isParser(parser) ? { handle, parser } : undefined
}

function isHandle(value: unknown): value is Internals['handle'] {
  return has(value, 'readStop') && has(value, 'readStart')
}

function isParser(value: unknown): value is Internals['parser'] {
  return has(value, 'consume') && has(value, 'unconsume')
}

function has(value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
}
