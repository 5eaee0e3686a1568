import { IncomingMessage } from 'node:http'
import { faultOf, guarded } from '../errors.js'

/** Larger chunks pass as they are. */
const SMALL_BYTES = 4096
const GATHERED_BYTES = 16 * 1024
/** So many small chunks of a connection in one turn of the event loop, then others have theirs. */
const CHUNKS_A_TURN = 512
const CLOCK_EVERY_CHUNKS = 64
/** A body of more small chunks than this is cut where they bring less than so many bytes each; clients resume. */
const MOST_CRUMBS = 100_000
const CRUMB_BYTES = 16
/** For each millisecond that small chunks take, so many go to everything else. */
const REST = 4

/**
 * Bodies in small chunks (RFC 9112, section 7.1). Node's parser hands over each chunk by itself, up to ten thousand
 * of them from one read, and reads a socket up to 32 times in one turn: ten such senders stop everybody for seconds.
 *
 * So small chunks are gathered before a stream sees them, and a connection that brought many of them in one turn is
 * not read for four times as long as they took. Such rests follow each other, so that all senders of small chunks
 * together have a fifth of the time. Other bodies pass untouched.
 */
export class SmallChunks {
  /** When the rest of the last connection ends. */
  #restsUntilMs = 0

  /** Takes charge of a request's body before its first byte is seen. */
  watch(request: IncomingMessage): void {
    if (request.headers['transfer-encoding'] !== undefined) gather(request, (tookMs) => this.#rest(tookMs))
  }

  /** Milliseconds to rest after small chunks took so long. */
  #rest(tookMs: number): number {
    const nowMs = performance.now()
    this.#restsUntilMs = Math.max(this.#restsUntilMs, nowMs) + REST * tookMs
    return this.#restsUntilMs - nowMs
  }
}

function gather(request: IncomingMessage, rest: (tookMs: number) => number): void {
  const { socket } = request
  const push = request.push.bind(request)
  const flush = guarded(() => void body.flush(), faultOf(request))
  const leave = (): void => void socket.off('end', flush).off('close', flush)
  const body = new GatheredBody(request, { push, rest, ended: leave })
  request.push = (chunk: unknown) => body.push(chunk)
  request._read = () => body.read()
  // Before Node's own listeners, which destroy the request: what came before the end was received.
  socket.prependListener('end', flush).prependListener('close', flush)
  request.once('close', leave)
}

interface BodyTools {
  /** Hands a chunk to the stream, or its end as null. False where the stream has enough. */
  push(chunk: unknown): boolean
  /** Milliseconds to rest after small chunks took so long. */
  rest(tookMs: number): number
  /** Called at the end of the body. */
  ended(): void
}

/** One request's body between the parser and the stream. */
class GatheredBody {
  readonly #request: IncomingMessage
  readonly #tools: BodyTools
  /** The only small chunk so far; a copy would cost more than it saves. */
  #first: Uint8Array | undefined
  #gathered: Buffer | undefined
  #bytes = 0
  /** Small chunks in this turn of the event loop, and when the first and about the last of them came. */
  #chunks = 0
  #sinceMs = 0
  #untilMs = 0
  /** Small chunks of the whole body, and their bytes. */
  #allChunks = 0
  #allBytes = 0
  #timer: NodeJS.Timeout | undefined
  #isResting = false
  /** The stream asked for more while the connection rested. */
  #isWanted = false
  #hasEnded = false

  constructor(request: IncomingMessage, tools: BodyTools) {
    this.#request = request
    this.#tools = tools
  }

  /** Takes a chunk from the parser. False where the socket is to be read no further for now. */
  push(chunk: unknown): boolean {
    if (!(chunk instanceof Uint8Array) || chunk.length >= SMALL_BYTES) {
      const hasRoom = this.flush()
      if (chunk === null) this.#end()
      return this.#tools.push(chunk) && hasRoom
    }
    if (this.#chunks === 0) this.#beginTurn()
    this.#chunks += 1
    this.#allBytes += chunk.length
    if (this.#chunks % CLOCK_EVERY_CHUNKS === 0) this.#untilMs = performance.now()
    const hasRoom = this.#add(chunk)
    // Returned once: the parser stops the socket, and hands over what it has read already.
    if (this.#chunks === CHUNKS_A_TURN) this.#isResting = true
    return hasRoom && this.#chunks !== CHUNKS_A_TURN
  }

  /** The stream asks for more: the socket is read, unless it rests. */
  read(): void {
    if (this.#isResting) this.#isWanted = true
    else IncomingMessage.prototype._read.call(this.#request, 0)
  }

  /** Hands over what was gathered. False where the stream has enough. */
  flush(): boolean {
    const gathered = this.#bytes > 0 ? this.#gathered?.subarray(0, this.#bytes) : this.#first
    this.#gathered = this.#first = undefined
    this.#bytes = 0
    return gathered === undefined || this.#tools.push(gathered)
  }

  #end(): void {
    this.#hasEnded = true
    this.#tools.ended()
  }

  #add(chunk: Uint8Array): boolean {
    if (this.#first === undefined && this.#bytes === 0) {
      this.#first = chunk
      return true
    }
    const hasRoom = this.#bytes + SMALL_BYTES <= GATHERED_BYTES - SMALL_BYTES || this.flush()
    this.#gathered ??= Buffer.allocUnsafeSlow(GATHERED_BYTES)
    if (this.#first) this.#copy(this.#gathered, this.#first)
    this.#first = undefined
    this.#copy(this.#gathered, chunk)
    return hasRoom
  }

  #copy(gathered: Buffer, chunk: Uint8Array): void {
    // One byte is what an attack sends; set takes several times as long for it.
    if (chunk.length === 1) gathered[this.#bytes] = chunk[0] ?? 0
    else gathered.set(chunk, this.#bytes)
    this.#bytes += chunk.length
  }

  #beginTurn(): void {
    this.#sinceMs = this.#untilMs = performance.now()
    setImmediate(guarded(() => this.#endTurn(), faultOf(this.#request)))
  }

  #endTurn(): void {
    this.#allChunks += this.#chunks
    this.#chunks = 0
    const { socket } = this.#request
    if (!this.flush()) socket.pause()
    // Else what lies in the system's buffers of a sender that has left would hold its slot for a minute.
    if (this.#allChunks > MOST_CRUMBS && this.#allBytes < this.#allChunks * CRUMB_BYTES) socket.destroy()
    if (!this.#isResting || this.#timer || socket.destroyed) return
    const restMs = this.#tools.rest(this.#untilMs - this.#sinceMs)
    this.#timer = setTimeout(
      guarded(() => this.#endRest(), faultOf(this.#request)),
      restMs,
    ).unref()
    // With the end of a body Node reads on for the next request; the rest is the connection's, not the body's.
    if (this.#hasEnded) socket.pause()
  }

  #endRest(): void {
    this.#timer = undefined
    this.#isResting = false
    const { socket } = this.#request
    if (socket.destroyed) return
    if (this.#hasEnded) socket.resume()
    else if (this.#isWanted) this.read()
    this.#isWanted = false
  }
}
