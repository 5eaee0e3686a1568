import type { UploadRecord } from '../../model/record.js'
import { familyOf, type ListPlace, nameKey, newestFirst, type UploadFilter } from '../../model/upload-list.js'
import type { Sqlite } from '../../sqlite.js'
import type { Answer, Call } from '../backend.js'
import {
  COMPARED_AT_ONCE,
  COUNTED_AT_ONCE,
  candidatesOf,
  chosenWays,
  FEW,
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
}

/** What selects rows by an index. `value` and `valueEnd` are parameters. */
export const WAYS_TO_ROWS = {
  creation: ['uploads_by_creation', 'TRUE'],
  state: ['uploads_in_state', 'state = @value'],
  type: ['uploads_of_type', 'type = @value'],
  family: ['uploads_of_family', 'family = @value'],
  owner: ['uploads_of_owner', 'owner = @value'],
  name: ['uploads_by_name', 'name_key >= @value AND name_key < @valueEnd'],
  id: ['sqlite_autoindex_uploads_1', 'id >= @value AND id < @valueEnd'],
} as const satisfies Record<WayName, readonly [index: string, condition: string]>
const NAMES = ['creation', 'state', 'type', 'family', 'owner', 'name', 'id'] as const

const PAGED = '(created_at, id) < (@createdAt, @id) AND created_at >= @from'
const UNTIL = '(created_at, id) >= (@untilAt, @untilId)'
const FILTERED = `(@states IS NULL OR state IN (SELECT value FROM json_each(@states)))
  AND (@types IS NULL OR type IN (SELECT value FROM json_each(@types)) OR family IN (SELECT value FROM json_each(@types)))
  AND (@owner IS NULL OR owner = @owner)
  AND (@prefix IS NULL OR (name_key >= @name AND name_key < @nameEnd) OR (id >= @prefix AND id < @prefixEnd))`
const OTHERS = '(@without IS NULL OR id NOT IN (SELECT value FROM json_each(@without)))'
const ORDERED = 'ORDER BY created_at DESC, id DESC'

/** Prepares lists: a filter is answered from the index that has the fewest entries for it. */
export function prepareLists(db: Sqlite.Database, select: string) {
  const prepare = (name: WayName) => {
    const [index, condition] = WAYS_TO_ROWS[name]
    const from = `FROM uploads INDEXED BY ${index} WHERE ${condition}`
    return {
      few: db.prepare<Pick<Values, 'value' | 'valueEnd' | 'limit'>, { count: number }>(
        `SELECT count(*) AS count FROM (SELECT 1 ${from} LIMIT @limit)`,
      ),
      /** The entry behind so many others, whatever the other conditions say. */
      end: db.prepare<Values, ListPlace>(
        `SELECT created_at AS createdAt, id ${from} AND ${PAGED} ${ORDERED} LIMIT 1 OFFSET @limit`,
      ),
      keys: db.prepare<Values, ListPlace>(
        `SELECT created_at AS createdAt, id ${from} AND ${PAGED} AND ${UNTIL} AND ${FILTERED} ${ORDERED} LIMIT @limit`,
      ),
      count: db.prepare<Values, { count: number }>(
        `SELECT count(*) AS count ${from} AND ${PAGED} AND ${UNTIL} AND ${FILTERED} AND ${OTHERS}`,
      ),
    }
  }
  const ways = Object.fromEntries(NAMES.map((name) => [name, prepare(name)]))
  const queriesOf = ({ name }: Way) => ways[name] ?? prepare(name)
  const row = db.prepare<string, UploadRecord>(`${select} WHERE id = ?`)

  const entriesOf = (way: Way): number =>
    queriesOf(way).few.get({ ...rangeOf(way), limit: FEW + 1 })?.count ?? 0

  const waysOf = (filter: UploadFilter): readonly Way[] => {
    const candidates = candidatesOf(filter)
    const entries = candidates.map((each) => each.reduce((sum, way) => sum + entriesOf(way), 0))
    return chosenWays(candidates, entries)
  }

  function* records(keys: readonly ListPlace[]): Generator<UploadRecord> {
    for (const { id } of keys) {
      const found = row.get(id)
      if (found) yield found
    }
  }

  /** How far one look goes that takes `most` entries of each way; null where it goes to the end. */
  const endOf = (chosen: readonly Way[], values: Values, most: number): ListPlace | null => {
    const ends = chosen.map((way) => queriesOf(way).end.get({ ...values, ...rangeOf(way), limit: most - 1 }))
    return ends.filter((end) => end !== undefined).sort(newestFirst)[0] ?? null
  }

  const keysIn = (chosen: readonly Way[], values: Values, limit: number): ListPlace[] => {
    const found = chosen.flatMap((way) => queriesOf(way).keys.all({ ...values, ...rangeOf(way), limit }))
    // A name and an id may begin alike.
    return found.sort(newestFirst).filter(({ id }, index) => id !== found[index - 1]?.id)
  }

  return {
    list({ filter, after, limit }: Call & { name: 'list' }): Answer {
      const values = valuesOf(filter, after)
      const chosen = waysOf(filter)
      const end = isSorted(chosen) || isAlone(filter) ? null : endOf(chosen, values, COMPARED_AT_ONCE)
      const keys = keysIn(chosen, { ...values, ...untilOf(end) }, limit + 1)
      const rows = page(records(keys.slice(0, limit)))
      const isCut = rows.length < Math.min(keys.length, limit) || keys.length > limit
      return { rows, next: isCut ? (keys[rows.length - 1] ?? null) : end, changes: 0 }
    },
    count({ filter, after, without }: Call & { name: 'count' }): Answer {
      const passed = without.length === 0 ? null : JSON.stringify(without)
      const values = { ...valuesOf(filter, after), without: passed }
      const chosen = waysOf(filter)
      if (isSorted(chosen)) {
        const found = keysIn(chosen, { ...values, ...untilOf(null) }, 2 * FEW)
        return { rows: [], next: null, changes: found.filter(({ id }) => !without.includes(id)).length }
      }
      const end = endOf(chosen, values, isAlone(filter) ? COUNTED_AT_ONCE : COMPARED_AT_ONCE)
      const counted = chosen.map((way) => {
        return queriesOf(way).count.get({ ...values, ...rangeOf(way), ...untilOf(end), limit: 0 })?.count ?? 0
      })
      return { rows: [], next: end, changes: counted.reduce((sum, count) => sum + count, 0) }
    },
  }
}

function rangeOf({ value }: Way): { value: string; valueEnd: string } {
  return { value, valueEnd: `${value}${LAST}` }
}

function untilOf(end: ListPlace | null): { untilAt: string; untilId: string } {
  return { untilAt: end?.createdAt ?? '', untilId: end?.id ?? '' }
}

function valuesOf(filter: UploadFilter, after: ListPlace): Values {
  const { states, types, owner, prefix, from, before } = filter
  const start = before !== null && before < after.createdAt ? { createdAt: before, id: '' } : after
  const wanted = types.map((type) => (type.endsWith('/*') ? familyOf(type) : type))
  const name = prefix === null ? null : nameKey(prefix)
  return {
    ...{ value: '', valueEnd: '', limit: 0, untilAt: '', untilId: '', without: null },
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
