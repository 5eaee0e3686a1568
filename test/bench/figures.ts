import type { Result, Sample, Series } from './result.js'
import { type RatioFigure, TARGETS, type Target } from './targets.js'

export type Figure = Target['figure']

/** Our median divided by another one. */
export interface Ratio {
  readonly case: string
  readonly figure: RatioFigure
  readonly ours: Series
  readonly theirs: Series
  readonly ratio: number
  readonly target: Target | undefined
}

/** A target and what was measured; NaN if it was not measured. */
export interface Verdict {
  readonly target: Target
  readonly value: number
  readonly isMet: boolean
}

const RATIO_FIGURES: readonly RatioFigure[] = ['rate', 'cpuSeconds']

/** The contender and, unless it is the plain one, the variant. */
export function nameOf({ contender, variant }: Pick<Series, 'contender' | 'variant'>): string {
  return variant === '' ? contender : `${contender}, ${variant}`
}

/** True for Lading and its settings; another build of it, whatever its name, is compared with them. */
export function isOurs({ contender }: Series): boolean {
  return contender === 'lading' || contender.startsWith('lading, ')
}

/** The ratios of a case: each of ours to every other server, in their order, then to the plain one of ours. */
export function ratiosOf(result: Result): readonly Ratio[] {
  return result.cases.flatMap(({ name }) => {
    const all = result.series.filter((series) => series.case === name)
    const plain = all.filter(({ contender, variant }) => contender === 'lading' && variant === '')
    return all.filter(isOurs).flatMap((ours) => {
      const others = all.filter((series) => !isOurs(series) && series.variant === ours.variant)
      return [...others, ...plain.filter((series) => series !== ours)].flatMap((theirs) => {
        return RATIO_FIGURES.flatMap((figure) => ratioOf(ours, theirs, figure))
      })
    })
  })
}

function ratioOf(ours: Series, theirs: Series, figure: RatioFigure): Ratio[] {
  const ratio = medianOf(ours, figure) / medianOf(theirs, figure)
  if (!Number.isFinite(ratio)) return []
  const target = TARGETS.find((each) => {
    return (
      each.case === ours.case &&
      each.figure === figure &&
      each.ours === nameOf(ours) &&
      each.theirs === nameOf(theirs)
    )
  })
  return [{ case: ours.case, figure, ours, theirs, ratio, target }]
}

/** Every target, with what was measured. */
export function verdictsOf({ series }: Result): readonly Verdict[] {
  return TARGETS.map((target) => {
    const medianFor = (name: string): number => {
      const found = series.find((each) => each.case === target.case && nameOf(each) === name)
      return found ? medianOf(found, target.figure) : Number.NaN
    }
    const ours = medianFor(target.ours)
    const value = target.theirs === undefined ? ours : ours / medianFor(target.theirs)
    return { target, value, isMet: isMet(target, value) }
  })
}

/** Judges the value as it is printed, so that the reader comes to the same verdict. */
export function isMet(target: Target, value: number): boolean {
  const printed = Number(valueText(target, value))
  if (target.bound === '≥') return printed >= target.limit
  return target.bound === '≤' ? printed <= target.limit : printed < target.limit
}

/** The value of a target in digits: a ratio with two decimals, MB and ms with one. */
export function valueText({ theirs }: Target, value: number): string {
  return value.toFixed(theirs === undefined ? 1 : 2)
}

export function medianOf(series: Series, figure: Figure): number {
  return median(valuesOf(series, figure))
}

/** What the samples have of a figure. */
export function valuesOf({ samples }: Series, figure: Figure): readonly number[] {
  return samples.map((sample) => figureOf(sample, figure)).filter((value) => Number.isFinite(value))
}

function figureOf(sample: Sample, figure: Figure): number {
  const { idleRssBytes = Number.NaN, peakRssBytes = Number.NaN } = sample
  switch (figure) {
    case 'idleMb':
      return idleRssBytes / 1e6
    case 'peakMb':
      return peakRssBytes / 1e6
    case 'aboveIdleMb':
      return (peakRssBytes - idleRssBytes) / 1e6
    default:
      return sample[figure] ?? Number.NaN
  }
}

/** The middle one, or the mean of the two in the middle; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}
