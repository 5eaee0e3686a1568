import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { guarded } from '../errors.js'
import { has } from './internals.js'

/** From here on a body is worth a lane. */
export const LANE_FROM_BYTES = 128 * 1024
/** A body is read in pieces of at most a block of the arena. */
const BODY_READ_BYTES = 256 * 1024
/** As Node reads by itself. */
const OTHER_READ_BYTES = 64 * 1024

/** Every read of every lane lands here, and is used before the next one. */
const scratch = Buffer.allocUnsafeSlow(BODY_READ_BYTES)

/** Takes a body's bytes, which are lent to it: it keeps none of them when its listener returns. */
export interface Borrower {
  /** Bytes that it has a place for now; 0 where it does not know. */
  readonly roomBytes: number
}

const borrowers = new WeakMap<IncomingMessage, Borrower>()

/** Declares that the listeners of a request's 'data' keep none of the bytes they are given. */
export function lendTo(borrower: Borrower, request: IncomingMessage): void {
  borrowers.set(request, borrower)
}

/** Who borrows the bytes of a request's body; undefined where nobody does. */
export function borrowerOf(request: IncomingMessage): Borrower | undefined {
  return borrowers.get(request)
}

/** Tells whether bytes are lent: their memory is used again. */
export function isLent(bytes: Uint8Array): boolean {
  return bytes.buffer === scratch.buffer
}

export interface LaneTools {
  /**
   * Called with the bytes of a read that is shorter than what is left of the body. Returns false to have Node read
   * them in its way; then nothing has been done with them.
   */
  readonly take: (bytes: Buffer) => boolean
  /** What is left of the body that is being read; 0 between bodies. */
  readonly leftBytes: () => number
  readonly threw: (error: unknown) => void
}

/** What Node keeps on a socket, beyond its documentation. */
interface Handle {
  /** What a read is given to; the bytes lie in the buffer of `useUserBuffer`, or in the one that comes with it. */
  onread: (given: ArrayBuffer | undefined) => unknown
  readonly bytesRead: number
  useUserBuffer(buffer: Uint8Array): void
}

interface Parser {
  execute(bytes: Uint8Array): unknown
  [callback: number]: unknown
}

/**
 * The way of a long body past Node's copies.
 *
 * Node's parser copies each 64 KiB of a body into a new buffer. A lane reads a socket into one buffer that all share.
 * The parser still gets every byte of a connection, in order, and decides alone what is a head, a body or an error.
 * But within a body it hands nothing on: who reads the body is given the bytes where they lie.
 *
 * Every other read goes to Node's own function, as if there were no lane.
 */
export class Lane {
  readonly #socket: Socket
  readonly #tools: LaneTools
  readonly #handle: Handle
  readonly #parser: Parser
  readonly #onBody: number
  #borrower: Borrower | undefined
  #request: IncomingMessage | undefined
  #isPaused = false

  /** Undefined where this Node lacks what a lane needs. */
  static open(socket: Socket, tools: LaneTools): Lane | undefined {
    const handle: unknown = Reflect.get(socket, '_handle')
    const parser: unknown = Reflect.get(socket, 'parser')
    const onBody = bodyCallbackOf(parser)
    if (!isHandle(handle) || !isParser(parser) || onBody === undefined) return undefined
    return new Lane(socket, tools, handle, parser, onBody)
  }

  private constructor(socket: Socket, tools: LaneTools, handle: Handle, parser: Parser, onBody: number) {
    this.#socket = socket
    this.#tools = tools
    this.#handle = handle
    this.#parser = parser
    this.#onBody = onBody
    this.#listen()
  }

  /** Takes charge of a request's body. */
  enter(request: IncomingMessage, borrower: Borrower): void {
    if (request === this.#request) return
    this.#borrower = borrower
    this.#request = request
    // Node stops a socket only when it has one more chunk than it may keep.
    const pause = guarded(() => this.#pause(request), this.#tools.threw)
    const resume = guarded(() => this.#resume(request), this.#tools.threw)
    request.on('pause', pause).on('resume', resume)
  }

  /** Whoever reads the body has no place for more of it. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Lets Node read what follows. */
  leave(): void {
    this.#isPaused = false
    this.#request = undefined
    this.#borrower = undefined
  }

  #pause(request: IncomingMessage): void {
    // Behind its end the socket is the next request's.
    if (request !== this.#request || request.complete) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resume(request: IncomingMessage): void {
    if (request !== this.#request || !this.#isPaused) return
    this.#isPaused = false
    if (!this.#socket.destroyed) this.#socket.resume()
  }

  /** Hands a request the next bytes of its body. Returns false, and does nothing, where it does not take them at once. */
  give(request: IncomingMessage, bytes: Buffer): boolean {
    if (this.#socket.isPaused() || this.#socket.readableLength > 0) return false
    return this.giveKept(request, bytes)
  }

  /** The same, of bytes that were read before and kept while the socket was paused. */
  giveKept(request: IncomingMessage, bytes: Buffer): boolean {
    if (request !== this.#request || request.destroyed || request.complete) return false
    // What waits in a stream comes first, and one that is paused keeps what comes.
    if (request.readableFlowing !== true || request.readableLength > 0) return false
    this.#skip(bytes)
    // The parser has seen the end of the head elsewhere: these bytes are not all of this body.
    if (request.complete) throw new Error('the body ended before its length')
    request.emit('data', bytes)
    return true
  }

  /** The parser counts these bytes of a body, and makes no copy because nobody takes it. */
  #skip(bytes: Buffer): void {
    const onBody = this.#parser[this.#onBody]
    this.#parser[this.#onBody] = undefined
    try {
      if (this.#parser.execute(bytes) !== bytes.length) throw new Error('the parser took less than the body')
    } finally {
      this.#parser[this.#onBody] = onBody
    }
  }

  #listen(): void {
    const handle = this.#handle
    const nodes = handle.onread
    let seen = handle.bytesRead
    handle.useUserBuffer(scratch.subarray(0, OTHER_READ_BYTES))
    // What it returns is where the next read goes.
    handle.onread = (given) => {
      const bytes = handle.bytesRead - seen
      seen += bytes
      // The end, an error, or a read into a buffer of Node's.
      if (bytes === 0 || given !== undefined) return nodes.call(handle, given)
      if (this.#take(bytes)) return this.#next()
      nodes.call(handle, scratch.buffer.slice(0, bytes))
      return scratch.subarray(0, OTHER_READ_BYTES)
    }
  }

  #take(bytes: number): boolean {
    if (this.#request === undefined || this.#socket.destroyed) return false
    if (!(bytes < this.#tools.leftBytes())) return false
    try {
      return this.#tools.take(scratch.subarray(0, bytes))
    } catch (error) {
      this.#tools.threw(error)
      return true
    }
  }

  /** The last byte of a body goes Node's way: its parser then ends the body. */
  #next(): Buffer {
    const most = this.#request === undefined ? 0 : this.#tools.leftBytes() - 1
    if (!(most > 0)) return scratch.subarray(0, OTHER_READ_BYTES)
    return scratch.subarray(0, Math.min(most, this.#borrower?.roomBytes || OTHER_READ_BYTES, BODY_READ_BYTES))
  }
}

function bodyCallbackOf(parser: unknown): number | undefined {
  if (typeof parser !== 'object' || parser === null) return undefined
  const index: unknown = Reflect.get(parser.constructor, 'kOnBody')
  return typeof index === 'number' && has(parser, index) ? index : undefined
}

function isHandle(value: unknown): value is Handle {
  return (
    has(value, 'useUserBuffer') && has(value, 'onread') && typeof Reflect.get(value, 'bytesRead') === 'number'
  )
}

function isParser(value: unknown): value is Parser {
  return has(value, 'execute')
}
