import { attackLines } from './attacks.js'
import {
  isMet,
  medianOf,
  nameOf,
  type Ratio,
  ratiosOf,
  type Verdict,
  valuesOf,
  valueText,
  verdictsOf,
} from './figures.js'
import { machineLines } from './machine.js'
import type { CaseFacts, Result, Series } from './result.js'
import type { Target } from './targets.js'

const ENOUGH_ROUNDS = 5
const UNITS: Readonly<Record<Exclude<Target['figure'], 'rate' | 'cpuSeconds'>, string>> = {
  idleMb: 'MB idle',
  peakMb: 'MB peak',
  aboveIdleMb: 'MB above idle',
  eventLoopP99Ms: 'ms event loop p99',
}

/** The whole result as lines of text: ratios and targets first, because figures belong to one machine. */
export function reportLines(result: Result): readonly string[] {
  return [
    ['Lading benchmark', ...notesOn(result)].join(', '),
    '',
    ...(result.series.length > 0
      ? ['Targets', ...verdictsOf(result).map((each) => verdictLine(each, result))]
      : []),
    ...(result.series.length > 0
      ? ['', 'Ratios of medians', ...ratiosOf(result).map(ratioLine(result)), '']
      : []),
    ...(result.attacks.length > 0 ? ['Lading under attack', ...attackLines(result.attacks), ''] : []),
    ...result.cases.flatMap((of) => caseLines(of, result)),
    ...machineLines(result.machine),
    ...result.contenders.map(({ name, about }) => `${name.padEnd(15)} ${about}`),
    ...leftOutLines(result),
  ]
}

/** How much the figures are worth: the number of rounds, and what makes it no result to quote. */
export function notesOn({ rounds, divisor }: Result): readonly string[] {
  return [
    rounds < ENOUGH_ROUNDS ? `rounds: ${rounds}, where a result needs ${ENOUGH_ROUNDS}` : `${rounds} rounds`,
    ...(divisor > 1 ? [`sizes divided by ${divisor}: not to be quoted`] : []),
  ]
}

/** What the JSON has beside the samples. */
export function derivedFrom(result: Result): object {
  const [medians, ratios] = [result.series.map(mediansOf), ratiosOf(result)]
  return {
    medians,
    ratios: ratios.map(({ ours, theirs, ratio, figure, case: name }) => {
      return { case: name, figure, ours: nameOf(ours), theirs: nameOf(theirs), ratio }
    }),
    targets: verdictsOf(result).map(({ target, value, isMet }) => {
      return { ...target, measured: Number.isNaN(value) ? null : value, isMet }
    }),
  }
}

function mediansOf(series: Series): object {
  const figures = ['rate', 'cpuSeconds', 'idleMb', 'peakMb', 'eventLoopP99Ms'] as const
  const medians = figures.map((figure) => [figure, medianOf(series, figure)])
  return { case: series.case, name: nameOf(series), ...Object.fromEntries(medians) }
}

/** How a target was kept: `≥ 1.6, met`. */
export function boundText(target: Target, value: number): string {
  return `${target.bound} ${target.limit}, ${isMet(target, value) ? 'met' : 'missed'}`
}

function verdictLine({ target, value, isMet }: Verdict, { cases }: Result): string {
  const { case: name, ours, theirs, bound, limit } = target
  const word = Number.isNaN(value) ? 'not measured' : isMet ? 'met' : 'MISSED'
  const figure = unitOf(
    target.figure,
    cases.find((each) => each.name === name),
  )
  const measured = Number.isNaN(value) ? '' : valueText(target, value)
  const names = theirs === undefined ? ours : `${ours} ÷ ${theirs}`
  return `${word.padEnd(13)} ${name.padEnd(8)} ${figure.padEnd(18)} ${names.padEnd(32)} ${bound} ${String(limit).padEnd(5)} ${measured}`.trimEnd()
}

function unitOf(figure: Target['figure'], of: CaseFacts | undefined): string {
  if (figure === 'rate') return of?.rateUnit ?? 'speed'
  return figure === 'cpuSeconds' ? (of?.cpuUnit ?? 'CPU') : UNITS[figure]
}

function ratioLine({ cases }: Result): (ratio: Ratio) => string {
  return ({ case: name, figure, ours, theirs, ratio, target }) => {
    const unit = unitOf(
      figure,
      cases.find((each) => each.name === name),
    )
    const names = `${nameOf(ours)} ÷ ${nameOf(theirs)}`
    const bound = target ? `  (${boundText(target, ratio)})` : ''
    return `${name.padEnd(8)} ${unit.padEnd(11)} ${names.padEnd(32)} ${ratio.toFixed(2)}${bound}`
  }
}

/** The medians of a case with the least and the most, a line for each server. */
function caseLines(of: CaseFacts, { series }: Result): readonly string[] {
  const rows = series.filter((each) => each.case === of.name).map((each) => seriesLine(each, of))
  return [`${of.name}: ${of.title}`, ...rows, '']
}

function seriesLine(series: Series, { rateUnit, cpuUnit }: CaseFacts): string {
  const columns = [
    ['rate', rateUnit, 0],
    ['cpuSeconds', cpuUnit, 2],
    ['peakMb', 'MB peak', 0],
    ['idleMb', 'MB idle', 0],
    ['eventLoopP99Ms', 'ms event loop p99', 1],
  ] as const
  const cells = columns.flatMap(([figure, unit, digits]) => {
    const values = valuesOf(series, figure)
    return values.length > 0 ? [`${spread(values, medianOf(series, figure), digits)} ${unit}`.padEnd(27)] : []
  })
  return `  ${nameOf(series).padEnd(18)} ${cells.join(' ')}`.trimEnd()
}

function spread(values: readonly number[], middle: number, digits: number): string {
  if (values.length === 1) return middle.toFixed(digits)
  return `${middle.toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`
}

function leftOutLines({ leftOut }: Result): readonly string[] {
  return leftOut.length > 0 ? [`left out: ${leftOut.length}`, ...leftOut.map((reason) => `  ${reason}`)] : []
}
