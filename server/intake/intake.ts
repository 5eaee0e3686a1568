import type { Readable } from 'node:stream'
import { faultOf, guarded } from '../errors.js'
import type { Block, BlockSink, Body, BodyEnd, BodyStop } from '../model/body.js'
import { Batches } from './batches.js'
import type { Filling, IntakeTools } from './intake-tools.js'
import { Pace } from './pace.js'

const SHIP_AFTER_MS = 500

const NOTHING = new Uint8Array(0)

/**
 * Reads one request's body into blocks of the arena and hands them to a sink.
 *
 * The socket is read only while there is a block to read into. A block goes on when it is full, when the
 * body ends, or after half a second; the sink gets all that gathered while it was busy as one batch.
 */
export class Intake implements Body {
  readonly #source: Readable
  readonly #tools: IntakeTools
  readonly #pace: Pace
  #sink: BlockSink | undefined
  #roomBytes = 0
  #receivedBytes = 0

  #current: Filling | undefined
  #queue: Block[] = []
  #held = 0
  #rest: Uint8Array | undefined
  #taking = false
  readonly #batches = new Batches()
  #end: BodyEnd | undefined
  #cancelWait: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(source: Readable, tools: IntakeTools) {
    this.#source = source
    this.#tools = tools
    this.#pace = new Pace(tools.limits, tools.monotonic())
    this.#pace.pause(tools.monotonic())
  }

  /**
   * Reads the body until it ends, is stopped, or runs over `roomBytes`, and resolves with how it ended
   * once the sink has seen the last batch. Rejects with the sink's error; the arena has its blocks back then.
   * Of a body that runs over, the bytes that fit are handed on.
   */
  drain(sink: BlockSink, roomBytes: number): Promise<BodyEnd> {
    this.#sink = sink
    this.#roomBytes = roomBytes
    this.#guarded(() => {
      if (this.#end === undefined) this.#attach()
      this.#pump()
    })()
    return this.#batches.over.then(() => this.#end ?? 'complete')
  }

  /** It was ended from outside, or its connection is gone. Node also destroys a request that was read to its end. */
  get isStopped(): boolean {
    return this.#end === undefined ? this.#source.destroyed : this.#end !== 'complete'
  }

  /** Bytes that the block it fills has room for; 0 where it has none. */
  get roomBytes(): number {
    return this.#current ? this.#tools.arena.blockBytes - this.#current.bytes : 0
  }

  /** Ends the intake where it stands: what was received goes to the sink, nothing more is read. */
  stop(reason: BodyStop): void {
    this.#guarded(() => this.#finish(reason))()
  }

  /** Our own code threw: what has been placed goes to the sink as of a body that was cut, and its connection ends. */
  readonly #break = (error: unknown): void => {
    this.#rest = undefined
    this.#cancelWait?.()
    if (!this.#batches.isOver) this.#end = 'cut'
    faultOf(this.#source)(error)
    this.#detach()
    this.#ship()
    this.#pump()
  }

  #guarded<A extends unknown[]>(handler: (...given: A) => void): (...given: A) => void {
    return guarded(handler, this.#break)
  }

  #attach(): void {
    const source = this.#source
    if (source.readableEnded) return void this.#finish('complete')
    if (source.destroyed) return void this.#onCut()
    source.on('data', this.#onData).on('end', this.#onComplete)
    source.on('close', this.#onCut).on('error', this.#onCut)
    this.#timer = setInterval(this.#onTick, this.#tools.limits.tickMs)
    this.#tools.begins()
    this.#read()
  }

  #read(): void {
    this.#pace.resume(this.#tools.monotonic())
    this.#source.resume()
  }

  #pause(): void {
    this.#pace.pause(this.#tools.monotonic())
    this.#source.pause()
  }

  #detach(): void {
    clearInterval(this.#timer)
    this.#source.off('data', this.#onData).off('end', this.#onComplete)
    this.#source.off('close', this.#onCut).off('error', this.#onCut)
    this.#source.pause()
  }

  readonly #onComplete = this.#guarded(() => this.#finish('complete'))

  /** The connection died. What it had brought counts all the same, also what was not wanted yet. */
  readonly #onCut = this.#guarded(() => {
    while (this.#end === undefined) {
      const chunk: unknown = this.#source.read()
      if (!(chunk instanceof Uint8Array)) break
      this.#onData(chunk)
    }
    this.#finish('cut')
  })

  readonly #onData = this.#guarded((chunk: Uint8Array) => {
    const fitting = Math.min(chunk.length, this.#roomBytes - this.#receivedBytes)
    this.#receivedBytes += fitting
    this.#pace.add(fitting, this.#tools.monotonic())
    if (fitting > 0) this.#take(fitting === chunk.length ? chunk : chunk.subarray(0, fitting))
    if (fitting < chunk.length) this.#finish('overrun')
  })

  #take(chunk: Uint8Array): void {
    if (this.#rest) {
      this.#rest = Buffer.concat([this.#rest, chunk])
      return
    }
    this.#taking = true
    try {
      this.#place(chunk)
    } finally {
      this.#taking = false
    }
    const wanted = this.#sink?.wantsFirstBytes ?? 0
    // A whole body goes on at its end, which comes at once: it is one batch then.
    const isWhole = this.#receivedBytes === this.#tools.bodyBytes
    if (wanted > 0 && !isWhole && (this.#current?.bytes ?? 0) >= wanted) this.#ship()
    if (this.#mustPause()) this.#pause()
    // Nothing is read before there is a block for it: it would need memory beside the arena.
    else if (!this.#rest && !isWhole && this.#end === undefined && !this.#block()) this.#wait(NOTHING)
  }

  #place(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      const block = this.#block()
      if (block === undefined) return void this.#wait(chunk.subarray(at))
      const bytes = Math.min(this.#tools.arena.blockBytes - block.bytes, chunk.length - at)
      const part = bytes === chunk.length ? chunk : chunk.subarray(at, at + bytes)
      this.#tools.arena.fill(block.index, block.bytes, part)
      block.bytes += bytes
      at += bytes
      if (block.bytes === this.#tools.arena.blockBytes) this.#ship()
    }
  }

  #mustPause(): boolean {
    return this.#batches.isWriting && (this.#sink?.wantsFirstBytes ?? 0) > 0
  }

  #block(): Filling | undefined {
    const { arena, limits } = this.#tools
    if (this.#current && this.#current.bytes === arena.blockBytes) this.#ship()
    if (this.#current) return this.#current
    if (this.#held >= limits.blocks) return undefined
    const index = arena.take()
    if (index === undefined) return undefined
    this.#held += 1
    this.#current = { index, bytes: 0, sinceMs: this.#tools.monotonic() }
    return this.#current
  }

  #wait(rest: Uint8Array): void {
    // A copy: whoever handed the bytes over uses their memory again.
    this.#rest = new Uint8Array(rest)
    this.#pause()
    // With blocks of its own under way it goes on when they come back; else it waits for anybody's.
    if (this.#held < this.#tools.limits.blocks) this.#cancelWait = this.#tools.arena.whenFree(this.#goOn)
  }

  /** Takes up what waited for a block, and the socket after it. */
  readonly #goOn = this.#guarded(() => {
    this.#cancelWait?.()
    this.#cancelWait = undefined
    const rest = this.#rest
    this.#rest = undefined
    if (rest) this.#take(rest)
    // While there is no block for it, what is queued may go on.
    if (!this.#rest && this.#end !== undefined) this.#ship()
    this.#pump()
    if (this.#rest || this.#end !== undefined || this.#mustPause() || !this.#source.isPaused()) return
    this.#read()
  })

  #ship(): void {
    if (!this.#current) return
    const { index, bytes } = this.#current
    this.#current = undefined
    if (bytes === 0) this.#giveBack(index)
    else this.#queue.push({ index, bytes })
    this.#pump()
  }

  #finish(end: BodyEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#detach()
    // It waited to read on: the next block that comes back is another's.
    if (this.#rest?.length === 0) {
      this.#rest = undefined
      this.#cancelWait?.()
    }
    this.#ship()
    this.#pump()
  }

  #pump(): void {
    const last = this.#end !== undefined && this.#rest === undefined && !this.#taking
    if (this.#queue.length === 0 && !last) return
    if (!this.#sink || !this.#batches.mayGive(this.#sink, last)) return
    const batch = this.#queue
    this.#queue = []
    this.#batches.give(this.#sink, batch, last).then(
      this.#guarded(() => this.#written(batch, last)),
      this.#guarded((error: unknown) => this.#fail(batch, error)),
    )
  }

  #written(batch: readonly Block[], last: boolean): void {
    for (const block of batch) this.#giveBack(block.index)
    this.#batches.taken()
    if (!last) this.#goOn()
  }

  #fail(batch: readonly Block[], error: unknown): void {
    this.#end ??= 'cut'
    this.#rest = undefined
    this.#cancelWait?.()
    this.#detach()
    for (const block of [...batch, ...this.#queue]) this.#giveBack(block.index)
    if (this.#current) this.#giveBack(this.#current.index)
    this.#queue = []
    this.#current = undefined
    this.#batches.failed(error)
  }

  #giveBack(index: number): void {
    this.#held -= 1
    this.#tools.arena.give(index)
  }

  readonly #onTick = this.#guarded(() => {
    const now = this.#tools.monotonic()
    if (this.#current && now - this.#current.sinceMs >= SHIP_AFTER_MS) this.#ship()
    const fault = this.#pace.fault(now)
    if (fault) this.stop(fault)
  })
}
