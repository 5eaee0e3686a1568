import type { Traces, TracesTools } from './traces.js'

/** Where @opentelemetry/api 1.x keeps what an SDK has registered. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/**
 * The traces of a server; null where no SDK of OpenTelemetry has registered a tracer before the start, and then the
 * library is not loaded.
 */
export async function loadTraces(tools: TracesTools): Promise<Traces | null> {
  const registered: unknown = Reflect.get(globalThis, REGISTERED)
  if (typeof registered !== 'object' || registered === null || !('trace' in registered)) return null
  const { Traces } = await import('./traces.js')
  return new Traces(tools)
}
