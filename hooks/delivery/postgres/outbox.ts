import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../../server/model/log.js'
import { isRowFault } from '../../../server/model/sql.js'
import type { EventTable, NewEvent } from './event-table.js'

/** Events that are written together. */
const MOST_AT_ONCE = 64

interface OutboxTools {
  readonly events: Pick<EventTable, 'add'>
  /** Called with the endpoints of events that PostgreSQL has now. */
  readonly written: (endpoints: ReadonlySet<string>) => void
  /** PostgreSQL takes nothing now. */
  readonly failing: (error: unknown) => void
  readonly log: Log
  /** After a fault. */
  readonly faultPauseMs: number
}

interface Waiting {
  readonly event: NewEvent
  readonly written: Promise<void>
  readonly resolve: () => void
}

/**
 * Events on their way to PostgreSQL, in order. Each is tried until PostgreSQL takes it, or refuses it for good. Whoever
 * adds them bounds their memory.
 */
export class Outbox {
  readonly #tools: OutboxTools
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #isClosed = false

  constructor(tools: OutboxTools) {
    this.#tools = tools
  }

  /** Adds an event; resolves once PostgreSQL has it, or the server ends. Never rejects. */
  add(event: NewEvent): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    const { promise, resolve } = withResolver()
    this.#waiting.push({ event, written: promise, resolve })
    this.#begin()
    return promise
  }

  /** Resolves once PostgreSQL has the events of an upload that were added so far. Never rejects. */
  async settled(uploadId: string): Promise<void> {
    await this.#waiting.findLast(({ event }) => event.uploadId === uploadId)?.written
  }

  /** Resolves when nothing waits. Never rejects. */
  async idle(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  /** Takes and tries nothing any more; gives how many events PostgreSQL may not have. */
  close(): number {
    this.#isClosed = true
    for (const { resolve } of this.#waiting) resolve()
    return this.#waiting.length
  }

  #begin(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      // It may have come after the last look for more.
      if (this.#waiting.length > 0 && !this.#isClosed) this.#begin()
    })
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    // What comes in the same moment is written together.
    await Promise.resolve()
    /** So many are written one by one: PostgreSQL refuses one of them. */
    let alone = 0
    while (this.#waiting.length > 0 && !this.#isClosed) {
      const batch = this.#waiting.slice(0, alone > 0 ? 1 : MOST_AT_ONCE)
      let isWritten = true
      try {
        await this.#tools.events.add(batch.map(({ event }) => event))
      } catch (error) {
        if (!isRowFault(error)) {
          await this.#failed(error)
          continue
        }
        if (batch.length > 1) {
          alone = batch.length
          continue
        }
        // It would be refused each time, and hold up all events behind it.
        isWritten = false
        this.#refused(batch, error)
      }
      alone = Math.max(0, alone - 1)
      this.#waiting.splice(0, batch.length)
      for (const { resolve } of batch) resolve()
      if (isWritten) this.#tools.written(new Set(batch.map(({ event }) => event.endpoint)))
    }
  }

  #refused(events: readonly Waiting[], err: unknown): void {
    for (const { event } of events) {
      const { id, uploadId, endpoint, event: kind } = event
      this.#tools.log.error(
        { err, id, uploadId, endpoint, kind },
        'an event is left out: PostgreSQL refuses it',
      )
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { log, failing, faultPauseMs } = this.#tools
    log.error({ err: error, events: this.#waiting.length }, 'events could not be written yet')
    failing(error)
    await pause(faultPauseMs, undefined, { ref: false })
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
