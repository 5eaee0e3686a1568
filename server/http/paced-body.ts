import type { ServerResponse } from 'node:http'
import { faultOf, guarded } from '../errors.js'
import type { RangeReader } from '../model/engine.js'
import { unsentBytes } from './internals.js'

const PIECE_BYTES = 64 * 1024
/** Larger pieces cost half the processor time. */
const LARGE_PIECE_BYTES = 256 * 1024
/** Each download holds two pieces, one that is sent and one that is read: large ones take 8 MiB of all together. */
const MOST_WITH_LARGE = 16

/** How many downloads may have large pieces, so that memory hardly grows with `--downloads`. */
export class LargePieces {
  #left = MOST_WITH_LARGE

  tryTake(): boolean {
    if (this.#left === 0) return false
    this.#left -= 1
    return true
  }

  giveBack(): void {
    this.#left += 1
  }
}

/**
 * Sends the body of a download piece by piece. While the system takes a piece, the next one is read. A reader that
 * takes nothing for `idleTimeoutMs` loses its connection.
 */
export class PacedBody {
  readonly #response: ServerResponse
  readonly #large: LargePieces
  readonly #isLarge: boolean
  readonly #silence: NodeJS.Timeout
  readonly #note: () => void
  #unsentBytes = 0

  constructor(response: ServerResponse, large: LargePieces, idle: { timeoutMs: number; ended: () => void }) {
    this.#response = response
    this.#large = large
    this.#isLarge = large.tryTake()
    const endSilence = (): void => {
      if (this.#hasTakenSome()) return void this.#silence.refresh()
      idle.ended()
      response.destroy()
    }
    this.#silence = setTimeout(guarded(endSilence, faultOf(response)), idle.timeoutMs)
    const note = (): void => {
      this.#unsentBytes = unsentBytes(response.socket)
    }
    this.#note = guarded(note, faultOf(response))
  }

  /** Sends a text; false where the connection is gone. */
  async text(text: string): Promise<boolean> {
    return text === '' || (await this.#write(Buffer.from(text)))
  }

  /**
   * Sends the next `bytes` of a reader, or fewer where it has no more. Resolves with their number; undefined where the
   * connection is gone. Rejects as the reader does.
   */
  async bytes(reader: RangeReader, bytes: number): Promise<number | undefined> {
    let sent = 0
    let reading = this.#read(reader)
    try {
      while (sent < bytes) {
        const piece = await reading
        if (!piece) return sent
        sent += piece.length
        if (sent < bytes) reading = this.#read(reader)
        if (!(await this.#write(piece))) return undefined
      }
      return sent
    } finally {
      // A piece that nobody needs may still be read: its buffer is free only after that.
      await reading.catch(() => {})
    }
  }

  /** Ends the watch over the reader; needed on every path. */
  end(): void {
    clearTimeout(this.#silence)
    if (this.#isLarge) this.#large.giveBack()
  }

  #read(reader: RangeReader): Promise<Uint8Array | undefined> {
    const reading = reader.next(this.#isLarge ? LARGE_PIECE_BYTES : PIECE_BYTES)
    // It may fail while another piece is sent, and is waited for only then.
    reading.catch(() => {})
    return reading
  }

  /** Resolves when the system has taken a piece, with false where the connection is gone. */
  #write(piece: Uint8Array): Promise<boolean> {
    const response = this.#response
    return new Promise((resolve) => {
      if (response.destroyed) return resolve(false)
      const gone = (): void => resolve(false)
      response.once('close', gone)
      response.write(piece, (error) => {
        response.off('close', gone)
        this.#silence.refresh()
        resolve(!error)
      })
      // Node hands the piece to the system behind this turn.
      setImmediate(this.#note)
    })
  }

  /** A slow reader may need longer than the idle time for a whole piece. */
  #hasTakenSome(): boolean {
    const before = this.#unsentBytes
    this.#note()
    return this.#unsentBytes < before
  }
}
