import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CLUSTER_GAUGES } from '../../server/metrics/gauges.js'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { until } from '../helpers/deliveries-place.js'
import { Receiver } from '../helpers/receiver.js'
import { askOf } from '../helpers/routes.js'
import { nameOf, type Scrape, scrape } from '../helpers/scrape.js'
import { locationOf } from '../helpers/server.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('metrics-queries')

const DASHBOARD = readFileSync('server/metrics/dashboard.json', 'utf8')
const ALERTS = readFileSync('server/metrics/alerts.yaml', 'utf8')

let server: TestApp
let receiver: Receiver
let seen: Scrape

test.before(async () => {
  receiver = await Receiver.start()
  server = await startApp({ hooksHttp: receiver.url, hooksEnabledEvents: ['pre-create', 'post-finish'] })
  const ask = askOf(() => server.origin)
  for (const text of ['hello', '#!/bin/sh\nexit 1\n']) {
    const location = locationOf(await ask('POST', '/files', { 'Upload-Length': String(text.length) }))
    const patch = { 'Upload-Offset': '0', 'Content-Type': OFFSET_TYPE }
    await ask('PATCH', new URL(location).pathname, patch, text)
  }
  await ask('GET', '/nowhere', {})
  await until('the hook and the write', async () => {
    seen = await scrape(server.origin)
    const isTold = seen.series.has('lading_hooks_total{event="post-finish",outcome="done"}')
    return isTold && (seen.series.get('lading_records_write_duration_seconds_count') ?? 0) > 0
  })
})
test.after(async () => {
  await server.close()
  receiver.close()
})

/** The value of every field of this name in a JSON document, however deep. */
function fieldsOf(value: unknown, name: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    return key === name && typeof inner === 'string' ? [inner] : fieldsOf(inner, name)
  })
}

/** A rule of an alert: the part of YAML that the file uses, one `key: value` a line. Fails at any other line. */
function rulesOf(yaml: string): Record<string, string>[] {
  const rules: Record<string, string>[] = []
  for (const line of yaml.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    if (/^(groups:| {2}- name: \w+| {4}rules:)$/.test(line)) continue
    const [, begins, key = '', value = ''] =
      /^ {6}(?:(- )| {2}(?: {2})?)([a-z]+):(?: (\S.*))?$/.exec(line) ?? assert.unreachable(line) ?? []
    // YAML reads these as more than text.
    assert.not.match(value, /: |\s#|^[[{&*!|>'"%@`]/, line)
    if (begins) rules.push({})
    Object.assign(rules.at(-1) ?? {}, { [key]: value })
  }
  return rules
}

/** The selectors in a query: names of metrics, with the values that their labels must equal. */
function selectorsIn(query: string): { name: string; labels: string[] }[] {
  return [...query.matchAll(/\b((?:lading|process|nodejs|tusd)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', labels = '']) => {
      return { name, labels: [...labels.matchAll(/\b(?!job)\w+="[^"]*"/g)].map(([label]) => label) }
    },
  )
}

/** Says which metrics of a query no server has. Those of a cluster are seen in faults/cluster-slots. */
function unknownIn(query: string): string[] {
  return selectorsIn(query)
    .filter(({ name, labels }) => {
      if (Object.hasOwn(CLUSTER_GAUGES, name)) return labels.length > 0
      return ![...seen.series.keys()].some((series) => {
        // Only an event that happened has its label.
        const isRare = labels.some((label) => label.startsWith('outcome='))
        return nameOf(series) === name && (isRare || labels.every((label) => series.includes(label)))
      })
    })
    .map(({ name }) => `${name} in ${query}`)
}

/** Names of labels by which a query groups, and that none of its metrics has. */
function strangeLabelsIn(query: string): string[] {
  const grouped = [...query.matchAll(/\b(?:by|without) \(([^)]+)\)/g)].flatMap(([, list = '']) =>
    list.split(', '),
  )
  const names = selectorsIn(query).map(({ name }) => name)
  const series = [...seen.series.keys()].filter((each) => names.includes(nameOf(each)))
  return grouped.filter((label) => !series.some((each) => new RegExp(`[{,]${label}=`).test(each)))
}

test("each metric in the dashboard's queries is in a scrape, with the labels that they use", () => {
  const parsed: unknown = JSON.parse(DASHBOARD)
  const queries = [...fieldsOf(parsed, 'expr'), ...fieldsOf(parsed, 'definition')]
  assert.ok(queries.length > 30)
  for (const query of queries) assert.ok(selectorsIn(query).length > 0, query)
  assert.equal(queries.flatMap(unknownIn), [])
  assert.equal(queries.flatMap(strangeLabelsIn), [])
})

test('the panels of the dashboard have ids of their own, and places on its grid that no other one has', () => {
  const { panels }: { panels: { id: number; gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[] } =
    JSON.parse(DASHBOARD)
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    assert.ok(x >= 0 && x + w <= 24)
    return Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`)
  })
  assert.is(new Set(cells).size, cells.length)
})

test('each metric in the alerts is in a scrape, and each alert says what it means', () => {
  const rules = rulesOf(ALERTS)
  assert.ok(rules.length >= 8)
  for (const { alert, expr = '', severity = '', summary } of rules) {
    assert.match(alert ?? '', /^Lading[A-Z]\w+$/)
    assert.ok(selectorsIn(expr).length > 0, alert)
    assert.match(severity, /^(warning|critical)$/)
    assert.ok(summary, alert)
    const open = [...expr].filter((each) => '([{'.includes(each)).length
    assert.is(open, [...expr].filter((each) => ')]}'.includes(each)).length, alert)
  }
  const queries = rules.map(({ expr = '' }) => expr)
  assert.equal(queries.flatMap(unknownIn), [])
  assert.equal(queries.flatMap(strangeLabelsIn), [])
})

test('every metric of Lading is described in the README beside it', () => {
  const readme = readFileSync('server/metrics/README.md', 'utf8')
  const written = [...readme.matchAll(/`(\w+)`(?:, `…(_\w+)`)?/g)].flatMap(([, name = '', end]) => {
    return end === undefined ? [name] : [name, name.replace(/_(taken|open|$)$|$/, '') + end]
  })
  assert.equal(
    [...seen.kinds.keys()].filter((name) => !written.includes(name)),
    [],
  )
})

test.run()
