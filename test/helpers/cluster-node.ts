import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Cluster, type ClusterOptions } from '../../server/cluster/cluster.js'
import type { Sql } from '../../server/model/sql.js'
import { openNotices } from '../../server/postgres/notices.js'
import { openSql } from '../../server/postgres/pool.js'
import { eventually } from './server.js'

const MAIN = new URL('./cluster-main.js', import.meta.url)
const WITHIN_MS = 60_000

/** What a node in a process of its own does. */
export interface NodeTask {
  readonly name: string
  /** The uploads whose locks its workers take. */
  readonly keys: readonly string[]
  readonly workers: number
  /** With it the workers take slots, not locks. */
  readonly slots?: number
  readonly leaseMs?: number
  /** How long each is held; for ever without it. */
  readonly holdMs?: number
}

/** What a node tells the test. */
export interface NodeReport {
  readonly kind: 'took' | 'ended' | 'late' | 'refused'
  readonly name: string
  readonly token: number
  readonly afterMs?: number
  readonly cause?: string
  readonly isValid?: boolean
  readonly isWritten?: boolean | null
}

export interface TestNode {
  readonly process: ChildProcess
  readonly reports: NodeReport[]
  /** Resolves with the first report of a kind, from so many reports on. */
  report(kind: NodeReport['kind'], from?: number): Promise<NodeReport>
  /** Kills it at once, and resolves when it has ended. */
  kill(): Promise<void>
}

const nodes = new Set<TestNode>()

/** Starts a node; it is killed with the test process. */
export function startNode(url: string, task: NodeTask): TestNode {
  const child = fork(MAIN, [url, JSON.stringify(task)])
  const reports: NodeReport[] = []
  child.on('message', (report: NodeReport) => void reports.push(report))
  const killed = (): void => void child.kill('SIGKILL')
  process.on('exit', killed)
  const exited = once(child, 'exit').then(() => void process.off('exit', killed))
  const node: TestNode = {
    process: child,
    reports,
    report: (kind, from = 0) =>
      eventually(WITHIN_MS, `${kind} of ${task.name}`, async () => {
        return reports.slice(from).find((report) => report.kind === kind)
      }),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
      nodes.delete(node)
    },
  }
  nodes.add(node)
  return node
}

/** Kills the nodes that are left. */
export async function killNodes(): Promise<void> {
  await Promise.all([...nodes].map((node) => node.kill()))
}

/** A node in this process. */
export async function openCluster(url: string, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  return new Cluster({
    sql: await openSql(url),
    shared: await openSql(url),
    notices: await openNotices(url),
    log: { info() {}, warn() {}, error() {} },
    name: 'own',
    monotonic: () => performance.now(),
    ...options,
  })
}

/** Makes the table of what holders write. */
export async function makeEvidence(sql: Sql): Promise<void> {
  await sql.query(`CREATE TABLE evidence (
    seq bigserial PRIMARY KEY, key text NOT NULL, token bigint NOT NULL, node text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp())`)
}

/** Writes a row under a token. False where PostgreSQL refuses it, because the token is not the holder's any more. */
export async function writeEvidence(sql: Sql, task: NodeTask, token: number): Promise<boolean> {
  // The lock on the row keeps a takeover behind this row of evidence.
  const valid =
    task.slots === undefined
      ? 'SELECT id AS key FROM upload_locks WHERE token = $1 FOR SHARE'
      : 'SELECT n::text AS key FROM cluster_slots WHERE token = $1 AND node IS NOT NULL FOR SHARE'
  const { changes } = await sql.query(
    `INSERT INTO evidence (key, token, node) SELECT key, $1, $2 FROM (${valid}) AS valid`,
    [token, task.name],
  )
  return changes > 0
}

export interface EvidenceRow {
  readonly key: string
  readonly token: number
  readonly node: string
  /** Milliseconds since 1970, by PostgreSQL's clock. */
  readonly atMs: number
}

/** All evidence in the order in which it was written. */
export async function readEvidence(sql: Sql): Promise<readonly EvidenceRow[]> {
  const { rows } = await sql.query<EvidenceRow>(
    `SELECT key, token, node, (extract(epoch FROM at) * 1000)::double precision AS "atMs" FROM evidence ORDER BY seq`,
  )
  return rows
}

/** How often a holder wrote after a later one of the same upload or slot. */
export function tooLate(rows: readonly EvidenceRow[]): number {
  const newest = new Map<string, number>()
  return rows.filter(({ key, token }) => {
    const before = newest.get(key) ?? 0
    newest.set(key, Math.max(before, token))
    return token < before
  }).length
}

/** The most tokens that were in use at one moment, each from its first evidence to its last. */
export function mostAtOnce(rows: readonly EvidenceRow[]): number {
  const spans = new Map<number, { from: number; to: number }>()
  for (const { token, atMs } of rows) {
    const span = spans.get(token) ?? { from: atMs, to: atMs }
    span.to = Math.max(span.to, atMs)
    spans.set(token, span)
  }
  const all = [...spans.values()]
  return Math.max(
    0,
    ...all.map(({ from }) => all.filter((span) => span.from <= from && from <= span.to).length),
  )
}
