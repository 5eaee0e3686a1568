import type { UploadRecord } from '../../model/record.js'
import {
  familyOf,
  isBehind,
  type ListPlace,
  nameKey,
  newestFirst,
  type UploadFilter,
} from '../../model/upload-list.js'
import type { Sqlite } from '../../sqlite.js'
import type { Answer, Call } from '../backend.js'
import {
  COMPARED_AT_ONCE,
  COMPARED_IN_INDEX,
  COUNTED_AT_ONCE,
  candidatesOf,
  chosenWays,
  comparedWith,
  fewOf,
  isAlone,
  isSorted,
  LAST,
  type Way,
  type WayName,
} from '../list-ways.js'
import { page } from './page.js'

/** The parameters of each query here. */
interface Values {
  readonly value: string
  readonly valueEnd: string
  readonly from: string
  readonly createdAt: string
  readonly id: string
  readonly untilAt: string
  readonly untilId: string
  readonly states: string | null
  readonly types: string | null
  readonly owner: string | null
  readonly name: string | null
  readonly nameEnd: string | null
  readonly prefix: string | null
  readonly prefixEnd: string | null
  readonly without: string | null
  readonly limit: number
  readonly most: number
}

/** What selects rows by an index. `value` and `valueEnd` are parameters. */
export const WAYS_TO_ROWS = {
  creation: ['uploads_in_order', 'TRUE'],
  state: ['uploads_in_state', 'state = @value'],
  type: ['uploads_of_type', 'type = @value'],
  family: ['uploads_of_family', 'family = @value'],
  owner: ['uploads_of_owner', 'owner = @value'],
  name: ['uploads_by_name', 'name_key >= @value AND name_key < @valueEnd'],
  id: ['sqlite_autoindex_uploads_1', 'id >= @value AND id < @valueEnd'],
} as const satisfies Record<WayName, readonly [index: string, condition: string]>
const NAMES = ['creation', 'state', 'type', 'family', 'owner', 'name', 'id'] as const

// `from` is never before `untilAt`: SQLite uses no second pair of columns as a bound, and would read on to the first entry.
const PAGED = '(created_at, id) < (@createdAt, @id) AND created_at >= @from'
const UNTIL = '(created_at, id) >= (@untilAt, @untilId)'
// The column `family` would be computed for each row, also where no type is asked for.
const FAMILY = `substr(type, 1, instr(type, '/'))`
const FILTERED = `(@states IS NULL OR state IN (SELECT value FROM json_each(@states)))
  AND (@types IS NULL OR type IN (SELECT value FROM json_each(@types)) OR ${FAMILY} IN (SELECT value FROM json_each(@types)))
  AND (@owner IS NULL OR owner = @owner)
  AND (@prefix IS NULL OR (name_key >= @name AND name_key < @nameEnd) OR (id >= @prefix AND id < @prefixEnd))`
const OTHERS = '(@without IS NULL OR id NOT IN (SELECT value FROM json_each(@without)))'
const ORDERED = 'ORDER BY created_at DESC, id DESC'

/** Prepares lists of these fields: a filter is answered from the index that has the fewest entries for it. */
export function prepareLists(db: Sqlite.Database, fields: string) {
  const prepare = (name: WayName) => {
    const [index, condition] = WAYS_TO_ROWS[name]
    const from = `FROM uploads INDEXED BY ${index} WHERE ${condition}`
    // The index of all entries has no more: `chosenWays` takes it where nothing else is compared.
    const others = name === 'creation' ? 'NULL AS type, NULL AS owner' : 'type, owner'
    const compared = `created_at, id, state, name_key, ${others}`
    return {
      few: db.prepare<Pick<Values, 'value' | 'valueEnd' | 'limit'>, { count: number }>(
        `SELECT count(*) AS count FROM (SELECT 1 ${from} LIMIT @limit)`,
      ),
      /** The entry behind so many others, whatever the other conditions say. */
      end: db.prepare<Values, ListPlace>(
        `SELECT created_at AS createdAt, id ${from} AND ${PAGED} ${ORDERED} LIMIT 1 OFFSET @limit`,
      ),
      keys: db.prepare<Values, ListPlace>(
        `SELECT created_at AS createdAt, id ${from} AND ${PAGED} AND ${FILTERED} ${ORDERED} LIMIT @limit`,
      ),
      /** Of the next `most` entries; in their order. */
      keysOfNext: db.prepare<Values, ListPlace>(
        `SELECT created_at AS createdAt, id FROM (SELECT ${compared} ${from} AND ${PAGED} ${ORDERED} LIMIT @most)
         WHERE ${FILTERED} LIMIT @limit`,
      ),
      count: db.prepare<Values, { count: number }>(
        `SELECT count(*) AS count ${from} AND ${PAGED} AND ${UNTIL} AND ${FILTERED} AND ${OTHERS}`,
      ),
    }
  }
  const ways = Object.fromEntries(NAMES.map((name) => [name, prepare(name)]))
  const queriesOf = ({ name }: Way) => ways[name] ?? prepare(name)
  // One query for all rows of a page takes a third of the time of one for each. They come in the order of the array:
  // SQLite does not turn a CROSS JOIN around.
  const rowsOf = db.prepare<string, UploadRecord>(
    `SELECT ${fields} FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN uploads ON id = wanted`,
  )

  const entriesOf = (way: Way, most: number): number =>
    queriesOf(way).few.get({ ...rangeOf(way), limit: most + 1 })?.count ?? 0

  const waysOf = (filter: UploadFilter): readonly Way[] => {
    const candidates = candidatesOf(filter)
    const most = fewOf(candidates)
    const entries = candidates.map((each) => each.reduce((sum, way) => sum + entriesOf(way, most), 0))
    return chosenWays(candidates, entries)
  }

  /** Where the next `most` entries of each way end; null where those are all. */
  const endOf = (chosen: readonly Way[], values: Values, most: number): ListPlace | null => {
    const ends = chosen.map((way) => queriesOf(way).end.get({ ...values, ...rangeOf(way), limit: most - 1 }))
    return ends.filter((end) => end !== undefined).sort(newestFirst)[0] ?? null
  }

  /** Everything that passes, up to `limit`. */
  const keysIn = (chosen: readonly Way[], values: Values, limit: number): readonly ListPlace[] =>
    inOrder(chosen.flatMap((way) => queriesOf(way).keys.all({ ...values, ...rangeOf(way), limit })))

  /** What passes of the next entries, up to `limit`; `end` is how far that is known, null for to the end. */
  const keysOfNext = (chosen: readonly Way[], values: Values, limit: number) => {
    const most = chosen.some(({ name }) => name !== 'creation') ? COMPARED_AT_ONCE : COMPARED_IN_INDEX
    const each = chosen.map((way) => {
      return { way, keys: queriesOf(way).keysOfNext.all({ ...values, ...rangeOf(way), limit, most }) }
    })
    const short = each.filter(({ keys }) => keys.length < limit).map(({ way }) => way)
    const end = endOf(short, values, most)
    const found = inOrder(each.flatMap(({ keys }) => keys))
    return { keys: end === null ? found : found.filter((key) => !isBehind(key, end)), end }
  }

  return {
    list({ filter, after, limit }: Call & { name: 'list' }): Answer {
      const chosen = waysOf(filter)
      const values = valuesOf(comparedWith(chosen, filter), after)
      const isWhole = isSorted(chosen) || isAlone(filter)
      const { keys, end } = isWhole
        ? { keys: keysIn(chosen, values, limit + 1), end: null }
        : keysOfNext(chosen, values, limit + 1)
      const rows = page(rowsOf.iterate(JSON.stringify(keys.slice(0, limit).map(({ id }) => id))))
      const isCut = rows.length < Math.min(keys.length, limit) || keys.length > limit
      return { rows, next: isCut ? (keys[rows.length - 1] ?? null) : end, changes: 0 }
    },
    count({ filter, after, without }: Call & { name: 'count' }): Answer {
      const passed = without.length === 0 ? null : JSON.stringify(without)
      const chosen = waysOf(filter)
      const values = { ...valuesOf(comparedWith(chosen, filter), after), without: passed }
      if (isSorted(chosen)) {
        const found = keysIn(chosen, values, 2 * fewOf(candidatesOf(filter)))
        return { rows: [], next: null, changes: found.filter(({ id }) => !without.includes(id)).length }
      }
      const end = endOf(chosen, values, isAlone(filter) ? COUNTED_AT_ONCE : COMPARED_AT_ONCE)
      const until = untilOf(end, values)
      const counted = chosen.map((way) => {
        return queriesOf(way).count.get({ ...values, ...rangeOf(way), ...until })?.count ?? 0
      })
      return { rows: [], next: end, changes: counted.reduce((sum, count) => sum + count, 0) }
    },
  }
}

/** Sorted; each once, as a name and an id may begin alike. */
function inOrder(keys: readonly ListPlace[]): readonly ListPlace[] {
  return keys.toSorted(newestFirst).filter(({ id }, index, all) => id !== all[index - 1]?.id)
}

function rangeOf({ value }: Way): { value: string; valueEnd: string } {
  return { value, valueEnd: `${value}${LAST}` }
}

function untilOf(end: ListPlace | null, { from }: Values): Pick<Values, 'from' | 'untilAt' | 'untilId'> {
  const { createdAt = '', id = '' } = end ?? {}
  return { from: from > createdAt ? from : createdAt, untilAt: createdAt, untilId: id }
}

function valuesOf(filter: UploadFilter, after: ListPlace): Values {
  const { states, types, owner, prefix, from, before } = filter
  const start = before !== null && before < after.createdAt ? { createdAt: before, id: '' } : after
  const wanted = types.map((type) => (type.endsWith('/*') ? familyOf(type) : type))
  const name = prefix === null ? null : nameKey(prefix)
  return {
    ...{ value: '', valueEnd: '', limit: 0, most: 0, untilAt: '', untilId: '', without: null },
    from: from ?? '',
    createdAt: start.createdAt,
    id: start.id,
    states: states.length === 0 ? null : JSON.stringify(states),
    types: types.length === 0 ? null : JSON.stringify(wanted),
    owner,
    name,
    nameEnd: name === null ? null : `${name}${LAST}`,
    prefix,
    prefixEnd: prefix === null ? null : `${prefix}${LAST}`,
  }
}
