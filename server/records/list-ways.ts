import { familyOf, nameKey, type UploadFilter } from '../model/upload-list.js'

/**
 * An index with more entries for a filter is read in the order of lists. With fewer, what it finds is sorted, or compared
 * with the other conditions of the filter.
 */
const FEW = 2_000
/** The same for names and ids alone: sorting them reads no row. */
const FEW_NAMES = 6_000
/** Entries that one look may compare with the other conditions of a filter, and count: a longer one would hold up writing. */
export const COMPARED_AT_ONCE = 4_000
/** The same where no row is read for it. */
export const COMPARED_IN_INDEX = 9_000
export const COUNTED_AT_ONCE = 20_000
/** Behind every text that begins in the same way. */
export const LAST = '\u{10ffff}'

/** Names an index: by what it finds entries. */
export type WayName = 'creation' | 'state' | 'type' | 'family' | 'owner' | 'name' | 'id'

/** One index and the value that is looked for in it. */
export interface Way {
  readonly name: WayName
  readonly value: string
}

const COMPARED_WITHOUT_ROWS: readonly WayName[] = ['name', 'id', 'state']
/** Every entry, in the order of lists. */
const ALL: readonly Way[] = [{ name: 'creation', value: '' }]

/** Up to so many entries of a candidate are few. */
export function fewOf(candidates: ReadonlyArray<readonly Way[]>): number {
  const [only] = candidates
  return candidates.length === 1 && only && isSorted(only) ? FEW_NAMES : FEW
}

/**
 * The ways to the rows of a filter: several where it names several values.
 *
 * @param entries how many entries each of the filter's candidates has; more than are few need not be counted
 */
export function chosenWays(
  candidates: ReadonlyArray<readonly Way[]>,
  entries: readonly number[],
): readonly Way[] {
  const least = Math.min(...entries, Number.POSITIVE_INFINITY)
  if (least <= fewOf(candidates)) return candidates[entries.indexOf(least)] ?? ALL
  // Many in each: in the order of a list, the first that pass the other conditions are soon found. For names and states
  // the index of all entries is enough to compare them.
  if (candidates.length === 1 && candidates[0] && !isSorted(candidates[0])) return candidates[0]
  return candidates.find(([way]) => way !== undefined && !COMPARED_WITHOUT_ROWS.includes(way.name)) ?? ALL
}

/** What of a filter is left to compare with the entries of these ways. */
export function comparedWith(ways: readonly Way[], filter: UploadFilter): UploadFilter {
  const names = new Set(ways.map(({ name }) => name))
  return {
    ...filter,
    states: names.has('state') ? [] : filter.states,
    types: names.has('type') || names.has('family') ? [] : filter.types,
    owner: names.has('owner') ? null : filter.owner,
    prefix: isSorted(ways) ? null : filter.prefix,
  }
}

/** What the ways find is sorted: they are not in the order of lists, and have few entries. */
export function isSorted(ways: readonly Way[]): boolean {
  return ways.some(({ name }) => name === 'name' || name === 'id')
}

/** A filter has one condition at most, beside dates: every entry of its way passes. */
export function isAlone(filter: UploadFilter): boolean {
  return candidatesOf(filter).length <= 1 && filter.prefix === null
}

/** Each condition of a filter for which there is an index, the one that usually has the fewest entries first. */
export function candidatesOf({ prefix, owner, types, states }: UploadFilter): ReadonlyArray<readonly Way[]> {
  const families = types.filter((type) => type.endsWith('/*')).map(familyOf)
  const others = types.filter((type) => !type.endsWith('/*') && !families.includes(familyOf(type)))
  const ofType = [
    ...families.map((value) => ({ name: 'family', value }) as const),
    ...others.map((value) => ({ name: 'type', value }) as const),
  ]
  const all: ReadonlyArray<readonly Way[]> = [
    prefix === null
      ? []
      : [
          { name: 'name', value: nameKey(prefix) },
          { name: 'id', value: prefix },
        ],
    owner === null ? [] : [{ name: 'owner', value: owner }],
    ofType,
    states.map((value) => ({ name: 'state', value }) as const),
  ]
  return all.filter((ways) => ways.length > 0)
}
