import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Api } from '../../server/http/api.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { startApp, type TestApp, withApp } from '../helpers/app-place.js'
import { until } from '../helpers/deliveries-place.js'
import { FakeExchange, fakeRequest } from '../helpers/fake-exchange.js'
import { Receiver } from '../helpers/receiver.js'
import { askOf } from '../helpers/routes.js'
import { nameOf, type Scrape, scrape } from '../helpers/scrape.js'
import { locationOf, send } from '../helpers/server.js'
import { never } from '../helpers/upload-fakes.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('metrics')

let server: TestApp
let receiver: Receiver
const ask = askOf(() => server.origin)

test.before(async () => {
  receiver = await Receiver.start()
  server = await startApp({
    hooksHttp: receiver.url,
    hooksEnabledEvents: ['pre-create', 'post-finish'],
    hooksHttpRetry: 0,
  })
})
test.after(async () => {
  await server.close()
  receiver.close()
})

/** Runs `work` and resolves with how much each series has grown since. A request is counted after its answer. */
async function growth(work: () => Promise<unknown>, isThere: (grown: Grown) => boolean): Promise<Grown> {
  const before = await scrape(server.origin)
  await work()
  let grown: Grown = () => 0
  await until('the growth', async () => {
    const after = await scrape(server.origin)
    grown = (series) => (after.series.get(series) ?? 0) - (before.series.get(series) ?? 0)
    return isThere(grown)
  })
  return grown
}

type Grown = (series: string) => number

/** The first scrape in which no series is below its number here. */
async function withAtLeast(origin: string, least: Record<string, number>): Promise<Scrape['series']> {
  let series: Scrape['series'] = new Map()
  await until(Object.keys(least).join(', '), async () => {
    series = (await scrape(origin)).series
    return Object.entries(least).every(([name, value]) => (series.get(name) ?? 0) >= value)
  })
  return series
}

async function upload(text: string, headers: object = {}): Promise<string> {
  const length = String(Buffer.byteLength(text))
  const location = locationOf(await ask('POST', '/files', { 'Upload-Length': length, ...headers }))
  const patch = { 'Upload-Offset': '0', 'Content-Type': OFFSET_TYPE }
  await ask('PATCH', new URL(location).pathname, patch, text)
  return new URL(location).pathname
}

test('"GET /metrics": requests by method and status, bytes, uploads by outcome, hooks by event and outcome', async () => {
  const wanted: Record<string, number> = {
    'lading_uploads_total{outcome="created"}': 3,
    'lading_uploads_total{outcome="finished"}': 1,
    'lading_uploads_total{outcome="refused"}': 1,
    'lading_uploads_total{outcome="terminated"}': 1,
    'lading_uploads_total{outcome="expired"}': 0,
    lading_received_bytes_total: 5,
    'lading_requests_total{method="POST",status="201"}': 3,
    'lading_requests_total{method="PATCH",status="415"}': 1,
    'lading_requests_total{method="DELETE",status="204"}': 1,
    'lading_requests_total{method="GET",status="404"}': 1,
    'lading_refusals_total{code="type_refused"}': 1,
    'lading_refusals_total{code="upload_unknown"}': 1,
    'lading_hooks_total{event="pre-create",outcome="accepted"}': 3,
    'lading_hooks_total{event="post-finish",outcome="done"}': 1,
    'lading_hook_duration_seconds_count{event="pre-create"}': 3,
    'lading_hook_duration_seconds_count{event="post-finish"}': 1,
  }
  const grown = await growth(
    async () => {
      await upload('hello')
      await upload('#!/bin/sh\nexit 1\n')
      await ask('DELETE', await upload('', { 'Upload-Length': '7' }), {})
      assert.is((await ask('GET', '/files/20260101-0123456789abcdef0123456789abcdef', {})).status, 404)
      assert.is((await ask('BREW', '/files', {})).status, 400)
    },
    (seen) => Object.entries(wanted).every(([series, value]) => seen(series) >= value),
  )
  for (const [series, value] of Object.entries(wanted)) assert.is(grown(series), value, series)
})

test('a hook that refuses or fails is counted so', async () => {
  const grown = await growth(
    async () => {
      receiver.reply = () => ({ json: { RejectUpload: true } })
      assert.is((await ask('POST', '/files', { 'Upload-Length': '5' })).status, 400)
      receiver.reply = () => ({ status: 500 })
      assert.is((await ask('POST', '/files', { 'Upload-Length': '5' })).status, 500)
      receiver.reply = () => ({})
    },
    () => true,
  )
  assert.is(grown('lading_hooks_total{event="pre-create",outcome="refused"}'), 1)
  assert.is(grown('lading_hooks_total{event="pre-create",outcome="failed"}'), 1)
})

test('the database and the disk say how long they take', async () => {
  const grown = await growth(
    () => upload('hello'),
    (seen) => seen('lading_records_write_duration_seconds_count') > 0,
  )
  assert.ok(grown('lading_flush_duration_seconds_count') > 0)
  assert.ok(grown('lading_flush_duration_seconds_sum') > 0)
})

test('what is taken of each limit is read with the scrape', async () => {
  const wanted: Record<string, number> = {
    lading_slots_taken: 0,
    lading_slots_waiting: 0,
    lading_slots_limit: 10,
    lading_downloads_taken: 0,
    lading_downloads_limit: 64,
    lading_arena_blocks: 32,
    lading_arena_blocks_free: 32,
    lading_digest_backlog_bytes: 0,
    lading_deliveries_failed: 0,
    lading_disk_min_free_bytes: 0,
    lading_request_faults_total: 0,
  }
  // What the requests before took may be given back after their answers.
  const series = await withAtLeast(server.origin, { lading_arena_blocks_free: 32 })
  for (const [name, value] of Object.entries(wanted)) assert.is(series.get(name), value, name)
  const present = ['lading_records_lag_seconds', 'lading_event_loop_delay_seconds{quantile="0.99"}']
  for (const name of present) assert.type(series.get(name), 'number', name)
  assert.ok((series.get('lading_connections_open') ?? 0) > 0)
  assert.ok((series.get('lading_disk_free_bytes') ?? 0) > 0)
  assert.ok((series.get('process_resident_memory_bytes') ?? 0) > 1024 * 1024)
  assert.ok((series.get('process_open_fds') ?? 0) > 3)
  assert.ok(Math.abs((series.get('process_start_time_seconds') ?? 0) * 1000 - Date.now()) < 3_600_000)
})

test('method names that clients make up share one label', async () => {
  const grown = await growth(
    async () => {
      for (const word of ['MADE', 'UP', 'WORDS']) {
        const override = { 'X-HTTP-Method-Override': word }
        assert.is((await ask('POST', '/files', override)).status, 405)
      }
    },
    (seen) => seen('lading_requests_total{method="other",status="405"}') >= 3,
  )
  assert.is(grown('lading_requests_total{method="other",status="405"}'), 3)
})

test('names are as Prometheus asks for them: a prefix, base units, and _total for what only grows', async () => {
  const { kinds }: Scrape = await scrape(server.origin)
  assert.ok(kinds.size > 30)
  for (const [name, kind] of kinds) {
    assert.match(name, /^(lading|process|nodejs)_[a-z_]+$/)
    assert.is(name.endsWith('_total'), kind === 'counter', name)
    assert.not.match(name, /_(ms|millis|milliseconds|kb|mb|percent)(_|$)/)
    if (kind === 'histogram') assert.match(name, /_seconds$/)
  }
})

test('GET and HEAD are answered in the format that Prometheus reads, other methods with 405', async () => {
  const { headers, text } = await scrape(server.origin)
  assert.is(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  assert.is(headers['cache-control'], 'no-store')
  assert.ok(text.endsWith('\n'))
  const head = await send(server.origin, { method: 'HEAD', path: '/metrics' })
  assert.is(head.status, 200)
  assert.is(head.text, '')
  assert.is(head.headers['content-type'], headers['content-type'])
  assert.is((await ask('POST', '/metrics', {})).status, 405)
})

test('"--no-metrics": nothing is there', async () => {
  await withApp({ metrics: false }, async ({ origin }) => {
    assert.is((await send(origin, { method: 'GET', path: '/metrics' })).status, 404)
  })
})

test('a fault while metrics are collected is answered with 500 and logged', async () => {
  const logged: object[] = []
  const api = new Api({
    ...{ findUpload: never, status: async () => ({}), issuer: { grant: never, link: never } },
    ...{ deliveries: null, notReady: never, removeUpload: never },
    ...{ uploads: { page: never, count: never }, events: { serve: never } },
    metrics: { scrape: async () => Promise.reject(new Error('a part cannot say its number')) },
    log: { error: (fields) => void logged.push(fields) },
  })
  const asked = { exchange: new FakeExchange(fakeRequest('GET', '/metrics')), principal: ANONYMOUS }
  const thrown: unknown = await api
    .find('/metrics')
    ?.serve('GET', { ...asked, query: new URLSearchParams(), origin: '', headers: {} })
    .catch((error: unknown) => error)
  assert.is(thrown instanceof Error && 'status' in thrown && thrown.status, 500)
  assert.is(logged.length, 1)
  assert.match(inspect(logged[0]), /a part cannot say its number/)
})

test('"--metrics-tusd-names adds tusd\'s names for existing dashboards"; without it there are none', async () => {
  assert.not.match((await scrape(server.origin)).text, /tusd/)
  const flags = { hooksHttp: receiver.url, hooksEnabledEvents: ['pre-create'], hooksHttpRetry: 0 }
  await withApp({ ...flags, metricsTusdNames: true }, async ({ origin }) => {
    const send = askOf(() => origin)
    const create = async () =>
      new URL(locationOf(await send('POST', '/files', { 'Upload-Length': '5' }))).pathname
    await send('PATCH', await create(), { 'Upload-Offset': '0', 'Content-Type': OFFSET_TYPE }, 'hello')
    await send('DELETE', await create(), {})
    receiver.reply = () => ({ status: 500 })
    await send('POST', '/files', { 'Upload-Length': '5' })
    receiver.reply = () => ({})
    const wanted: Record<string, number> = {
      'tusd_requests_total{method="POST"}': 3,
      'tusd_requests_total{method="PATCH"}': 1,
      'tusd_errors_total{status="500",code="hook_failed"}': 1,
      tusd_bytes_received: 5,
      tusd_uploads_created: 2,
      tusd_uploads_finished: 1,
      tusd_uploads_terminated: 1,
      'tusd_hook_invocations_total{hooktype="pre-create"}': 3,
      'tusd_hook_errors_total{hooktype="pre-create"}': 1,
    }
    const series = await withAtLeast(origin, wanted)
    assert.is(series.get('tusd_connections_open'), series.get('lading_connections_open') ?? -1)
    for (const [name, value] of Object.entries(wanted)) assert.is(series.get(name), value, name)
  })
})

test('each value of a label is one of few', async () => {
  const { series } = await scrape(server.origin)
  assert.ok([...series.keys()].filter((each) => !/_bucket$/.test(nameOf(each))).length < 200)
})

test.run()
