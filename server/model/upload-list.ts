import type { RecordState } from './record.js'

/** Which uploads a list has; null or empty where a field does not limit it. */
export interface UploadFilter {
  readonly states: readonly RecordState[]
  /** Types such as `image/png`, and families such as `image/*`. */
  readonly types: readonly string[]
  readonly owner: string | null
  /** How the name of the file begins, in any case, or the id. */
  readonly prefix: string | null
  /** Created then or later; ISO 8601 in UTC with milliseconds. */
  readonly from: string | null
  /** Created earlier. */
  readonly before: string | null
}

/** What a list is filtered and ordered by. */
export interface Listed {
  readonly id: string
  readonly state: RecordState
  readonly type: string | null
  readonly filename: string | null
  readonly owner: string | null
  readonly createdAt: string
}

/** A place in the order of a list, which is the newest first: by `createdAt`, and for equal times by `id`. */
export interface ListPlace {
  readonly createdAt: string
  readonly id: string
}

export interface ListPage<T> {
  readonly items: readonly T[]
  /** Behind which place the list goes on; null at its end. */
  readonly next: ListPlace | null
}

/** In the order of any list, before all uploads. */
export const LIST_START: ListPlace = { createdAt: '~', id: '' }

/** A filter that every upload passes. */
export const EVERY_UPLOAD: UploadFilter = {
  states: [],
  types: [],
  owner: null,
  prefix: null,
  from: null,
  before: null,
}

/** No name is compared by more. */
const NAME_KEY_LENGTH = 80

/**
 * By what names are found in any case: compatible forms of characters count as one (NFKC), then upper case, in which
 * `ß` is `SS` and both forms of sigma are one. Every language is treated alike, so that a Turkish dotless `ı` is `I`.
 */
export function nameKey(name: string): string {
  return name.normalize('NFKC').toUpperCase().slice(0, NAME_KEY_LENGTH)
}

/** Tells whether an upload passes a filter. */
export function matches(filter: UploadFilter, upload: Listed): boolean {
  const { states, types, owner, from, before } = filter
  if (states.length > 0 && !states.includes(upload.state)) return false
  if (types.length > 0 && !types.some((type) => isOfType(type, upload.type))) return false
  if (owner !== null && upload.owner !== owner) return false
  if (from !== null && upload.createdAt < from) return false
  if (before !== null && upload.createdAt >= before) return false
  return filter.prefix === null || beginsWith(filter.prefix, upload)
}

/** The part of a type before the slash, and the slash; '' where it has none. */
export function familyOf(type: string): string {
  return type.slice(0, type.indexOf('/') + 1)
}

/** Sorts the newest first. */
export function newestFirst(one: ListPlace, other: ListPlace): number {
  return isBehind(one, other) ? 1 : -1
}

/** Tells whether an upload comes behind a place: is older, or of the same time with a lower id. */
export function isBehind(upload: ListPlace, place: ListPlace): boolean {
  if (upload.createdAt !== place.createdAt) return upload.createdAt < place.createdAt
  return upload.id < place.id
}

/**
 * A page of a list some of whose uploads are known in a newer state: those are taken from `newer`, and what `below`
 * says of them is passed over. `below` gives at most so many behind a place, perhaps fewer; its `next` is the place up
 * to which it has looked.
 */
export async function pageWithNewer<T extends Listed>(
  asked: { readonly filter: UploadFilter; readonly after: ListPlace; readonly limit: number },
  newer: ReadonlyMap<string, T>,
  below: (after: ListPlace, limit: number) => Promise<ListPage<T>>,
): Promise<ListPage<T>> {
  const { filter, after, limit } = asked
  const found: T[] = []
  const own = [...newer.values()].filter((upload) => isBehind(upload, after) && matches(filter, upload))
  const ownTo = (place: ListPlace | null): readonly T[] =>
    place === null ? own : own.filter((upload) => !isBehind(upload, place))
  let next: ListPlace | null = after
  for (let isShort = true; next !== null && isShort; ) {
    const page: ListPage<T> = await below(next, limit - found.length)
    found.push(...page.items.filter(({ id }) => !newer.has(id)))
    next = page.next
    // A page without a row may come from a search that takes long: its caller goes on.
    isShort = found.length + ownTo(next).length < limit && page.items.length > 0
  }
  const items = [...found, ...ownTo(next)].sort(newestFirst)
  if (items.length <= limit) return { items, next }
  const page = items.slice(0, limit)
  return { items: page, next: page.at(-1) ?? null }
}

function isOfType(wanted: string, type: string | null): boolean {
  if (type === null) return false
  return wanted.endsWith('/*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted
}

function beginsWith(prefix: string, { id, filename }: Listed): boolean {
  return id.startsWith(prefix) || (filename !== null && nameKey(filename).startsWith(nameKey(prefix)))
}
