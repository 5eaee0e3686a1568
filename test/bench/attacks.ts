import { join } from 'node:path'
import { ATTACKS } from '../helpers/attacks.js'
import { startServer } from '../helpers/server.js'
import { type AttackReport, underAttack } from '../helpers/under-attack.js'
import type { Workspace } from './workspace.js'

const ATTACK_MS = 20_000
const P99_LIMIT_MS = 200
const ABOVE_IDLE_LIMIT_MIB = 50
const MIB = 2 ** 20

/** One attack and its figures. It failed if slots, memory or descriptors were not given back. */
export interface AttackRun {
  readonly name: string
  readonly report: AttackReport | { readonly failed: string }
}

/** Runs each attack against a server of its own, one after the other, for 20 s divided by `divisor`. */
export async function measureAttacks(workspace: Workspace, divisor: number): Promise<readonly AttackRun[]> {
  const runs: AttackRun[] = []
  for (const [name, attack] of Object.entries(ATTACKS)) {
    const folder = await workspace.fresh()
    const server = await startServer(['--log-level', 'error'], join(folder, 'data'))
    try {
      const report = await underAttack(name, server, () => attack(server, ATTACK_MS / divisor)).catch(
        (error: unknown) => ({ failed: error instanceof Error ? error.message : String(error) }),
      )
      runs.push({ name, report })
    } finally {
      await server.stop('SIGKILL')
      await workspace.remove(folder)
    }
  }
  return runs
}

/** Lines for each attack: another user's uploads, memory and descriptors, and whether the promises were kept. */
export function attackLines(runs: readonly AttackRun[]): readonly string[] {
  return runs.flatMap(({ name, report }) => {
    if ('failed' in report) return [name, `  MISSED: ${report.failed}`]
    const { uploads, failures, p50Ms, p99Ms, idleBytes, peakBytes, descriptorsBefore, descriptorsAfter } =
      report
    const above = (peakBytes - idleBytes) / MIB
    return [
      name,
      `  another user: ${uploads} uploads of 1 MiB, p50 ${p50Ms.toFixed(0)} ms, ` +
        `p99 ${p99Ms.toFixed(0)} ms (${verdict(p99Ms < P99_LIMIT_MS)}: < ${P99_LIMIT_MS}), failed: ${countsOf(failures)}`,
      `  memory ${above.toFixed(1)} MiB above idle (${verdict(above < ABOVE_IDLE_LIMIT_MIB)}: < ${ABOVE_IDLE_LIMIT_MIB}), ` +
        `descriptors ${descriptorsBefore} before, ${descriptorsAfter} after`,
    ]
  })
}

function verdict(isKept: boolean): string {
  return isKept ? 'met' : 'MISSED'
}

function countsOf(failures: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const failure of failures) counts.set(failure, (counts.get(failure) ?? 0) + 1)
  return [...counts].map(([failure, count]) => `${count} × ${failure}`).join(', ') || 'none'
}
