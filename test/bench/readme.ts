import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isOurs, medianOf, nameOf, type Ratio, ratiosOf, verdictsOf } from './figures.js'
import { boundText, notesOn } from './report.js'
import type { CaseFacts, Result, Series } from './result.js'
import type { RatioFigure } from './targets.js'

const README = fileURLToPath(new URL('../../../test/bench/README.md', import.meta.url))
const BEGIN = '<!-- result: npm run bench -- --readme writes what follows -->'
const END = '<!-- /result -->'
const FIGURES: readonly RatioFigure[] = ['rate', 'cpuSeconds']

/** Throws an Error with one line if the README has no place for the result. */
export function checkReadme(): void {
  withResult(readFileSync(README, 'utf8'), '')
}

/** Writes the result between the markers of README.md. */
export function writeReadme(result: Result): void {
  writeFileSync(README, withResult(readFileSync(README, 'utf8'), readmePart(result)))
}

/** The page with `part` between its markers, and all else as it was. */
export function withResult(page: string, part: string): string {
  const [before, inside, ...more] = page.split(BEGIN)
  const [, after] = inside?.split(END) ?? []
  if (before === undefined || inside === undefined || after === undefined || more.length > 0)
    throw new Error(`the README must have one ${BEGIN} and, after it, ${END}`)
  return `${before}${BEGIN}\n\n${part}\n\n${END}${after}`
}

/** The result as Markdown. */
export function readmePart(result: Result): string {
  const { startedAt, machine, leftOut } = result
  // The last table has what the case `memory` measures.
  const speed = { ...result, cases: result.cases.filter(({ name }) => name !== 'memory') }
  const sections = [
    [
      `${startedAt.slice(0, 10)}, ${notesOn(result).join(', ')}: ${machine.processor}; ${machine.memory}; ` +
        `${machine.system}; data on ${machine.data}.`,
    ],
    result.contenders.map(({ name, about }) => `- ${name}: ${about}`),
    leftOut.map((reason) => `- left out: ${reason}`),
    ratioTable(speed),
    ownTable(speed),
    medianTable(speed),
    memoryTable(result),
  ]
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** Lading's ratio to each other server, a row for a figure of a case. */
function ratioTable(result: Result): readonly string[] {
  const ratios = ratiosOf(result).filter(({ theirs }) => !isOurs(theirs))
  const others = [...new Set(ratios.map(({ theirs }) => theirs.contender))]
  const rows = result.cases.flatMap((of) => {
    const ours = new Set(ratios.filter((ratio) => ratio.case === of.name).map((ratio) => ratio.ours))
    return [...ours].flatMap((series) => {
      return FIGURES.map((figure) => {
        const cells = others.map((name) => {
          return ratios.find(
            (each) => each.ours === series && each.figure === figure && each.theirs.contender === name,
          )
        })
        return [rowTitle(of, series, figure), ...cells.map(ratioCell)]
      })
    })
  })
  return table(['Lading ÷', ...others], rows)
}

/** What a variant costs Lading itself. */
function ownTable(result: Result): readonly string[] {
  const rows = ratiosOf(result)
    .filter(({ theirs, figure }) => isOurs(theirs) && figure === 'rate')
    .map((ratio) => {
      const [ours, theirs] = [medianOf(ratio.ours, 'rate'), medianOf(ratio.theirs, 'rate')]
      const of = result.cases.find(({ name }) => name === ratio.case)
      const title = of ? rowTitle(of, ratio.ours, 'rate') : ratio.case
      return [title, ratioCell(ratio), ours.toFixed(0), theirs.toFixed(0)]
    })
  return table(['Lading beside itself', 'ratio', 'with', 'without'], rows)
}

/** The medians themselves. */
function medianTable({ cases, series }: Result): readonly string[] {
  const names = [...new Set(series.map(({ contender }) => contender))].filter(
    (name) => !/^lading,/.test(name),
  )
  const rows = cases.flatMap((of) => {
    const variants = [
      ...new Set(series.filter((each) => each.case === of.name).map(({ variant }) => variant)),
    ]
    return variants.flatMap((variant) => {
      return FIGURES.map((figure) => {
        const all = names.map((contender) => {
          return series.find((each) => {
            return each.case === of.name && each.contender === contender && each.variant === variant
          })
        })
        const cells = all.map((each) => medianCell(each, figure))
        return [rowTitle(of, { contender: 'lading', variant }, figure), ...cells]
      })
    })
  })
  return table(['medians', ...names], rows)
}

/** Idle and peak, where a case looks at them, with the targets. */
function memoryTable(result: Result): readonly string[] {
  const verdicts = verdictsOf(result)
  const columns = ['idleMb', 'peakMb', 'aboveIdleMb', 'eventLoopP99Ms'] as const
  const rows = result.series
    .filter((series) => Number.isFinite(medianOf(series, 'idleMb')))
    .map((series) => {
      const cells = columns.map((figure) => {
        const value = medianOf(series, figure)
        if (!Number.isFinite(value)) return '–'
        const verdict = verdicts.find(({ target }) => {
          const isSame =
            target.case === series.case && target.figure === figure && target.ours === nameOf(series)
          return isSame && target.theirs === undefined
        })
        return value.toFixed(1) + (verdict ? ` (${boundText(verdict.target, value)})` : '')
      })
      return [`${series.case}: ${nameOf(series)}`, ...cells]
    })
  return table(['memory', 'idle, MB', 'peak, MB', 'above idle, MB', 'event loop p99, ms'], rows)
}

/** The case, how it was done, and the unit. */
function rowTitle(
  of: CaseFacts,
  { contender, variant }: Pick<Series, 'contender' | 'variant'>,
  figure: RatioFigure,
) {
  const setting = contender.startsWith('lading, ') ? ` \`--durability ${contender.slice(8)}\`` : ''
  const way = variant === '' ? '' : ` ${variant}`
  return `\`${of.name}\`${setting}${way}, ${figure === 'rate' ? of.rateUnit : of.cpuUnit}`
}

function ratioCell(ratio: Ratio | undefined): string {
  if (!ratio) return '–'
  const bound = ratio.target ? ` (${boundText(ratio.target, ratio.ratio)})` : ''
  return `**${ratio.ratio.toFixed(2)}**${bound}`
}

function medianCell(series: Series | undefined, figure: RatioFigure): string {
  const value = series ? medianOf(series, figure) : Number.NaN
  return Number.isFinite(value) ? value.toFixed(figure === 'rate' ? 0 : 2) : '–'
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return []
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
}
