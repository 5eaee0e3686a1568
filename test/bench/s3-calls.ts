/**
 * `node dist/test/bench/s3-calls.js`: what each request costs in calls to S3 and statements of PostgreSQL, counted by a
 * proxy and by pg_stat_statements, on two nodes. It prints the rows of the table in server/s3/README.md. What is done
 * behind the answer within two seconds is counted too; heartbeats are not.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Nodes } from '../helpers/nodes.js'
import { startPostgres } from '../helpers/postgres.js'
import { startRadosgw } from '../helpers/radosgw.js'
import { countS3 } from '../helpers/s3-counter.js'
import { locationOf, send, type TestServer, tus } from '../helpers/server.js'

const TIMES = 4
const SETTLE_MS = 2_500
const PART_BYTES = 5 * 2 ** 20
const PATCH = Buffer.alloc(PART_BYTES + 1000, 'a')
const LENGTH = 4 * PATCH.length

/** Statements by what they are for: the first pattern that fits. */
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['heartbeat', /\bnodes\b|record_writers/i],
  ['ledger', /\bs3_(uploads|parts)\b/i],
  ['locks', /\b(upload_locks|cluster_slots)\b|pg_notify\('lading_(ask|free)/i],
  ['events', /pg_notify/i],
  ['records', /\buploads\b/i],
]

const [radosgw, postgres] = await Promise.all([
  startRadosgw(),
  startPostgres(['shared_preload_libraries=pg_stat_statements']),
])
const counter = await countS3(radosgw.endpoint)
const nodes = await Nodes.start({ radosgw, postgres }, { endpoint: counter.endpoint })
await nodes.sql.query('CREATE EXTENSION pg_stat_statements')

async function statements(): Promise<Map<string, number>> {
  const { rows } = await nodes.sql.query<{ query: string; calls: number }>(
    'SELECT query, calls FROM pg_stat_statements',
  )
  const counts = new Map<string, number>()
  for (const { query, calls } of rows) {
    if (/^\s*(BEGIN|COMMIT|ROLLBACK|SET|LISTEN|SELECT \$1$)|pg_stat_statements/i.test(query)) continue
    const kind = KINDS.find(([, pattern]) => pattern.test(query))?.[0] ?? `other: ${query}`
    if (kind !== 'heartbeat') counts.set(kind, (counts.get(kind) ?? 0) + calls)
  }
  return counts
}

/** Prints what one request costs, from several of them one behind the other. */
async function count(what: string, ask: (i: number) => Promise<unknown>): Promise<void> {
  await pause(SETTLE_MS)
  const before = counter.counts.calls
  await nodes.sql.query('SELECT pg_stat_statements_reset()')
  for (let i = 0; i < TIMES; i++) await ask(i)
  await pause(SETTLE_MS)
  const each = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([name, calls]) => `${Number((calls / TIMES).toFixed(1))} ${name}`).join(', ') || '–'
  const calls = Object.entries(counter.counts.calls).map(
    ([name, sum]) => [name, sum - (before[name] ?? 0)] as const,
  )
  const asked = new Map(calls.filter(([, sum]) => sum > 0))
  console.log(`| ${what} | ${each(asked)} | ${each(await statements())} |`)
}

async function create(node: TestServer): Promise<string> {
  return new URL(locationOf(await tus.create(node, LENGTH))).pathname
}

async function expect(status: number, answer: Promise<{ status: number; text: string }>): Promise<void> {
  const { status: seen, text } = await answer
  if (seen !== status) throw new Error(`${seen} ${text}`)
}

/** Sends the PATCH of a number to each upload. */
function patches(what: string, paths: readonly string[], number: number, node: TestServer): Promise<void> {
  return count(what, (i) => expect(204, tus.patch(node, paths[i] ?? '', number * PATCH.length, PATCH)))
}

try {
  const [one, other] = [nodes.node(0), nodes.all.at(-1) ?? nodes.node(0)]
  const small = {
    'Content-Type': 'application/offset+octet-stream',
    'Upload-Length': 1000,
    'Tus-Resumable': '1.0.0',
  }
  await count('creation without a body', () => create(one))
  await count('creation with a whole body of less than a part', () =>
    expect(201, send(one.origin, { method: 'POST', path: one.url, headers: small, body: 'x'.repeat(1000) })),
  )
  const paths = await Promise.all(Array.from({ length: TIMES }, () => create(one)))
  await patches('first PATCH: a part and a tail', paths, 0, one)
  await count('HEAD', (i) => tus.head(one, paths[i] ?? ''))
  await patches('PATCH on the same node', paths, 1, one)
  await count('HEAD on another node', (i) => tus.head(other, paths[i] ?? ''))
  await patches('PATCH on another node', paths, 2, other)
  await patches('last PATCH', paths, 3, other)
  await count('HEAD of a finished upload', (i) => tus.head(one, paths[i] ?? ''))
  await count('download', (i) => expect(200, send(one.origin, { method: 'GET', path: paths[i] ?? '' })))
  await count('DELETE', (i) => expect(204, tus.remove(one, paths[i] ?? '')))
} finally {
  await nodes.end()
  counter.close()
  await Promise.all([radosgw.end(), postgres.kill()])
}
