import type { ClusterEvent } from '../model/cluster.js'
import type { EventKind } from '../model/event.js'
import type { Log } from '../model/log.js'
import type { UploadRecord } from '../model/record.js'
import type { Notices, Sql } from '../model/sql.js'

const CHANNEL = 'lading_events'
/** PostgreSQL takes payloads of less than 8,000 bytes. */
const MOST_BYTES = 7_800
/** Events of a moment are sent together. */
const SEND_EVERY_MS = 20
/** At most 2 MB of payloads wait. Beyond that all are dropped, and a payload says so to the other nodes. */
const MOST_WAITING = 256
const RETRY_MS = 500
/** The payload that says that events were dropped. */
const DROPPED = 'dropped'

const SEND = `SELECT pg_notify('${CHANNEL}', payload)
  FROM unnest($1::text[]) WITH ORDINALITY AS given (payload, place) ORDER BY place`

export interface EventParts {
  readonly sql: Sql
  readonly notices: Notices
  readonly log: Log
  /** Names this process, so that it does not hear itself. */
  readonly origin: string
  /** Called with each event of another node, in each node's order; must not throw. */
  readonly heard: (event: ClusterEvent) => void
  /** Events were missed: what is shown must be asked for again. */
  readonly missed: () => void
}

/** Carries events between nodes, by NOTIFY. Events are dropped while PostgreSQL is away; a payload says so afterwards. */
export class ClusterEvents {
  readonly #parts: EventParts
  /** Kind, id and, where it fits, the record. */
  #waiting: string[] = []
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
      if (this.#wasConnected) parts.missed()
      this.#wasConnected = true
    })
  }

  /** Sends an event to the other nodes; never waits and never throws. */
  send(kind: EventKind, record: UploadRecord): void {
    if (this.#isClosed) return
    if (this.#waiting.length >= MOST_WAITING) this.#drop()
    this.#waiting.push(this.#payload(kind, record))
    this.#sendIn(SEND_EVERY_MS)
  }

  /** Sends what waits. Never rejects. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#send()
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #payload(kind: EventKind, record: UploadRecord): string {
    // The number keeps PostgreSQL from taking equal payloads of one transaction for one.
    this.#number += 1
    const facts = [this.#parts.origin, this.#number, kind, record.id]
    const whole = JSON.stringify([...facts, record])
    return Buffer.byteLength(whole) <= MOST_BYTES ? whole : JSON.stringify([...facts, null])
  }

  #drop(): void {
    this.#waiting = []
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
    const dropped = this.#hasDropped ? [JSON.stringify([origin, DROPPED])] : []
    this.#waiting = []
    this.#hasDropped = false
    this.#isSending = true
    let pauseMs = SEND_EVERY_MS
    try {
      await sql.query(SEND, [[...dropped, ...sent]])
    } catch (error) {
      log.warn({ err: error, events: sent.length }, 'events were not sent to the other nodes')
      this.#hasDropped = true
      pauseMs = RETRY_MS
    }
    this.#isSending = false
    if (this.#waiting.length > 0 || this.#hasDropped) this.#sendIn(pauseMs)
  }

  #heard(payload: string): void {
    const sent = sentIn(payload)
    // Anybody in the database may send there: what is none of ours may stand in the place of one.
    const [origin, number, kind, id, record = null] = sent ?? [null, DROPPED, null, null]
    if (origin === this.#parts.origin) return
    if (number === DROPPED || kind === null) this.#parts.missed()
    else this.#parts.heard({ kind, id, record })
  }
}

type Sent = [
  origin: string,
  number: number | string,
  kind: EventKind,
  id: string,
  record: UploadRecord | null,
]

/** What another node has sent; undefined for any other text. */
function sentIn(payload: string): Sent | undefined {
  try {
    const sent: Sent | null = JSON.parse(payload)
    return Array.isArray(sent) ? sent : undefined
  } catch {
    return undefined
  }
}
