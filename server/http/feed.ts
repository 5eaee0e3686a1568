import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { guarded } from '../errors.js'
import { readNatively, startReading, stopReading } from './internals.js'
import { borrowerOf, Lane } from './lane.js'
import { endOfBodySlice, endOfEmptyLines, endOfHead, startOfEmptyLine } from './slices.js'

/** From here on a body is worth the switch to Node's own reading, in bytes. */
const NATIVE_FROM_BYTES = 512 * 1024
/** Node's own reading ends so far before the body does: two of its reads. A read holds no second request then. */
const NATIVE_UNTIL_BYTES = 128 * 1024
/** Slices of a body that are parsed before all others have their turn: a read may hold thousands of small chunks. */
const SLICES_A_TURN = 32
/** Empty lines before a request count for no limit of Node's. */
const MOST_HEAD_BYTES = 128 * 1024

export interface FeedTools {
  /** Bodies of which so much is to come take the lane; Infinity for none. */
  readonly laneFromBytes: number
  /** Returns true while no further request may be parsed. */
  readonly isFull: () => boolean
  /** Called with the bytes of each read, so that their buffers are collected in time. */
  readonly received: (bytes: number) => void
  /** Called when bytes have come from the socket, before they are parsed. */
  readonly came: () => void
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

/** A request that was parsed. */
interface Parsed {
  readonly request: IncomingMessage
  /** What its Content-Length leaves to come; NaN where that is not known. */
  remainingBytes: number
  readonly isFinal: boolean
  /** The first bytes of its body have waited for whoever reads it. */
  hasWaited: boolean
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
  /** The request that was parsed last. */
  #last: Parsed | undefined
  #endNative: (() => void) | undefined
  #lane: Lane | undefined
  #headBytes = 0
  /** The last bytes of a head that may have begun; none between requests. */
  #begun = ''
  /** The parser has a head, and nothing of what follows it. */
  #isCutAtHead = false

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
    const isKnown = this.#isCutAtHead && request.headers['transfer-encoding'] === undefined
    const remainingBytes = isKnown ? Number(request.headers['content-length'] ?? 0) : Number.NaN
    this.#last = { request, remainingBytes, isFinal, hasWaited: false }
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
        if (this.#mustWaitForReader()) return void this.#waitForReader()
        this.#next(this.#rest)
      }
    } catch (error) {
      this.#tools.threw(error)
    } finally {
      this.#isParsing = false
    }
    if (this.#isHeld) {
      this.#isHeld = false
      if (!this.#lane?.isPaused) this.#socket.resume()
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
    this.#tools.received(chunk.length)
    this.#tools.came()
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
    return !this.#isInBody && endOfHead(rest, this.#begun) === rest.length
  }

  #next(rest: Buffer): void {
    const last = this.#last
    const isInBody = last !== undefined && !last.request.complete
    if (!isInBody && last?.isFinal) return void this.end()
    const empty = isInBody || this.#begun ? 0 : endOfEmptyLines(rest)
    const end = empty || (isInBody ? endOfBodySlice(rest, last.remainingBytes) : endOfHead(rest, this.#begun))
    this.#rest = end < rest.length ? rest.subarray(end) : undefined
    if (isInBody) last.remainingBytes -= end
    else this.#headBytes += end
    if (this.#headBytes > MOST_HEAD_BYTES) return void this.#tools.overflowed()
    // The parser would drop them too, but in thousands of slices.
    if (empty > 0) return
    const slice = end < rest.length ? rest.subarray(0, end) : rest
    this.#isCutAtHead = !isInBody
    if (!isInBody || last.remainingBytes === 0 || !this.#lane?.giveKept(last.request, slice))
      this.#parse(slice)
    // A slice of a body in chunks may hold a part of the next head.
    this.#begun = isInBody && last.remainingBytes === 0 ? '' : startOfEmptyLine(slice, this.#begun)
  }

  #mustHold(): boolean {
    // Node asserts that it is handed nothing while its answers wait for a client that does not read.
    const nodeWaits = this.#socket.writableNeedDrain || Reflect.get(this.#socket, '_paused') === true
    return nodeWaits || this.#tools.isFull()
  }

  /** Whoever reads a body has come a turn of the event loop after its head, and may take its bytes where they lie. */
  #mustWaitForReader(): boolean {
    const last = this.#last
    if (!last || last.hasWaited || last.request.complete) return false
    return last.remainingBytes >= this.#tools.laneFromBytes && this.#enterLane(last.request)
  }

  #waitForReader(): void {
    if (this.#last) this.#last.hasWaited = true
    this.#hold()
    setImmediate(guarded(() => this.goOn(), this.#tools.threw))
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

  /** Reads a long body in the fastest way there is. */
  #readNatively(): void {
    const last = this.#last
    if (!last || last.request.complete || this.#isOver || this.#endNative) return
    if (this.#socket.readableLength > 0 || this.#socket.isPaused()) return
    if (last.remainingBytes >= this.#tools.laneFromBytes && this.#enterLane(last.request)) return
    // What a lane reads is not where Node's parser would look for it.
    if (this.#lane || !(last.remainingBytes >= NATIVE_FROM_BYTES)) return
    const took = (bytes: number): void => {
      this.#tools.received(bytes)
      last.remainingBytes -= bytes
      if (last.remainingBytes <= NATIVE_UNTIL_BYTES) this.#leaveNative()
    }
    this.#endNative = readNatively(this.#socket, last.request, took, this.#tools.threw)
  }

  #enterLane(request: IncomingMessage): boolean {
    const borrower = borrowerOf(request)
    if (!borrower) return false
    this.#lane ??= Lane.open(this.#socket, {
      leftBytes: () => this.#last?.remainingBytes ?? 0,
      take: this.#takeLent,
      threw: this.#tools.threw,
    })
    this.#lane?.enter(request, borrower)
    return this.#lane !== undefined
  }

  readonly #takeLent = (bytes: Buffer): boolean => {
    const last = this.#last
    if (!last || this.#isOver || this.#isHeld || this.#isParsing || this.#rest || this.#mustHold())
      return false
    last.remainingBytes -= bytes.length
    const isTaken = this.#lane?.give(last.request, bytes) ?? false
    if (!isTaken) last.remainingBytes += bytes.length
    return isTaken
  }

  #leaveNative(): void {
    this.#lane?.leave()
    const end = this.#endNative
    this.#endNative = undefined
    end?.()
  }
}
