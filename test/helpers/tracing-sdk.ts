/**
 * An SDK of OpenTelemetry for a server in a process of its own: `node --import tracing-sdk.js?FILE`. Each span that
 * ends is a line of JSON in the file.
 */
import { appendFileSync } from 'node:fs'
import {
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node'

/** A span as the file has it. */
export interface WrittenSpan {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | null
  readonly attributes: Readonly<Record<string, unknown>>
  /** 0: none was set, 2: an error. */
  readonly status: number
}

const file = decodeURIComponent(new URL(import.meta.url).search.slice(1))

const exporter: SpanExporter = {
  export(spans, done) {
    for (const span of spans) appendFileSync(file, `${JSON.stringify(written(span))}\n`)
    done({ code: 0 })
  },
  shutdown: async () => {},
}

function written(span: ReadableSpan): WrittenSpan {
  const { traceId, spanId } = span.spanContext()
  const { name, kind, attributes, status, parentSpanContext } = span
  const parentId = parentSpanContext?.spanId ?? null
  return { name, kind, traceId, spanId, parentId, attributes, status: status.code }
}

if (file !== '') new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
