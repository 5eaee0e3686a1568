import { UploadError } from '../errors.js'
import type { Principal } from '../model/principal.js'
import { type RecordState, STATES_WITH_FILES, STATES_WITHOUT_FILES } from '../model/record.js'
import { EVERY_UPLOAD, LIST_START, type ListPlace, type UploadFilter } from '../model/upload-list.js'

const STATES: readonly RecordState[] = [...STATES_WITH_FILES, ...STATES_WITHOUT_FILES]
const MOST_A_PAGE = 200
const USUAL_PAGE = 50
const MOST_TYPES = 20
const MOST_CHARACTERS = 200
/** May come several times, or with commas between. */
const LISTS: readonly string[] = ['state', 'type']
const PARAMETERS: readonly string[] = [
  ...LISTS,
  ...['owner', 'q', 'after', 'before', 'limit', 'cursor', 'total'],
]
const TOKEN = '[a-z0-9][a-z0-9!#$&^_.+-]{0,126}'
const TYPE = new RegExp(`^${TOKEN}/(\\*|${TOKEN})$`)
const DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/

/** What `GET /api/uploads` asks for. */
export interface ListQuery {
  readonly filter: UploadFilter
  readonly after: ListPlace
  readonly limit: number
  readonly isTotalAsked: boolean
}

/** Reads the parameters of `GET /api/uploads`; an empty one counts as none. Throws query_invalid, which names the wrong one. */
export function readListQuery(query: URLSearchParams): ListQuery {
  checkNames(query, PARAMETERS, LISTS)
  const limit = parameterOf(query, 'limit') ?? String(USUAL_PAGE)
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MOST_A_PAGE)
    throw wrong('limit', `a whole number from 1 to ${MOST_A_PAGE}`)
  const total = parameterOf(query, 'total') ?? 'false'
  if (total !== 'true' && total !== 'false') throw wrong('total', 'true or false')
  const cursor = parameterOf(query, 'cursor')
  return {
    filter: {
      ...EVERY_UPLOAD,
      states: statesOf(query),
      types: typesOf(query),
      owner: textOf(query, 'owner'),
      prefix: textOf(query, 'q'),
      from: dateOf(query, 'after'),
      before: dateOf(query, 'before'),
    },
    after: cursor === undefined ? LIST_START : placeOf(cursor),
    limit: Number(limit),
    isTotalAsked: total === 'true',
  }
}

/** The text that stands for a place in a list. */
export function cursorOf({ createdAt, id }: ListPlace): string {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url')
}

/** What of all uploads a principal sees in lists and events: its own. Null: nothing. */
export function scopeOf(principal: Principal): Pick<UploadFilter, 'owner'> | null {
  if (principal.kind === 'admin') return { owner: null }
  return principal.kind === 'user' ? { owner: principal.owner } : null
}

/** A filter that lets only pass what a principal sees; null where that is nothing. Throws admin_only where they see no list. */
export function withinScope(filter: UploadFilter, principal: Principal): UploadFilter | null {
  const scope = scopeOf(principal)
  if (!scope) throw new UploadError('admin_only')
  if (scope.owner !== null && filter.owner !== null && scope.owner !== filter.owner) return null
  return { ...filter, owner: scope.owner ?? filter.owner }
}

/** Throws query_invalid where a parameter is not one of these names, or comes twice. */
export function checkNames(
  query: URLSearchParams,
  names: readonly string[],
  lists: readonly string[] = [],
): void {
  for (const name of query.keys()) {
    if (!names.includes(name)) {
      // A name that a client made up is not repeated unless it is harmless.
      const shown = /^\w{1,40}$/.test(name) ? `\`${name}\`` : 'A query parameter'
      throw new UploadError('query_invalid', { sentence: `${shown} is not a parameter of this address` })
    }
    if (!lists.includes(name) && query.getAll(name).length > 1) throw wrong(name, 'given once')
  }
}

/** The value of a parameter; undefined where it is missing or empty. */
export function parameterOf(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) || undefined
}

/** The error of a parameter that is not what it must be. */
export function wrong(name: string, allowed: string): UploadError {
  return new UploadError('query_invalid', { sentence: `The query parameter \`${name}\` must be ${allowed}` })
}

function valuesOf(query: URLSearchParams, name: string): string[] {
  const all = query.getAll(name).flatMap((value) => value.split(','))
  return [...new Set(all.map((value) => value.trim()).filter((value) => value !== ''))]
}

function statesOf(query: URLSearchParams): readonly RecordState[] {
  return valuesOf(query, 'state').map((value) => {
    const state = STATES.find((each) => each === value)
    if (!state) throw wrong('state', `${STATES.slice(0, -1).join(', ')} or ${STATES.at(-1)}`)
    return state
  })
}

function typesOf(query: URLSearchParams): readonly string[] {
  const types = [...new Set(valuesOf(query, 'type').map((type) => type.toLowerCase()))]
  if (types.length > MOST_TYPES || !types.every((type) => TYPE.test(type)))
    throw wrong('type', `a type such as image/png or image/*, at most ${MOST_TYPES} of them`)
  return types
}

function textOf(query: URLSearchParams, name: string): string | null {
  const text = parameterOf(query, name)
  if (text === undefined) return null
  if (text.length > MOST_CHARACTERS || /[\p{Cc}\p{Cs}]/u.test(text))
    throw wrong(name, `up to ${MOST_CHARACTERS} characters, and no control characters`)
  return text
}

function dateOf(query: URLSearchParams, name: string): string | null {
  // Forms send a `+` as it is, which means a space.
  const text = parameterOf(query, name)?.replace(' ', '+')
  if (text === undefined) return null
  // A day that a month does not have would be the next month's.
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  const isDate = DATE.test(text) && !Number.isNaN(Date.parse(text)) && !Number.isNaN(day.getTime())
  if (!isDate || day.toISOString().slice(0, 10) !== text.slice(0, 10))
    throw wrong(name, 'a date such as 2026-11-26 or 2026-11-26T10:00:00Z')
  return new Date(text).toISOString()
}

function placeOf(cursor: string): ListPlace {
  const invalid = wrong('cursor', 'the cursor of an answer')
  if (cursor.length > 600 || !/^[\w-]+$/.test(cursor)) throw invalid
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(place) || place.length !== 2) throw invalid
    const [createdAt, id]: unknown[] = place
    if (typeof createdAt !== 'string' || typeof id !== 'string') throw invalid
    if (!/^[\d:.TZ+-]{1,40}$/.test(createdAt) || !/^[!-~]{1,255}$/.test(id)) throw invalid
    return { createdAt, id }
  } catch {
    throw invalid
  }
}
