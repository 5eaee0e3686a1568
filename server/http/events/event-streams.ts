import type { IncomingMessage } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { UploadError } from '../../errors.js'
import type { HeaderFields } from '../../model/answer.js'
import type { EventKind, EventListener } from '../../model/event.js'
import type { Principal } from '../../model/principal.js'
import type { UploadRecord } from '../../model/record.js'
import { restView, type UploadState } from '../../model/upload-state.js'
import { endAnswer } from '../answer.js'
import type { Exchange } from '../exchange.js'
import { scopeOf } from '../list-query.js'
import { holderOf, makePlace } from './fair-share.js'
import { Progress } from './progress.js'
import { comment, EventReader, endOfStream, STREAM_HEADERS } from './reader.js'
import { EventRing } from './ring.js'
import { askedStream } from './stream-query.js'

const RING_BYTES = 1024 * 1024
/** What is written to each reader at once; less than a reader may have waiting. */
const BATCH_BYTES = 48 * 1024
/** Events of a moment are written together. */
const BATCH_MS = 20
/** Readers that are written to between two turns of the event loop. */
const READERS_A_TURN = 50
/** The shortest time between two events of progress of one upload: four a second. With many readers it is longer. */
const PROGRESS_MS = 260
const MOST_PROGRESS_MS = 1_000
/** Comments keep proxies from closing a stream in which nothing happens. */
const COMMENT_EVERY_MS = 20_000
/** How long events are kept when nobody reads. */
const KEEP_MS = 60_000

type SentKind = Exclude<EventKind, 'restated'>

type StreamTools = ConstructorParameters<typeof Progress>[0] & {
  /** Streams that may be open at once. */
  readonly limit: number
  /** Names this process in the ids of events, so that those of another are not taken for its own. */
  readonly boot: string
  readonly isUploadId: (text: string) => boolean
  /** The network address that a request comes from. */
  readonly clientOf: (request: IncomingMessage) => string
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void }
}

interface AskedStream {
  readonly exchange: Exchange
  readonly principal: Principal
  readonly query: URLSearchParams
  readonly headers: HeaderFields
}

/**
 * What happens to uploads, as server-sent events. Each event is serialized once for all readers, and what happens in a
 * moment is written at once. While nobody has read for a minute nothing is kept.
 */
export class EventStreams {
  readonly #tools: StreamTools
  readonly #ring = new EventRing(RING_BYTES)
  readonly #readers = new Set<EventReader>()
  readonly #progress: Progress
  #number = 0
  #written = 0
  #readUntilMs = Number.NEGATIVE_INFINITY
  #batch: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #comments: NodeJS.Timeout | undefined
  #isWriting = false
  #isClosed = false

  constructor(tools: StreamTools) {
    this.#tools = tools
    this.#progress = new Progress(tools)
  }

  /** Streams that are open. */
  get taken(): number {
    return this.#readers.size
  }

  get limit(): number {
    return this.#tools.limit
  }

  /** Takes every event; never waits. */
  readonly listener: EventListener = ({ kind, record }) => this.take(kind, record)

  /** Takes what happened to an upload, here or on another node; never waits. */
  take(kind: EventKind, record: UploadRecord): void {
    if (kind === 'restated') return
    if (!this.#timer) this.#number += 1
    else if (kind !== 'progress') {
      this.#progress.forget(record.id)
      this.#add(kind, restView(record))
    } else if (!this.#progress.note(record)) this.#sendProgress()
  }

  /** Events are missing: the readers are to ask for what they show again. */
  reset(): void {
    this.#number += 1
    if (!this.#timer) return
    this.#progress.clear()
    this.#ring.clear(this.#number)
    this.#writeSoon()
  }

  /** Sends events until the reader leaves, or its place is another's. Rejects with query_invalid, event_streams_full or shutting_down. */
  async serve({ exchange, principal, query, headers }: AskedStream): Promise<void> {
    const { request, response } = exchange
    const { uploadId, lastId } = askedStream(request, query, this.#tools.isUploadId)
    const scope = scopeOf(principal)
    if (!scope) throw new UploadError('admin_only')
    if (this.#isClosed) throw new UploadError('shutting_down')
    const all = { ...STREAM_HEADERS, ...headers }
    // The end of the connection is the end of the stream: chunks would cost each reader time.
    response.useChunkedEncodingByDefault = false
    if (request.method === 'HEAD') {
      response.writeHead(200, all)
      response.flushHeaders()
      return endAnswer(request, response)
    }
    const heldBy = holderOf(principal, this.#tools.clientOf(request))
    if (this.#readers.size >= this.limit) makePlace(this.#readers, heldBy)
    response.writeHead(200, all)
    if (response.destroyed) return
    this.#wake()
    const known = lastId === undefined ? this.#number : this.#numberOf(lastId)
    const at = known ?? this.#number
    const reader = new EventReader(
      response,
      { ...scope, uploadId },
      { heldBy, at, endsAtMs: endOfStream(principal, this.#tools) },
    )
    this.#readers.add(reader)
    const left = new Promise<void>((resolve) => response.once('finish', resolve).once('close', resolve))
    try {
      reader.write(known === undefined ? this.#reset() : comment(this.#idOf(at)))
      await this.#catchUp(reader)
      await left
    } finally {
      this.#readers.delete(reader)
      this.#readUntilMs = this.#tools.monotonic() + KEEP_MS
    }
  }

  /** Ends all streams, and refuses new ones. */
  close(): void {
    this.#isClosed = true
    this.#sleep()
    for (const reader of this.#readers) reader.end()
  }

  /** The number of an event's id; undefined where events behind it are not known. */
  #numberOf(id: string): number | undefined {
    const [, boot, digits] = /^(\w+)-(\d{1,15})$/.exec(id) ?? []
    const number = Number(digits)
    if (boot !== this.#tools.boot || number > this.#number) return undefined
    return this.#ring.after(number, 0) && number
  }

  #idOf(number: number): string {
    return `${this.#tools.boot}-${number}`
  }

  #reset(): string {
    return `id: ${this.#idOf(this.#number)}\nevent: reset\ndata: {}\n\n`
  }

  /** Gives a reader the events that it missed, as fast as it takes them. */
  async #catchUp(reader: EventReader): Promise<void> {
    for (;;) {
      const events = this.#ring.after(reader.at, BATCH_BYTES)
      if (!events) return reader.drop()
      const last = events.at(-1)
      if (!last || !this.#readers.has(reader)) break
      const own = reader.bytesOf(events)
      reader.at = last.number
      if (!(await reader.writeAndWait(own))) return reader.drop()
    }
    reader.isBehind = false
  }

  #add(kind: SentKind, state: UploadState): void {
    this.#number += 1
    const { id, owner } = state
    const text = `id: ${this.#idOf(this.#number)}\nevent: ${kind}\ndata: ${JSON.stringify(state)}\n\n`
    this.#ring.add({ number: this.#number, uploadId: id, owner, bytes: Buffer.from(text) })
    this.#writeSoon()
  }

  #writeSoon(): void {
    this.#batch ??= setTimeout(() => this.#guard(() => this.#write()), BATCH_MS)
  }

  /** Writes what happened to every reader, so many between two turns. */
  async #write(): Promise<void> {
    this.#batch = undefined
    if (this.#isWriting) return
    this.#isWriting = true
    try {
      while (this.#written < this.#number && !this.#isClosed) await this.#writeBatch()
    } finally {
      this.#isWriting = false
    }
  }

  async #writeBatch(): Promise<void> {
    const events = this.#ring.after(this.#written, BATCH_BYTES)
    // More happened at once than is kept: a reset makes the readers ask for all again.
    const all = events ? Buffer.concat(events.map(({ bytes }) => bytes)) : Buffer.from(this.#reset())
    const before = this.#written
    this.#written = events?.at(-1)?.number ?? this.#number
    const { log } = this.#tools
    let count = 0
    for (const reader of this.#readers) {
      if (reader.isBehind || reader.at >= this.#written) continue
      const isWhole = !events || (reader.isUnlimited && reader.at === before)
      const own = isWhole ? all : reader.bytesOf(events)
      reader.at = this.#written
      if (own.length > 0 && !reader.write(own)) {
        log.info({ streams: this.#readers.size }, 'an event stream was ended: its reader takes nothing')
        this.#readers.delete(reader)
        reader.drop()
      }
      count += 1
      if (count % READERS_A_TURN === 0) await turn()
    }
    await turn()
  }

  #sendProgress(): void {
    for (const state of this.#progress.take()) this.#add('progress', state)
  }

  #wake(): void {
    if (this.#timer) return
    this.#ring.clear(this.#number)
    this.#written = this.#number
    this.#nextProgress()
    this.#comments = setInterval(() => this.#guard(async () => this.#comment()), COMMENT_EVERY_MS)
  }

  #nextProgress(): void {
    const pauseMs = Math.min(MOST_PROGRESS_MS, Math.max(PROGRESS_MS, 2 * this.#readers.size))
    this.#timer = setTimeout(() => {
      this.#guard(async () => {
        const isOver = this.#readers.size === 0 && this.#tools.monotonic() > this.#readUntilMs
        if (isOver) return this.#sleep()
        this.#nextProgress()
        this.#sendProgress()
      })
    }, pauseMs)
  }

  #sleep(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#batch)
    clearInterval(this.#comments)
    this.#timer = undefined
    this.#batch = undefined
    this.#progress.clear()
    this.#ring.clear(this.#number)
  }

  #comment(): void {
    const nowMs = this.#tools.monotonic()
    for (const reader of this.#readers) if (!reader.beat(nowMs, comment(this.#idOf(reader.at)))) reader.drop()
  }

  #guard(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.#tools.log.error({ err: error }, 'events could not be sent'))
  }
}
