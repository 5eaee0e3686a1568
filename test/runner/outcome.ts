import type { Ending } from './test-process.js'

/** What became of a test file. */
export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly skips: readonly string[]
  /** What was wrong with the file, apart from its failed tests. */
  readonly problems: readonly string[]
}

/** What uvu's summary at the end of the output says, and what it does not say. */
export function judge({ output, exit, problems: found }: Ending, limitSeconds: number): Outcome {
  const summaries = [...output.matchAll(/^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm)]
  const [total = 0, passed = 0, skipped = 0] = summaries.at(-1)?.slice(1).map(Number) ?? []
  const skips = [...output.matchAll(/(?:^|[•✘] )SKIP: (.+)$/gm)].map(([, reason = '']) => reason)
  const problems = [...found]
  if (exit === undefined) problems.push(`did not end within ${limitSeconds} s`)
  else if (summaries.length === 0)
    problems.push(`ended with ${exit} and without a summary; does it call .run()?`)
  else if (total + skipped === 0) problems.push('has no test')
  else if (exit === 0 && passed < total) problems.push('has tests that never ran: a before hook threw')
  else if (exit !== 0 && passed === total) problems.push(`ended with ${exit} though its tests passed`)
  if (skipped > skips.length) problems.push(`has ${skipped - skips.length} skipped without a SKIP: line`)
  const failed = Math.max(total - passed, problems.length > 0 ? 1 : 0)
  return { passed, failed, skipped, skips, problems }
}

/** Prints a file's counts, the reasons of its skipped tests, and when it failed, all it said. */
export function report(name: string, outcome: Outcome, output: string, seconds: number): void {
  const { passed, failed, skipped, skips, problems } = outcome
  const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '} ${name}: ${counts} (${seconds.toFixed(1)} s)`)
  for (const reason of skips) console.log(`     skipped: ${reason}`)
  if (failed > 0) console.log(output.replaceAll(/^(?=.)/gm, '     | '))
  for (const problem of problems) console.log(`     ${name} ${problem}`)
}
