import type { Result } from './suite.js'

const COLUMNS = ['group', 'passed', 'failed MUST', 'failed SHOULD', 'skipped'] as const

interface Row {
  readonly group: string
  readonly passed: number
  readonly failedMust: number
  readonly failedShould: number
  readonly skipped: number
}

/** The counts of each group, in the order of the groups, and of all. */
export function rowsOf(results: readonly Result[]): readonly Row[] {
  const groups = [...new Set(results.map(({ group }) => group))]
  return [
    ...groups.map((group) =>
      count(
        group,
        results.filter((result) => result.group === group),
      ),
    ),
    count('all', results),
  ]
}

/** Whether the server breaks a MUST. */
export function failsMust(results: readonly Result[]): boolean {
  return results.some(({ outcome, level }) => outcome === 'failed' && level === 'MUST')
}

/** The table, and each failed check with what was expected and seen, and why others were skipped. */
export function textOf(server: string, results: readonly Result[]): string {
  const failed = results.filter(({ outcome }) => outcome === 'failed')
  return [
    `tus 1.0.0 at ${server}`,
    '',
    ...tableOf(results),
    '',
    ...failed.flatMap(failureLines),
    ...skipLines(results),
  ]
    .join('\n')
    .trimEnd()
}

/** The table, as it stands in a README. */
export function markdownOf(results: readonly Result[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [
    line(COLUMNS),
    line(COLUMNS.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rowsOf(results).map((row) => line(cells(row))),
  ].join('\n')
}

/** All of it, for programs. */
export function jsonOf(server: string, extensions: readonly string[], results: readonly Result[]): string {
  return JSON.stringify({ server, extensions, groups: rowsOf(results), checks: results }, null, 1)
}

function count(group: string, results: readonly Result[]): Row {
  const failed = results.filter(({ outcome }) => outcome === 'failed')
  return {
    group,
    passed: results.filter(({ outcome }) => outcome === 'passed').length,
    failedMust: failed.filter(({ level }) => level === 'MUST').length,
    failedShould: failed.filter(({ level }) => level === 'SHOULD').length,
    skipped: results.filter(({ outcome }) => outcome === 'skipped').length,
  }
}

function cells(row: Row): (string | number)[] {
  return [row.group, row.passed, row.failedMust, row.failedShould, row.skipped]
}

function tableOf(results: readonly Result[]): string[] {
  const rows = [[...COLUMNS], ...rowsOf(results).map((row) => cells(row).map(String))]
  return rows.map((row) => {
    return row
      .map((cell, at) => (at === 0 ? cell.padEnd(26) : cell.padStart((COLUMNS[at] ?? '').length + 2)))
      .join('')
  })
}

function failureLines(result: Result): string[] {
  return [
    `${result.level} failed · ${result.group} · ${result.section} · ${result.title}`,
    `  the specification  "${result.sentence}"`,
    `  expected           ${result.expected}`,
    `  seen               ${result.seen}`,
    '',
  ]
}

/** Each reason once, with how often: of an extension that is not there one line is enough. */
function skipLines(results: readonly Result[]): string[] {
  const skipped = results.filter(({ outcome }) => outcome === 'skipped')
  const reasons = [...new Set(skipped.map(({ reason }) => reason))]
  return reasons.map((reason) => {
    const checks = skipped.filter((result) => result.reason === reason)
    const where = checks.length === 1 ? `${checks[0]?.group}: ${checks[0]?.title}` : `${checks.length} checks`
    return `skipped  ${where} (${reason})`
  })
}
