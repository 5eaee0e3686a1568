import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import type { Check } from '../conformance/check.js'
import type { Result } from '../conformance/suite.js'
import { bounded } from './test.js'

const MAIN = fileURLToPath(new URL('../conformance/main.js', import.meta.url))
const RUN_WITHIN_MS = 200_000

/** What Lading does otherwise, each with its reason. */
const DEPARTS = [
  // Hand-written clients send a form or some JSON with their creation; it is read and ignored, up to 64 KiB.
  '415 to a body of another Content-Type',
  '415 to a body without a Content-Type',
]

/** What `npm run conformance -- --json` prints. */
export interface Report {
  readonly extensions: readonly string[]
  readonly groups: readonly { readonly group: string; readonly passed: number }[]
  readonly checks: readonly Result[]
}

/** Runs the conformance suite as a command. */
export async function conformance(
  ...args: readonly string[]
): Promise<{ code: number | null; out: string; errors: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const [code] = await bounded(RUN_WITHIN_MS, once(child, 'close'), 'the end of the suite')
  return { code, out, errors }
}

/** The titles of the checks of a level that failed. */
export function failed({ checks }: Report, level: Check['level']): string[] {
  return checks.filter((each) => each.outcome === 'failed' && each.level === level).map(({ title }) => title)
}

/** How many checks came out so. */
export function all(report: Report, outcome: Result['outcome']): number {
  return report.checks.filter((check) => check.outcome === outcome).length
}

/** Fails unless a run shows every extension, no broken MUST, and no broken SHOULD without a reason. */
export function assertConforms({ code, out }: { code: number | null; out: string }): void {
  const report: Report = JSON.parse(out)
  const broken = report.checks.filter(({ outcome, level }) => outcome === 'failed' && level === 'MUST')
  assert.equal(
    broken.map(({ title, expected, seen }) => `${title}: expected ${expected}; saw ${seen}`),
    [],
  )
  assert.equal(failed(report, 'SHOULD'), DEPARTS)
  assert.is(code, 0)
  assert.ok(all(report, 'passed') >= 165, `${all(report, 'passed')} passed`)
  assert.ok(all(report, 'skipped') <= 8, `${all(report, 'skipped')} skipped`)
  for (const { group, passed } of report.groups) assert.ok(passed >= 5, `${passed} passed in ${group}`)
}
