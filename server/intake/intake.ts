import type { Readable } from 'node:stream'
import type { Arena } from './arena.js'

const SHIP_AFTER_MS = 500
const TICK_MS = 250
const RATE_WINDOW_MS = 60_000

/** Why an intake was ended from outside before its body was over. */
export type StopReason = 'taken_over' | 'shutting_down' | 'idle' | 'slow' | 'disk_full' | 'damaged'

/** How a body ended: whole, with its connection, by running over its room, or by one of the reasons. */
export type IntakeEnd = 'complete' | 'cut' | 'overrun' | StopReason

/** A block of the arena and how many bytes of it are filled. */
export interface FilledBlock {
  readonly index: number
  readonly bytes: number
}

/** Where blocks go. Called with one batch at a time; `last` comes exactly once, with the final batch. */
export interface Sink {
  /** Bytes it wants to see, in a batch of their own, before any more of the body is read; 0 for none. */
  readonly wantsFirstBytes: number
  write(blocks: readonly FilledBlock[], last: boolean): Promise<void>
}

export interface IntakeLimits {
  /** Blocks one body may hold at once. */
  readonly blocks: number
  /** No bytes for so long ends the intake. */
  readonly idleTimeoutMs: number
  /** Fewer bytes than this in a minute end the intake; 0 for no such limit. */
  readonly minRateBytesPerMinute: number
}

export interface IntakeTools {
  readonly arena: Arena
  readonly limits: IntakeLimits
  readonly now: () => number
  /** Told of every chunk, in bytes; see the garbage keeper. */
  readonly collected: (receivedBytes: number) => void
  /** Called once, when the first byte is wanted. */
  readonly begins: () => void
}

/**
 * Reads one request's body into blocks of the arena and hands them to a sink.
 *
 * The socket is read only while there is a block to read into. A block goes on when it is full, when the
 * body ends, or after half a second; the sink gets all that gathered while it was busy as one batch.
 */
export class Intake {
  readonly #source: Readable
  readonly #tools: IntakeTools
  #sink: Sink | undefined
  #roomBytes = 0
  #receivedBytes = 0
  #onEnd: ((end: IntakeEnd) => void) | undefined
  #onError: ((error: unknown) => void) | undefined

  #current: { index: number; bytes: number; since: number } | undefined
  #queue: FilledBlock[] = []
  #held = 0
  #rest: Uint8Array | undefined
  #writing = false
  #end: IntakeEnd | undefined
  #settled = false
  #cancelWait: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  #lastByteAt = 0
  #windowStart = 0
  #windowBytes = 0

  constructor(source: Readable, tools: IntakeTools) {
    this.#source = source
    this.#tools = tools
  }

  /** Bytes taken from the socket so far. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /**
   * Reads the body until it ends, is stopped, or runs over `roomBytes`, and resolves with how it ended
   * once the sink has seen the last batch. Rejects with the sink's error; the arena has its blocks back then.
   * Of a body that runs over, the bytes of the block in which it does are not handed on.
   */
  drain(sink: Sink, roomBytes: number): Promise<IntakeEnd> {
    this.#sink = sink
    this.#roomBytes = roomBytes
    this.#lastByteAt = this.#windowStart = this.#tools.now()
    return new Promise((resolve, reject) => {
      this.#onEnd = resolve
      this.#onError = reject
      if (this.#end === undefined) this.#attach()
      this.#pump()
    })
  }

  /** Ends the intake where it stands: what was received goes to the sink, nothing more is read. */
  stop(reason: StopReason): void {
    if (this.#end === undefined) this.#finish(reason)
  }

  #attach(): void {
    const source = this.#source
    if (source.readableEnded) return this.#finish('complete')
    if (source.destroyed) return this.#finish('cut')
    source.on('data', this.#onData).on('end', this.#onComplete)
    source.on('close', this.#onCut).on('error', this.#onCut)
    this.#timer = setInterval(this.#onTick, TICK_MS)
    this.#tools.begins()
    source.resume()
  }

  #detach(): void {
    clearInterval(this.#timer)
    this.#source.off('data', this.#onData).off('end', this.#onComplete)
    this.#source.off('close', this.#onCut).off('error', this.#onCut)
    this.#source.pause()
  }

  readonly #onComplete = (): void => this.#finish('complete')
  readonly #onCut = (): void => this.#finish('cut')

  readonly #onData = (chunk: Uint8Array): void => {
    this.#receivedBytes += chunk.length
    this.#windowBytes += chunk.length
    this.#lastByteAt = this.#tools.now()
    this.#tools.collected(chunk.length)
    if (this.#receivedBytes > this.#roomBytes) return this.#overrun()
    this.#take(chunk)
  }

  #overrun(): void {
    if (this.#current) this.#giveBack(this.#current.index)
    this.#current = undefined
    this.#rest = undefined
    this.#finish('overrun')
  }

  #take(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      const block = this.#block()
      if (block === undefined) return this.#wait(chunk.subarray(at))
      const bytes = Math.min(this.#tools.arena.blockBytes - block.bytes, chunk.length - at)
      const part = bytes === chunk.length ? chunk : chunk.subarray(at, at + bytes)
      this.#tools.arena.fill(block.index, block.bytes, part)
      block.bytes += bytes
      at += bytes
      if (block.bytes === this.#tools.arena.blockBytes && !this.#mayRunOver()) this.#ship()
    }
    const wanted = this.#sink?.wantsFirstBytes ?? 0
    if (wanted > 0 && (this.#current?.bytes ?? 0) >= wanted && !this.#mayRunOver()) this.#ship()
    if (this.#mustPause()) this.#source.pause()
  }

  /** With the last byte there is room for, only the end of the body tells whether it runs over. */
  #mayRunOver(): boolean {
    return this.#end === undefined && this.#receivedBytes === this.#roomBytes && this.#rest === undefined
  }

  #mustPause(): boolean {
    return this.#writing && (this.#sink?.wantsFirstBytes ?? 0) > 0
  }

  #block(): { index: number; bytes: number; since: number } | undefined {
    const { arena, limits } = this.#tools
    if (this.#current && this.#current.bytes === arena.blockBytes) this.#ship()
    if (this.#current) return this.#current
    if (this.#held >= limits.blocks) return undefined
    const index = arena.take()
    if (index === undefined) return undefined
    this.#held += 1
    this.#current = { index, bytes: 0, since: this.#tools.now() }
    return this.#current
  }

  #wait(rest: Uint8Array): void {
    this.#rest = rest
    this.#source.pause()
    // With blocks of its own under way it goes on when they come back; else it waits for anybody's.
    if (this.#held < this.#tools.limits.blocks) this.#cancelWait = this.#tools.arena.whenFree(this.#goOn)
  }

  /** Takes up what waited for a block, and the socket after it. */
  readonly #goOn = (): void => {
    this.#cancelWait?.()
    this.#cancelWait = undefined
    const rest = this.#rest
    this.#rest = undefined
    if (rest) this.#take(rest)
    if (this.#rest || this.#settled) return
    if (this.#end !== undefined) return this.#shipAll()
    if (this.#mustPause() || !this.#source.isPaused()) return
    this.#lastByteAt = this.#tools.now()
    this.#source.resume()
  }

  #shipAll(): void {
    this.#ship()
    this.#pump()
  }

  #ship(): void {
    if (!this.#current) return
    this.#queue.push({ index: this.#current.index, bytes: this.#current.bytes })
    this.#current = undefined
    this.#pump()
  }

  #finish(end: IntakeEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#detach()
    if (this.#sink) this.#shipAll()
  }

  #pump(): void {
    if (this.#writing || this.#settled || !this.#sink) return
    const last = this.#end !== undefined && this.#rest === undefined
    if (this.#queue.length === 0 && !last) return
    const batch = this.#queue
    this.#queue = []
    this.#writing = true
    this.#sink.write(batch, last).then(
      () => this.#written(batch, last),
      (error: unknown) => this.#fail(batch, error),
    )
  }

  #written(batch: readonly FilledBlock[], last: boolean): void {
    this.#writing = false
    for (const block of batch) this.#giveBack(block.index)
    if (last) {
      this.#settled = true
      this.#onEnd?.(this.#end ?? 'complete')
      return
    }
    this.#goOn()
    this.#pump()
  }

  #fail(batch: readonly FilledBlock[], error: unknown): void {
    this.#settled = true
    this.#end ??= 'cut'
    this.#rest = undefined
    this.#cancelWait?.()
    this.#detach()
    for (const block of [...batch, ...this.#queue]) this.#giveBack(block.index)
    if (this.#current) this.#giveBack(this.#current.index)
    this.#queue = []
    this.#current = undefined
    this.#onError?.(error)
  }

  #giveBack(index: number): void {
    this.#held -= 1
    this.#tools.arena.give(index)
  }

  readonly #onTick = (): void => {
    const now = this.#tools.now()
    if (this.#current && now - this.#current.since >= SHIP_AFTER_MS && !this.#mayRunOver()) this.#ship()
    if (this.#rest || this.#mustPause()) {
      // It is we who do not read: neither silence nor slowness is the sender's.
      this.#lastByteAt = this.#windowStart = now
      this.#windowBytes = 0
    } else if (now - this.#lastByteAt >= this.#tools.limits.idleTimeoutMs) {
      this.stop('idle')
    } else if (now - this.#windowStart >= RATE_WINDOW_MS) {
      if (this.#windowBytes < this.#tools.limits.minRateBytesPerMinute) return this.stop('slow')
      this.#windowStart = now
      this.#windowBytes = 0
    }
  }
}
