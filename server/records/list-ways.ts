import { familyOf, nameKey, type UploadFilter } from '../model/upload-list.js'

/** An index with more entries for a filter than this is not the one that is sorted: it is read in the order of lists. */
export const FEW = 2_000
/** Entries that one look may compare with the other conditions of a filter, and count: a longer one would hold up writing. */
export const COMPARED_AT_ONCE = 4_000
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

/** Every entry, in the order of lists. */
const ALL: readonly Way[] = [{ name: 'creation', value: '' }]

/**
 * The ways to the rows of a filter: several where it names several values.
 *
 * @param entries how many entries each of the filter's candidates has; more than FEW need not be counted
 */
export function chosenWays(
  candidates: readonly (readonly Way[])[],
  entries: readonly number[],
): readonly Way[] {
  const few = Math.min(...entries, Number.POSITIVE_INFINITY)
  if (few <= FEW) return candidates[entries.indexOf(few)] ?? ALL
  // Many in each: in the order of a list, the first that pass the other conditions are soon found.
  return candidates.find(([way]) => way !== undefined && way.name !== 'name') ?? ALL
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
