import type { Case } from './cases.js'
import type { Sample } from './measure.js'

/** All measurements of one server in one case. */
export interface Series {
  readonly of: Case
  readonly contender: string
  readonly samples: readonly Sample[]
}

type Figure = 'rate' | 'cpuSeconds' | 'peakRssBytes'

interface Target {
  readonly case: string
  readonly contender: string
  readonly figure: Figure
  readonly against: string
  readonly limit: number
}

/** Ratios of medians: of a rate at least, of processor time at most. */
const TARGETS: readonly Target[] = [
  { case: 'one', contender: 'lading', figure: 'rate', against: 'stock', limit: 1.4 },
  { case: 'eight', contender: 'lading', figure: 'rate', against: 'stock', limit: 1.5 },
  { case: 'one', contender: 'lading', figure: 'cpuSeconds', against: 'stock', limit: 0.85 },
  { case: 'eight', contender: 'lading', figure: 'cpuSeconds', against: 'stock', limit: 0.85 },
  { case: 'small', contender: 'lading, off', figure: 'rate', against: 'stock', limit: 1.2 },
  { case: 'checked', contender: 'lading, sha1', figure: 'rate', against: 'lading', limit: 0.75 },
  { case: 'checked', contender: 'lading, sha256', figure: 'rate', against: 'lading', limit: 0.75 },
  { case: 'joining', contender: 'lading, joining', figure: 'rate', against: 'lading', limit: 0.75 },
]

const FIGURES: readonly Figure[] = ['rate', 'cpuSeconds']

/** The ratios, Lading's to every other server's, with the targets where there are some. */
export function ratioLines(all: readonly Series[]): readonly string[] {
  const ours = all.filter(({ contender }) => contender.startsWith('lading'))
  return ours.flatMap((our) => {
    const others = all.filter((each) => each.of === our.of && !each.contender.startsWith('lading'))
    const price = all.find((each) => each.of === our.of && each.contender === 'lading' && each !== our)
    return [...others, ...(price ? [price] : [])].flatMap((other) => {
      return FIGURES.flatMap((figure) => ratioLine(our, other, figure))
    })
  })
}

function ratioLine(our: Series, other: Series, figure: Figure): string[] {
  const ratio = median(values(our, figure)) / median(values(other, figure))
  if (!Number.isFinite(ratio)) return []
  const unit = figure === 'rate' ? our.of.rateUnit : our.of.cpuUnit
  const names = `${our.contender} ÷ ${other.contender}`
  return [
    `${our.of.name.padEnd(7)} ${unit.padEnd(11)} ${names.padEnd(24)} ${ratio.toFixed(2)}${verdict(our, other, figure, ratio)}`,
  ]
}

function verdict(our: Series, other: Series, figure: Figure, ratio: number): string {
  const target = TARGETS.find((each) => {
    return each.case === our.of.name && each.contender === our.contender && each.figure === figure
  })
  if (!target || other.contender !== target.against) return ''
  const met = figure === 'rate' ? ratio >= target.limit : ratio <= target.limit
  return `  ${met ? 'met' : 'MISSED'}: ${figure === 'rate' ? '≥' : '≤'} ${target.limit}`
}

/** Medians with the least and the most, a line for each server in each case. */
export function tableLines(all: readonly Series[]): readonly string[] {
  const titles = [...new Set(all.map(({ of }) => of))]
  return titles.flatMap((of) => {
    const rows = all.filter((series) => series.of === of).map((series) => tableLine(series))
    return [`${of.name}: ${of.title}`, ...rows, '']
  })
}

function tableLine(series: Series): string {
  const { rateUnit, cpuUnit } = series.of
  const cells = [
    `${spread(values(series, 'rate'), 0)} ${rateUnit}`,
    `${spread(values(series, 'cpuSeconds'), 2)} ${cpuUnit}`,
    `${spread(
      values(series, 'peakRssBytes').map((bytes) => bytes / 1e6),
      0,
    )} MB peak RSS`,
  ]
  return `  ${series.contender.padEnd(14)} ${cells.map((cell) => cell.padEnd(30)).join(' ')}`.trimEnd()
}

function values(series: Series, figure: Figure): number[] {
  return series.samples.map((sample) => sample[figure]).filter((value) => value !== undefined)
}

function spread(numbers: readonly number[], digits: number): string {
  if (numbers.length === 0) return '–'
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return `${median(numbers).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
}

/** The middle one, or the mean of both; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}
