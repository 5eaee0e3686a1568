import type { ServerResponse } from 'node:http'
import type { HeaderFields } from '../../model/answer.js'
import { expiresAtOf, type Principal } from '../../model/principal.js'
import type { SentEvent } from './ring.js'

/** What may wait for a reader in this process; one that does not read is dropped. */
const MOST_BUFFERED_BYTES = 64 * 1024
/** A stream of a token ends then, and its reader comes again: the token is looked at again. */
const MOST_STREAM_MS = 3_600_000

export const STREAM_HEADERS: HeaderFields = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // nginx would otherwise gather events.
  'X-Accel-Buffering': 'no',
}

/** Which events a reader gets; null: all. */
export interface ReaderFilter {
  readonly uploadId: string | null
  readonly owner: string | null
}

/** One open event stream. */
export class EventReader {
  /** It has all events up to this number. */
  at: number
  /** It is given older events first, and no new ones until it has them. */
  isBehind = true
  readonly isUnlimited: boolean
  /** In whose name it is counted. */
  readonly heldBy: string
  /** When the stream ends and the token is looked at again; milliseconds of a monotonic clock. */
  readonly #endsAtMs: number
  /** Where it was at the last beat. */
  #wasAt = -1
  readonly #response: ServerResponse
  readonly #filter: ReaderFilter

  constructor(
    response: ServerResponse,
    filter: ReaderFilter,
    from: { heldBy: string; at: number; endsAtMs: number },
  ) {
    this.#response = response
    this.#filter = filter
    this.at = from.at
    this.heldBy = from.heldBy
    this.#endsAtMs = from.endsAtMs
    this.isUnlimited = filter.uploadId === null && filter.owner === null
  }

  /** Those of these events that are for this reader and new to it. */
  bytesOf(events: readonly SentEvent[]): Buffer {
    const own = events.filter((event) => event.number > this.at && this.#takes(event))
    return Buffer.concat(own.map(({ bytes }) => bytes))
  }

  #takes({ uploadId, owner }: SentEvent): boolean {
    const { uploadId: wanted, owner: ofOwner } = this.#filter
    return (wanted === null || uploadId === wanted) && (ofOwner === null || owner === ofOwner)
  }

  /** Sends bytes; false where the reader takes nothing, or is gone: then nothing is kept for it. */
  write(bytes: Uint8Array | string): boolean {
    const response = this.#response
    if (response.destroyed || response.writableEnded) return false
    const waiting = response.writableLength
    if (waiting > 0 && waiting + bytes.length > MOST_BUFFERED_BYTES) return false
    response.write(bytes)
    return true
  }

  /** Sends bytes, and resolves with true when the system has taken them, or with false where the reader is gone. */
  writeAndWait(bytes: Uint8Array): Promise<boolean> {
    const response = this.#response
    return new Promise((resolve) => {
      if (response.destroyed || response.writableEnded) return resolve(false)
      if (bytes.length === 0) return resolve(true)
      const gone = (): void => resolve(false)
      response.once('close', gone)
      response.write(bytes, (error) => {
        response.off('close', gone)
        resolve(!error)
      })
    })
  }

  /**
   * Sends a comment, or ends the stream where its time is over. False where the reader has taken nothing since the last
   * beat, of what it missed or of the end: its connection has to end.
   */
  beat(nowMs: number, comment: string): boolean {
    const hasMoved = this.at !== this.#wasAt
    this.#wasAt = this.at
    if (nowMs < this.#endsAtMs) return this.isBehind ? hasMoved : this.write(comment)
    if (this.#response.writableEnded) return false
    this.end()
    return true
  }

  /** Ends the stream behind what was written. */
  end(): void {
    this.#response.end()
  }

  /** Ends the connection. */
  drop(): void {
    this.#response.destroy()
  }
}

/** Dispatches nothing, but from here the reader goes on when it comes again. */
export function comment(id: string): string {
  return `: ${id}\nid: ${id}\n\n`
}

/** When the stream of a principal ends that is opened now; milliseconds of a monotonic clock. */
export function endOfStream(
  principal: Principal,
  { monotonic, now }: { readonly monotonic: () => number; readonly now: () => number },
): number {
  if (principal.kind === 'admin') return Number.POSITIVE_INFINITY
  const expiresAt = expiresAtOf(principal) ?? Number.POSITIVE_INFINITY
  return monotonic() + Math.min(MOST_STREAM_MS, expiresAt * 1000 - now())
}
