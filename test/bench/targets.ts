import type { CaseName } from './result.js'

/** A peer of this name is the build that "today" means in the targets. */
export const TODAY = 'today'

/** A ratio of medians: of the rate in the case's unit, or of processor time. */
export type RatioFigure = 'rate' | 'cpuSeconds'
/** A median in MB or ms. */
export type ValueFigure = 'aboveIdleMb' | 'idleMb' | 'eventLoopP99Ms'

export interface Target {
  readonly case: CaseName
  /** A contender of ours and its variant, as nameOf() writes it. */
  readonly ours: string
  readonly figure: RatioFigure | 'peakMb' | ValueFigure
  /** What it is divided by; missing for a value of ours alone. */
  readonly theirs?: string
  readonly bound: '≥' | '≤' | '<'
  readonly limit: number
}

/** What must hold. */
export const TARGETS: readonly Target[] = [
  ...bulk('stock + digest', 1.6, 0.6),
  ...bulk('nginx + openssl', 1.2, 0.8),
  ...bulk('stock', 1.15, 0.95),
  { case: 'one', ours: 'lading', figure: 'cpuSeconds', theirs: TODAY, bound: '≤', limit: 0.8 },
  { case: 'eight', ours: 'lading', figure: 'cpuSeconds', theirs: TODAY, bound: '≤', limit: 0.8 },
  { case: 'resume', ours: 'lading', figure: 'rate', theirs: 'stock', bound: '≥', limit: 0.9 },
  { case: 'small', ours: 'lading', figure: 'rate', theirs: 'stock', bound: '≥', limit: 1.5 },
  { case: 'small', ours: 'lading, off', figure: 'rate', theirs: 'stock', bound: '≥', limit: 1.6 },
  { case: 'small', ours: 'lading', figure: 'aboveIdleMb', bound: '≤', limit: 35 },
  { case: 'small', ours: 'lading, off', figure: 'aboveIdleMb', bound: '≤', limit: 35 },
  { case: 'patches', ours: 'lading, 500 KiB', figure: 'rate', theirs: 'lading', bound: '≥', limit: 0.6 },
  ...notLower('checked', 'sha1'),
  ...notLower('checked', 'sha256'),
  ...notLower('joining', 'joining'),
  { case: 'downloads', ours: 'lading', figure: 'rate', theirs: 'nginx', bound: '≥', limit: 0.8 },
  { case: 'memory', ours: 'lading, 4 GiB', figure: 'aboveIdleMb', bound: '≤', limit: 25 },
  { case: 'memory', ours: 'lading, 4 GiB', figure: 'idleMb', bound: '≤', limit: 85 },
  { case: 'memory', ours: 'lading, 4 GiB', figure: 'eventLoopP99Ms', bound: '<', limit: 20 },
  // Memory does not depend on the size of the files.
  {
    case: 'memory',
    ours: 'lading, 4 GiB',
    figure: 'peakMb',
    theirs: 'lading, 400 MB',
    bound: '≤',
    limit: 1.1,
  },
]

function bulk(theirs: string, rate: number, cpu: number): readonly Target[] {
  return (['one', 'eight'] as const).flatMap((name): Target[] => [
    { case: name, ours: 'lading', figure: 'rate', theirs, bound: '≥', limit: rate },
    { case: name, ours: 'lading', figure: 'cpuSeconds', theirs, bound: '≤', limit: cpu },
  ])
}

function notLower(name: CaseName, variant: string): readonly Target[] {
  const theirs = `${TODAY}, ${variant}`
  return [{ case: name, ours: `lading, ${variant}`, figure: 'rate', theirs, bound: '≥', limit: 1 }]
}
