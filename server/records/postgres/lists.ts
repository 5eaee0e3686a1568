import type { UploadRecord } from '../../model/record.js'
import type { Sql } from '../../model/sql.js'
import { familyOf, type ListPlace, nameKey, newestFirst, type UploadFilter } from '../../model/upload-list.js'
import type { Answer, Call } from '../backend.js'
import {
  candidatesOf,
  chosenWays,
  comparedWith,
  fewOf,
  isAlone,
  isSorted,
  LAST,
  type Way,
} from '../list-ways.js'
import { Parameters } from './parameters.js'
import { pageQuery } from './rows.js'

/** Entries that one look may compare, or count. They are more than SQLite's, because no list holds up writing here. */
const COMPARED_AT_ONCE = 20_000
const COUNTED_AT_ONCE = 100_000
const ORDER = 'created_at DESC, id DESC'
const KEYS = 'created_at AS "createdAt", id'

type Condition = (parameters: Parameters) => string

/** A page of a list: a filter is answered from the index that has the fewest entries for it. */
export async function listUploads(
  sql: Sql,
  { filter, after, limit }: Call & { name: 'list' },
): Promise<Answer> {
  const ways = await waysOf(sql, filter)
  const end =
    isSorted(ways) || isAlone(filter) ? null : await endOf(sql, ways, filter, after, COMPARED_AT_ONCE)
  const keys = await keysIn(
    sql,
    ways,
    [...pagedBy(filter, after), untilEnd(end), filteredBy(comparedWith(ways, filter))],
    limit + 1,
  )
  const ids = keys.slice(0, limit).map(({ id }) => id)
  const { rows } = await sql.query<UploadRecord>(pageQuery('WHERE id = ANY($1)', ORDER), [ids])
  const isCut = rows.length < Math.min(keys.length, limit) || keys.length > limit
  return { rows, next: isCut ? (keys[rows.length - 1] ?? null) : end, changes: 0 }
}

/** How many entries a list has, as far as one look goes. */
export async function countUploads(sql: Sql, call: Call & { name: 'count' }): Promise<Answer> {
  const { filter, after, without } = call
  const ways = await waysOf(sql, filter)
  const paged = pagedBy(filter, after)
  const compared = filteredBy(comparedWith(ways, filter))
  if (isSorted(ways)) {
    const found = await keysIn(sql, ways, [...paged, compared], 2 * fewOf(candidatesOf(filter)))
    return { rows: [], next: null, changes: found.filter(({ id }) => !without.includes(id)).length }
  }
  const end = await endOf(sql, ways, filter, after, isAlone(filter) ? COUNTED_AT_ONCE : COMPARED_AT_ONCE)
  const others: Condition = (parameters) => `id <> ALL(${parameters.add(without)})`
  const parameters = new Parameters()
  const counts = ways.map((way) => {
    const conditions = [byWay(way), ...paged, untilEnd(end), compared, others]
    return `(SELECT count(*) FROM uploads WHERE ${allOf(conditions, parameters)})`
  })
  const { rows } = await sql.query<{ count: number }>(
    `SELECT ${counts.join(' + ')} AS count`,
    parameters.values,
  )
  return { rows: [], next: end, changes: rows[0]?.count ?? 0 }
}

/** The ways to the rows of a filter, after counting what each candidate has. */
async function waysOf(sql: Sql, filter: UploadFilter): Promise<readonly Way[]> {
  const candidates = candidatesOf(filter)
  if (candidates.length === 0) return chosenWays([], [])
  const parameters = new Parameters()
  const most = fewOf(candidates) + 1
  const counts = candidates.map((ways) => {
    const each = ways.map((way) => {
      const entries = `SELECT 1 FROM uploads WHERE ${byWay(way)(parameters)} LIMIT ${most}`
      return `(SELECT count(*) FROM (${entries}) AS few)`
    })
    return each.join(' + ')
  })
  const { rows } = await sql.query<{ counts: number[] }>(
    `SELECT ARRAY[${counts.join(', ')}]::integer[] AS counts`,
    parameters.values,
  )
  return chosenWays(candidates, rows[0]?.counts ?? [])
}

/** How far one look goes that takes `most` entries of each way; null where it goes to the end. */
async function endOf(
  sql: Sql,
  ways: readonly Way[],
  filter: UploadFilter,
  after: ListPlace,
  most: number,
): Promise<ListPlace | null> {
  const parameters = new Parameters()
  const ends = ways.map((way) => {
    const conditions = allOf([byWay(way), ...pagedBy(filter, after)], parameters)
    return `(SELECT ${KEYS} FROM uploads WHERE ${conditions} ORDER BY ${ORDER} LIMIT 1 OFFSET ${most - 1})`
  })
  const { rows } = await sql.query<ListPlace>(ends.join(' UNION ALL '), parameters.values)
  return rows.toSorted(newestFirst)[0] ?? null
}

/** The newest entries of all ways, each once: a name and an id may begin alike. */
async function keysIn(
  sql: Sql,
  ways: readonly Way[],
  conditions: readonly Condition[],
  limit: number,
): Promise<readonly ListPlace[]> {
  const parameters = new Parameters()
  const each = ways.map((way) => {
    const all = allOf([byWay(way), ...conditions], parameters)
    return `(SELECT created_at, id FROM uploads WHERE ${all} ORDER BY ${ORDER} LIMIT ${limit})`
  })
  const found = `SELECT ${KEYS} FROM (${each.join(' UNION ')}) AS found ORDER BY found.created_at DESC, found.id DESC`
  const { rows } = await sql.query<ListPlace>(`${found} LIMIT ${limit}`, parameters.values)
  return rows
}

function allOf(conditions: readonly Condition[], parameters: Parameters): string {
  return conditions.map((condition) => condition(parameters)).join(' AND ')
}

function byWay({ name, value }: Way): Condition {
  switch (name) {
    case 'creation':
      return () => 'TRUE'
    case 'name':
      return beginsWith('name_key', value)
    case 'id':
      return beginsWith('id', value)
    default:
      return (parameters) => `${name} = ${parameters.add(value)}`
  }
}

function beginsWith(column: string, start: string): Condition {
  return (parameters) => {
    return `${column} >= ${parameters.add(start)} AND ${column} < ${parameters.add(`${start}${LAST}`)}`
  }
}

function pagedBy({ from, before }: UploadFilter, after: ListPlace): readonly Condition[] {
  const start = before !== null && before < after.createdAt ? { createdAt: before, id: '' } : after
  return [
    (parameters) => `(created_at, id) < (${parameters.add(start.createdAt)}, ${parameters.add(start.id)})`,
    (parameters) => (from === null ? 'TRUE' : `created_at >= ${parameters.add(from)}`),
  ]
}

function untilEnd(end: ListPlace | null): Condition {
  return (parameters) =>
    end === null
      ? 'TRUE'
      : `(created_at, id) >= (${parameters.add(end.createdAt)}, ${parameters.add(end.id)})`
}

function filteredBy({ states, types, owner, prefix }: UploadFilter): Condition {
  const wanted = types.map((type) => (type.endsWith('/*') ? familyOf(type) : type))
  return (parameters) => {
    const conditions = ['TRUE']
    if (states.length > 0) conditions.push(`state = ANY(${parameters.add(states)})`)
    if (types.length > 0) {
      const place = parameters.add(wanted)
      conditions.push(`(type = ANY(${place}) OR family = ANY(${place}))`)
    }
    if (owner !== null) conditions.push(`owner = ${parameters.add(owner)}`)
    if (prefix !== null) {
      const either = [beginsWith('name_key', nameKey(prefix)), beginsWith('id', prefix)]
      conditions.push(`(${either.map((condition) => `(${condition(parameters)})`).join(' OR ')})`)
    }
    return conditions.join(' AND ')
  }
}
