import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { memoryPeak } from './memory-peak.js'
import { eventually, statusOf, type TestServer } from './server.js'
import { bounded } from './test.js'

const BYSTANDER = new URL('./bystander-main.js', import.meta.url)
const WARM_UPLOADS = 5
const WARM_WITHIN_MS = 60_000
const STOPS_WITHIN_MS = 90_000
const RESTS_WITHIN_MS = 60_000
/** Promised are 50 MiB, which `npm run bench -- --cases attacks` judges on a quiet machine; the figure is printed here. */
const ABOVE_IDLE_BYTES = 64 * 2 ** 20
/** Descriptors that come and go by themselves: the database's, the log's, a folder's. */
const SPARE_DESCRIPTORS = 8

/** What the process in bystander-main.ts tells at its end. */
export interface BystanderReport {
  /** How long each upload of 1 MiB took that succeeded, in milliseconds. */
  readonly uploadsMs: readonly number[]
  /** What became of the others: an error code, or a method with its status. */
  readonly failures: readonly string[]
}

/** What an attack did to the server and to another user; bytes and milliseconds. */
export interface AttackReport {
  readonly uploads: number
  readonly failures: readonly string[]
  readonly p50Ms: number
  readonly p99Ms: number
  readonly idleBytes: number
  readonly peakBytes: number
  readonly descriptorsBefore: number
  readonly descriptorsAfter: number
}

/**
 * Runs `attack` while another user, in a process of its own, uploads 1 MiB again and again. Prints the figures.
 * Fails unless memory stays near what is promised above idle, and slots, arena and descriptors come back afterwards.
 * The caller judges `failures`, since some attacks reach a limit that is named for everyone.
 */
export async function underAttack(
  name: string,
  server: TestServer,
  attack: () => Promise<void>,
): Promise<AttackReport> {
  const idleBytes = (await statusOf(server)).memory.rssBytes
  const bystander = fork(BYSTANDER, [server.url], { execArgv: [] })
  const kill = (): void => void bystander.kill('SIGKILL')
  process.on('exit', kill)
  try {
    await warm(bystander)
    const descriptorsBefore = descriptors(server.pid)
    await attack()
    const { uploadsMs, failures } = await reportOf(bystander)
    const peakBytes = memoryPeak(server.pid)
    const descriptorsAfter = await atRest(server, descriptorsBefore)
    const report = {
      uploads: uploadsMs.length,
      failures,
      p50Ms: percentile(uploadsMs, 50),
      p99Ms: percentile(uploadsMs, 99),
      idleBytes,
      peakBytes,
      descriptorsBefore,
      descriptorsAfter,
    }
    console.log(lineOf(name, report))
    const above = peakBytes - idleBytes
    assert.ok(above < ABOVE_IDLE_BYTES, `${name}: ${mib(above)} above idle`)
    return report
  } finally {
    kill()
    process.off('exit', kill)
  }
}

async function warm(bystander: ChildProcess): Promise<void> {
  for (let done = 0; done < WARM_UPLOADS; done++) {
    await bounded(WARM_WITHIN_MS, once(bystander, 'message'), 'an upload before the attack')
  }
}

function reportOf(bystander: ChildProcess): Promise<BystanderReport> {
  const report = new Promise<BystanderReport>((resolve) => {
    bystander.on('message', (message) => {
      if (isReport(message)) resolve(message)
    })
  })
  bystander.send('stop')
  return bounded(STOPS_WITHIN_MS, report, "the other user's report")
}

function isReport(message: unknown): message is BystanderReport {
  return typeof message === 'object' && message !== null && 'uploadsMs' in message && 'failures' in message
}

/** Open descriptors of a process; Linux only. */
export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Resolves with the descriptors once the server is idle again and has about as many as before. */
function atRest(server: TestServer, before: number): Promise<number> {
  return eventually(RESTS_WITHIN_MS, 'a server at rest after the attack', async () => {
    const { slots, arena } = await statusOf(server)
    const isIdle = slots.taken === 0 && slots.waiting === 0 && arena.free === arena.blocks
    const open = descriptors(server.pid)
    return isIdle && open <= before + SPARE_DESCRIPTORS ? open : undefined
  })
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

function lineOf(name: string, report: AttackReport): string {
  const { uploads, failures, p50Ms, p99Ms, idleBytes, peakBytes, descriptorsBefore, descriptorsAfter } =
    report
  const counts = new Map<string, number>()
  for (const failure of failures) counts.set(failure, (counts.get(failure) ?? 0) + 1)
  const failed = [...counts].map(([failure, count]) => `${count} × ${failure}`).join(', ') || 'none'
  return (
    `attack: ${name}: ${uploads} uploads of another user, p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, ` +
    `failed: ${failed}; memory ${mib(idleBytes)} idle, ${mib(peakBytes - idleBytes)} above; ` +
    `descriptors ${descriptorsBefore} before, ${descriptorsAfter} after`
  )
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
