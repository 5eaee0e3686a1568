import type { ClusterEvent } from '../model/cluster.js'
import type { Log } from '../model/log.js'
import type { Notices, Sql } from '../model/sql.js'
import { Pieces, piecesOf } from './pieces.js'

const CHANNEL = 'lading_events'
/** Events of a moment are sent together. */
const SEND_EVERY_MS = 20
/** What waits may take. Beyond that all is dropped, and a payload says so to the other nodes. */
const MOST_WAITING_BYTES = 2 * 1024 * 1024
const RETRY_MS = 500
/** The payload that says that events were dropped, behind the name of its sender. */
const DROPPED = 'dropped'

const SEND = `SELECT pg_notify('${CHANNEL}', payload)
  FROM unnest($1::text[]) WITH ORDINALITY AS given (payload, place) ORDER BY place`

export interface EventParts {
  readonly sql: Sql
  readonly notices: Notices
  readonly log: Log
  /** Names this process, so that it does not hear itself: letters, digits and -. */
  readonly origin: string
}

/** Who takes what is heard. Neither may throw. */
export interface EventHearer {
  /** Called with each event of another node, in each node's order. */
  heard(event: ClusterEvent): void
  /** Events were missed: what is shown must be asked for again. */
  missed(): void
}

/** Carries events between nodes, by NOTIFY. Events are dropped while PostgreSQL is away; a payload says so afterwards. */
export class ClusterEvents {
  readonly #parts: EventParts
  readonly #pieces = new Pieces()
  #hearer: EventHearer | undefined
  #waiting: string[] = []
  #waitingBytes = 0
  #number = 0
  #timer: NodeJS.Timeout | undefined
  #isSending = false
  #isClosed = false
  #hasDropped = false
  #wasConnected = false

  constructor(parts: EventParts) {
    this.#parts = parts
    parts.notices.listen(CHANNEL, (payload) => this.#heard(payload))
    parts.notices.onConnected(() => {
      if (this.#wasConnected) this.#missed()
      this.#wasConnected = true
    })
  }

  /** From now on `hearer` takes what is heard; before that nobody does. */
  listen(hearer: EventHearer): void {
    this.#hearer = hearer
  }

  /** Sends an event to the other nodes; never waits and never throws. */
  send({ kind, state, token }: Omit<ClusterEvent, 'origin'>): void {
    if (this.#isClosed) return
    this.#number += 1
    const pieces = piecesOf(this.#parts.origin, this.#number, JSON.stringify({ kind, state, token }))
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (this.#waitingBytes + bytes > MOST_WAITING_BYTES) this.#drop()
    this.#waiting.push(...pieces)
    this.#waitingBytes += bytes
    this.#sendIn(SEND_EVERY_MS)
  }

  /** Sends what waits. Never rejects. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#send()
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #drop(): void {
    this.#waiting = []
    this.#waitingBytes = 0
    this.#hasDropped = true
  }

  #sendIn(ms: number): void {
    if (this.#isSending || this.#isClosed) return
    this.#timer ??= setTimeout(() => this.#send(), ms)
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    this.#timer = undefined
    if (this.#isSending || (this.#waiting.length === 0 && !this.#hasDropped)) return
    const sent = this.#waiting
    const { origin, sql, log } = this.#parts
    const dropped = this.#hasDropped ? [`${origin}:${DROPPED}`] : []
    this.#waiting = []
    this.#waitingBytes = 0
    this.#hasDropped = false
    this.#isSending = true
    let pauseMs = SEND_EVERY_MS
    try {
      await sql.query(SEND, [[...dropped, ...sent]])
    } catch (error) {
      log.warn({ err: error, payloads: sent.length }, 'events were not sent to the other nodes')
      this.#hasDropped = true
      pauseMs = RETRY_MS
    }
    this.#isSending = false
    if (this.#waiting.length > 0 || this.#hasDropped) this.#sendIn(pauseMs)
  }

  #heard(payload: string): void {
    const [origin = ''] = payload.split(':', 1)
    if (origin === this.#parts.origin) return
    // Anybody in the database may send there: what is none of ours may stand in the place of one.
    const text = this.#pieces.take(payload)
    if (text === null) return
    const sent = text === undefined ? undefined : sentIn(text)
    if (sent) this.#hearer?.heard({ ...sent, origin })
    else this.#missed()
  }

  #missed(): void {
    this.#hearer?.missed()
  }
}

/** What another node has sent; undefined for any other text. */
function sentIn(text: string): Omit<ClusterEvent, 'origin'> | undefined {
  try {
    const { kind, state, token = null }: Partial<ClusterEvent> = JSON.parse(text) ?? {}
    const isEvent =
      typeof kind === 'string' && typeof state?.id === 'string' && typeof state.state === 'string'
    return isEvent ? { kind, state, token } : undefined
  } catch {
    return undefined
  }
}
