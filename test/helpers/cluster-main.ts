/**
 * One node of a cluster in a process of its own: `cluster-main.js URL JSON`. Each of its workers takes a lock or a slot,
 * writes evidence under its token while it has it, and gives it back; it tells the test of each.
 */
import { setTimeout } from 'node:timers/promises'
import { Cluster } from '../../server/cluster/cluster.js'
import type { Held } from '../../server/model/cluster.js'
import { openNotices } from '../../server/postgres/notices.js'
import { openSql } from '../../server/postgres/pool.js'
import { type NodeTask, writeEvidence } from './cluster-node.js'

const [, , url = '', json = '{}'] = process.argv
const task: NodeTask = JSON.parse(json)
const log = { info() {}, warn() {}, error() {} }
const evidence = await openSql(url)
const cluster = new Cluster({
  sql: await openSql(url),
  shared: await openSql(url),
  notices: await openNotices(url),
  log,
  name: task.name,
  monotonic: () => performance.now(),
  ...(task.slots === undefined ? {} : { slots: task.slots }),
  ...(task.leaseMs === undefined ? {} : { leaseMs: task.leaseMs }),
})

async function work(worker: number): Promise<void> {
  for (;;) {
    const startedAt = performance.now()
    let ended: string | undefined
    const end = (cause: string): void => {
      ended = cause
    }
    const held = await take(worker, end).catch(() => undefined)
    if (!held) {
      await setTimeout(20)
      continue
    }
    process.send?.({
      kind: 'took',
      name: task.name,
      token: held.token,
      afterMs: performance.now() - startedAt,
    })
    await write(held, () => ended)
    process.send?.({
      kind: 'ended',
      name: task.name,
      token: held.token,
      cause: ended ?? 'own',
      isValid: held.isValid,
    })
    await held.release()
    // So that another one has a chance.
    if (ended === undefined) await setTimeout(5)
  }
}

function take(worker: number, end: (cause: string) => void): Promise<Held | undefined> {
  const key = task.keys[worker % task.keys.length] ?? ''
  const never = new AbortController().signal
  return cluster.slots
    ? cluster.slots.take(`${task.name} ${worker}`, { end, mayInterrupt: () => true }, 15_000, never)
    : cluster.locks.acquire(key, end, 15_000)
}

/** Writes until it is ended. What comes after the end shows that PostgreSQL refuses it. */
async function write(held: Held, ended: () => string | undefined): Promise<void> {
  const untilMs = performance.now() + (task.holdMs ?? Number.POSITIVE_INFINITY)
  while (ended() === undefined && performance.now() < untilMs) {
    const isWritten = await writeEvidence(evidence, task, held.token).catch(() => undefined)
    // Whoever holds it by its own clock holds it by PostgreSQL's.
    if (isWritten === false && held.isValid)
      process.send?.({ kind: 'refused', name: task.name, token: held.token })
    await setTimeout(2)
  }
  if (held.isValid) return
  const isWritten = await writeEvidence(evidence, task, held.token).catch(() => undefined)
  process.send?.({ kind: 'late', name: task.name, token: held.token, isWritten: isWritten ?? null })
}

for (let worker = 0; worker < task.workers; worker++) void work(worker)
