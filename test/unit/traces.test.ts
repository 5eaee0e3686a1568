import { context, propagation, trace } from '@opentelemetry/api'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { requestFacts } from '../../server/http/request-facts.js'
import { loadTraces } from '../../server/traces/load.js'
import { startAttributes } from '../../server/traces/request-attributes.js'
import { Traces } from '../../server/traces/traces.js'
import { fakeRequest } from '../helpers/fake-exchange.js'

const test = suite('traces')

const FACTS = {
  ...{ method: 'PATCH', sentMethod: 'PATCH', path: '/files/x', route: '/files/{id}', uploadId: null },
  ...{ origin: '', client: '127.0.0.1', httpVersion: '1.1' },
}
const RUN = { event: 'pre-create', endpoint: 'http', uploadId: 'x', url: null } as const
const UPLOAD = { id: 'x', kind: 'single', offset: 5 } as const

let faults: unknown[] = []
const log = { error: (fields: object) => void faults.push(fields) }

function broken(): never {
  throw new Error('the SDK is broken')
}

/** Anything: each of its methods throws. */
const BROKEN_SPAN = new Proxy(trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: 0 }), {
  get: () => broken,
})

const BROKEN_CONTEXTS: Parameters<typeof context.setGlobalContextManager>[0] = {
  ...{ active: broken, with: broken, bind: broken },
  enable: () => BROKEN_CONTEXTS,
  disable: () => BROKEN_CONTEXTS,
}

test.before.each(() => {
  faults = []
})
test.after.each(() => {
  for (const api of [trace, context, propagation]) api.disable()
})

/** Does each kind of work through these traces; gives what was done, in order. */
async function everyKind(traces: Traces): Promise<string[]> {
  const done: string[] = []
  const exchange = {
    request: { headers: {} },
    response: { headersSent: true, statusCode: 204 },
    refusal: null,
  }
  const serve = traces.serving(
    async () => void done.push('served'),
    () => FACTS,
  )
  await serve(exchange)
  await traces.finishing(UPLOAD, async () => void done.push('finished'))
  const send = async (headers: object): Promise<void> => void done.push(`asked with ${Object.keys(headers)}`)
  await traces.hook(
    RUN,
    () => traces.outgoing(send),
    () => 'accepted',
  )
  return done
}

for (const [what, register] of [
  [
    'whose tracer throws',
    () =>
      trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: broken, startActiveSpan: broken }) }),
  ],
  [
    'whose spans throw',
    () =>
      trace.setGlobalTracerProvider({
        getTracer: () => ({ startSpan: () => BROKEN_SPAN, startActiveSpan: broken }),
      }),
  ],
  ['whose contexts throw', () => context.setGlobalContextManager(BROKEN_CONTEXTS)],
  [
    'whose propagation throws',
    () => propagation.setGlobalPropagator({ inject: broken, extract: broken, fields: broken }),
  ],
] as const) {
  test(`an SDK ${what} breaks no request, and each work is done once`, async () => {
    register()
    const traces = new Traces({ version: '1', log })
    assert.equal(await everyKind(traces), ['served', 'finished', 'asked with '])
    assert.ok(faults.length > 0)
  })
}

test('an SDK that cannot make a tracer breaks no start and no request', async () => {
  trace.setGlobalTracerProvider({ getTracer: broken })
  const traces = new Traces({ version: '1', log })
  assert.equal(await everyKind(traces), ['served', 'finished', 'asked with '])
})

test('what a client writes in its request is cut in spans', () => {
  const long = 'a'.repeat(50_000)
  const facts = { ...FACTS, sentMethod: long, path: `/${long}`, origin: `http://${long}` }
  const { attributes } = startAttributes(facts, { 'user-agent': long })
  assert.ok(JSON.stringify(attributes).length < 2_000)
})

for (const address of ['/drop/lg_a.b', '/drop/lg_a.b/', 'http://lading.test/drop/lg_a.b?x=lg_a.b'])
  test(`the token of a drop link is in no span: ${address}`, () => {
    const tools = { basePath: '/files', behindProxy: false, isUploadId: () => false, methodOf: () => 'GET' }
    const { name, attributes } = startAttributes(requestFacts(fakeRequest('GET', address), tools), {})
    assert.equal([name, attributes['url.path']], ['GET /drop/{token}', '/drop/{token}'])
    assert.not.match(JSON.stringify(attributes), /lg_/)
  })

test('what work throws comes out as it is', async () => {
  const traces = new Traces({ version: '1', log })
  const error = new UploadError('disk_full')
  const thrown = await traces.finishing(UPLOAD, () => Promise.reject(error)).catch((each: unknown) => each)
  assert.is(thrown, error)
})

test('an application that registers a tracer before createApp has traces, another one has none', async () => {
  assert.is(await loadTraces({ version: '1', log }), null)
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: broken, startActiveSpan: broken }) })
  assert.instance(await loadTraces({ version: '1', log }), Traces)
})

test.run()
