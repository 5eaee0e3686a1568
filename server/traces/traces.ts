import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { asUploadError } from '../errors.js'
import type { EventListener } from '../model/event.js'
import type { HookRun } from '../model/hook.js'
import type { RequestFacts } from '../model/request-facts.js'
import { type Answered, endAttributes, hostAttributes, startAttributes } from './request-attributes.js'

export interface TracesTools {
  readonly version: string
  /** Limited in rate: each request may cause a line. */
  readonly log: { error(fields: object, message: string): void }
}

/** An exchange whose request has headers. */
interface Exchange extends Answered {
  readonly request: object & { readonly headers: Readonly<Record<string, string | string[] | undefined>> }
}

/** What a span needs to begin. */
interface Beginning {
  readonly name: string
  readonly options: SpanOptions
  readonly parent: Context
}

/** Instrumentations of HTTP clients make no span, and add no header, where this is set. The SDK's own key. */
const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')
const DELIVERIES = /^post-/

/** Makes spans of requests, hooks and finishes. A fault of the SDK is logged and changes nothing else. */
export class Traces {
  readonly #tracer: Tracer | undefined
  readonly #log: TracesTools['log']

  constructor({ version, log }: TracesTools) {
    this.#log = log
    this.#tracer = this.#try(() => trace.getTracer('lading', version))
  }

  /** Notes the id of a created upload at its request. */
  readonly listener: EventListener = ({ kind, record }) => {
    if (kind === 'created')
      this.#try(() => trace.getActiveSpan()?.setAttribute('lading.upload.id', record.id))
  }

  /** The same function, with a span for each request. `factsOf` says what is known of a request at its beginning. */
  serving<E extends Exchange>(
    serve: (exchange: E) => Promise<void>,
    factsOf: (exchange: E) => RequestFacts,
  ): (exchange: E) => Promise<void> {
    return (exchange) =>
      this.#inSpan(
        () => requestSpan(factsOf(exchange), exchange.request.headers),
        () => serve(exchange),
        (span) => endRequest(span, exchange),
      )
  }

  /** Finishes an upload in a span: of its request, or of its own where it is joined from others. */
  finishing(upload: FinishedUpload, work: () => Promise<void>): Promise<void> {
    return this.#inSpan(() => finishSpan(upload), work)
  }

  /** Calls a hook in a span: of its request where it decides, of its own where it is a delivery. */
  hook<T>(run: HookRun, work: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T> {
    return this.#inSpan(
      () => hookSpan(run),
      work,
      (span, result) => endHook(span, result === undefined ? 'failed' : outcomeOf(result)),
    )
  }

  /** Sends a request with the headers that continue the trace. Instrumentations of the client see nothing of it. */
  outgoing<T>(send: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const headers: Record<string, string> = {}
    this.#try(() => propagation.inject(context.active(), headers))
    return this.#within(
      () => context.active().setValue(SUPPRESSED, true),
      () => send(headers),
    )
  }

  async #inSpan<T>(
    begin: () => Beginning,
    work: () => Promise<T>,
    end: (span: Span, result?: T) => void = () => {},
  ): Promise<T> {
    const begun = this.#try(() => {
      const { name, options, parent } = begin()
      const span = this.#tracer?.startSpan(name, options, parent)
      return span && { span, active: trace.setSpan(parent, span) }
    })
    if (!begun) return work()
    const { span, active } = begun
    let result: T | undefined
    try {
      result = await this.#within(() => active, work)
      return result
    } catch (error) {
      this.#try(() => noteError(span, error))
      throw error
    } finally {
      this.#try(() => end(span, result))
      this.#try(() => span.end())
    }
  }

  /** Does the work once, in a context where the SDK can set one. */
  #within<T>(contextOf: () => Context, work: () => Promise<T>): Promise<T> {
    let begun: Promise<T> | undefined
    this.#try(() =>
      context.with(contextOf(), () => {
        begun = work()
      }),
    )
    return begun ?? work()
  }

  #try<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.#log.error({ err: error }, 'the SDK of OpenTelemetry failed')
      return undefined
    }
  }
}

interface FinishedUpload {
  readonly id: string
  readonly kind: 'single' | 'partial' | 'final'
  readonly offset: number
}

function requestSpan(facts: RequestFacts, headers: Exchange['request']['headers']): Beginning {
  const active = context.active()
  // An instrumentation of node:http has read the headers already, and has a span of its own.
  const isInstrumented = trace.getSpan(active) !== undefined
  const kind = isInstrumented ? SpanKind.INTERNAL : SpanKind.SERVER
  const { name, attributes } = startAttributes(facts, headers)
  const parent = isInstrumented ? active : propagation.extract(active, headers)
  return { name, options: { kind, attributes }, parent }
}

function finishSpan({ id, kind, offset }: FinishedUpload): Beginning {
  const attributes = { 'lading.upload.id': id, 'lading.upload.length': offset, 'lading.upload.kind': kind }
  const parent = kind === 'final' ? ROOT_CONTEXT : context.active()
  return { name: 'finish', options: { attributes, links: linksTo(kind === 'final') }, parent }
}

function hookSpan({ event, endpoint, uploadId, url }: HookRun): Beginning {
  const attributes: Attributes = {
    'lading.hook.event': event,
    'lading.hook.endpoint': endpoint,
    'lading.upload.id': uploadId,
    ...(url === null ? {} : clientAttributes(url)),
  }
  // What wakes deliveries is any request: they belong to none.
  const parent = DELIVERIES.test(event) ? ROOT_CONTEXT : context.active()
  const kind = url === null ? SpanKind.INTERNAL : SpanKind.CLIENT
  return { name: `hook ${event}`, options: { kind, attributes }, parent }
}

/** The span under which a join was asked for, where there is one. */
function linksTo(isJoined: boolean): { context: SpanContext }[] {
  const asking = isJoined ? trace.getSpanContext(context.active()) : undefined
  return asking ? [{ context: asking }] : []
}

/** A receiver's address, without what may be a secret in it. */
function clientAttributes(url: URL): Attributes {
  return {
    'http.request.method': 'POST',
    'url.full': `${url.origin}${url.pathname}`,
    ...hostAttributes(url),
  }
}

function endRequest(span: Span, exchange: Exchange): void {
  if (!span.isRecording()) return
  const { attributes, isFault } = endAttributes(exchange)
  span.setAttributes(attributes)
  if (isFault) span.setStatus({ code: SpanStatusCode.ERROR })
}

function endHook(span: Span, outcome: string): void {
  span.setAttribute('lading.hook.outcome', outcome)
  if (outcome === 'failed' || outcome === 'gone') span.setStatus({ code: SpanStatusCode.ERROR })
}

/** What a client causes is no error of the server. */
function noteError(span: Span, thrown: unknown): void {
  if (!span.isRecording()) return
  const { code, status } = asUploadError(thrown)
  span.setAttribute('error.type', code)
  if (status < 500) return
  span.recordException(thrown instanceof Error ? thrown : String(thrown))
  span.setStatus({ code: SpanStatusCode.ERROR, message: code })
}
