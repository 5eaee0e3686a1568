import { Counter, Histogram, Registry } from 'prom-client'
import type { EventKind, EventListener } from '../model/event.js'
import { addGauges, type Watched } from './gauges.js'
import { addTusdNames, type TusdCounts } from './tusd-names.js'

/** A request and its response, as far as they are counted. */
interface Answered {
  readonly request: object
  readonly response: { readonly headersSent: boolean; readonly statusCode: number }
  /** The code word of the error that was answered; null for none. */
  readonly refusal: string | null
}

/** Others become `other`: clients choose the words, and each value of a label costs memory. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS'])
const OUTCOMES = ['created', 'finished', 'refused', 'expired', 'terminated'] as const
const DISK_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const HOOK_BUCKETS_S = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Counts what happens, reads the other parts' numbers when it is asked, and writes both as Prometheus reads them. */
export class Metrics {
  /** Of its own: an application that has Lading in its process may use the library too. */
  readonly #collected = new Registry()
  /** By method and status. The library makes a text of the labels for each count; these get theirs when they are read. */
  readonly #requests = new Map<string, Map<string | number, number>>()
  readonly #refusals: Counter<'code'>
  readonly #receivedBytes: Counter
  readonly #uploads: Counter<'outcome'>
  readonly #hooks: Counter<'event' | 'outcome'>
  readonly #hookSeconds: Histogram<'event'>
  readonly #recordWrites: Histogram
  readonly #flushes: Histogram

  /** Null without `--metrics-tusd-names`. */
  readonly #tusd: TusdCounts | null
  #watched: Watched | undefined

  constructor({ metricsTusdNames }: { readonly metricsTusdNames: boolean }) {
    const registers = [this.#collected]
    const requests = this.#requests
    new Counter({
      name: 'lading_requests_total',
      help: 'Requests by method and status of the answer; none: the connection ended without one',
      labelNames: ['method', 'status'],
      registers,
      collect() {
        this.reset()
        for (const [method, counts] of requests)
          for (const [status, count] of counts) this.inc({ method, status }, count)
      },
    })
    this.#refusals = new Counter({
      name: 'lading_refusals_total',
      help: 'Requests that were answered with an error, by its code word',
      labelNames: ['code'],
      registers,
    })
    this.#receivedBytes = new Counter({
      name: 'lading_received_bytes_total',
      help: 'Bytes of uploads that were received and stored',
      registers,
    })
    this.#uploads = new Counter({
      name: 'lading_uploads_total',
      help: 'Uploads by what became of them: created, finished, refused, expired or terminated',
      labelNames: ['outcome'],
      registers,
    })
    this.#hooks = new Counter({
      name: 'lading_hooks_total',
      help: 'Calls of hooks: accepted, refused or failed where they decide; done, failed or gone where they are notified',
      labelNames: ['event', 'outcome'],
      registers,
    })
    this.#hookSeconds = new Histogram({
      name: 'lading_hook_duration_seconds',
      help: 'How long a call of a hook took',
      labelNames: ['event'],
      buckets: HOOK_BUCKETS_S,
      registers,
    })
    this.#recordWrites = new Histogram({
      name: 'lading_records_write_duration_seconds',
      help: 'From sending a batch of records to the database until it has them',
      buckets: DISK_BUCKETS_S,
      registers,
    })
    this.#flushes = new Histogram({
      name: 'lading_flush_duration_seconds',
      help: 'From asking a thread to flush files until the disk has them',
      buckets: DISK_BUCKETS_S,
      registers,
    })
    this.#tusd = metricsTusdNames
      ? addTusdNames(this.#collected, () => this.#watched?.connections.open ?? 0)
      : null
    // A counter that begins with its first event hides that event from rate().
    for (const outcome of OUTCOMES) this.#uploads.inc({ outcome }, 0)
  }

  /** Counts what happens to uploads. */
  readonly listener: EventListener = ({ kind }) => {
    if (!isOutcome(kind)) return
    this.#uploads.inc({ outcome: kind })
    this.#tusd?.upload(kind)
  }

  /** The same function, whose requests are counted. `methodOf` says which method counts. */
  counting<E extends Answered>(
    serve: (exchange: E) => Promise<void>,
    methodOf: (request: E['request']) => string,
  ): (exchange: E) => Promise<void> {
    return async (exchange) => {
      try {
        await serve(exchange)
      } finally {
        this.#count(exchange, methodOf(exchange.request))
      }
    }
  }

  /** Bytes of an upload were stored. */
  received(bytes: number): void {
    this.#receivedBytes.inc(bytes)
    this.#tusd?.received(bytes)
  }

  /** A hook was called. */
  hookCalled(event: string, outcome: string, ms: number): void {
    this.#hooks.inc({ event, outcome })
    this.#tusd?.hook(event, outcome)
    this.#hookSeconds.observe({ event }, ms / 1000)
  }

  /** A batch of records was written. */
  recordsWritten(ms: number): void {
    this.#recordWrites.observe(ms / 1000)
  }

  /** Files were flushed. */
  flushed(ms: number): void {
    this.#flushes.observe(ms / 1000)
  }

  /** From now on the numbers of these parts are read with each scrape. */
  watch(parts: Watched): void {
    this.#watched = parts
    addGauges(this.#collected, parts)
  }

  /** Everything as Prometheus reads it, and its media type. Rejects where a part cannot say its number. */
  async scrape(): Promise<{ type: string; text: string }> {
    return { type: this.#collected.contentType, text: await this.#collected.metrics() }
  }

  #count({ response, refusal }: Answered, method: string): void {
    const status = response.headersSent ? response.statusCode : 'none'
    const known = METHODS.has(method) ? method : 'other'
    const counts = this.#requests.get(known) ?? new Map<string | number, number>()
    this.#requests.set(known, counts.set(status, (counts.get(status) ?? 0) + 1))
    if (refusal !== null) this.#refusals.inc({ code: refusal })
    this.#tusd?.request(known, refusal === null ? null : { status: String(status), code: refusal })
  }
}

function isOutcome(kind: EventKind): kind is (typeof OUTCOMES)[number] {
  return OUTCOMES.some((outcome) => outcome === kind)
}
