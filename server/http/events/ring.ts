/** An event as its readers get it. */
export interface SentEvent {
  /** Its place in the order of all events of this process. */
  readonly number: number
  readonly uploadId: string
  readonly owner: string | null
  /** As it is sent; made once for all readers. */
  readonly bytes: Buffer
}

/** What an event takes beside its bytes. */
const EVENT_BYTES = 200

/** The newest events, within a limit of bytes: a reader that comes again goes on from here. */
export class EventRing {
  readonly #limitBytes: number
  readonly #events: SentEvent[] = []
  #bytes = 0
  /** Everything behind this number is here. */
  #since = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  add(event: SentEvent): void {
    this.#events.push(event)
    this.#bytes += event.bytes.length + EVENT_BYTES
    while (this.#bytes > this.#limitBytes) this.#dropFirst()
  }

  /** Drops all events; what is behind `number` will be here. */
  clear(number: number): void {
    this.#events.length = 0
    this.#bytes = 0
    this.#since = number
  }

  /** The events behind a number, at most `mostBytes` and one; undefined where some of them are not here any more. */
  after(number: number, mostBytes = Number.POSITIVE_INFINITY): readonly SentEvent[] | undefined {
    if (number < this.#since) return undefined
    const first = this.#events[0]?.number ?? 0
    const found: SentEvent[] = []
    let bytes = 0
    for (let at = Math.max(0, number + 1 - first); at < this.#events.length; at++) {
      const event = this.#events[at]
      if (!event || (found.length > 0 && bytes + event.bytes.length > mostBytes)) break
      found.push(event)
      bytes += event.bytes.length
    }
    return found
  }

  #dropFirst(): void {
    const dropped = this.#events.shift()
    if (!dropped) return
    this.#bytes -= dropped.bytes.length + EVENT_BYTES
    this.#since = dropped.number
  }
}
