import type { UploadRecord } from '../../model/record.js'
import type { Sql } from '../../model/sql.js'
import type { Answer, Call } from '../backend.js'
import { countUploads, listUploads } from './lists.js'
import { setClean, setWhole, takeClean } from './marks.js'
import { pageQuery, recordsQuery } from './rows.js'

/** The exact words of the condition of the index `uploads_unfinished`. */
const UNFINISHED = `state IN ('receiving', 'paused')`
/** The condition of uploads that have files. */
const WITH_FILES = `state IN ('receiving', 'paused', 'finished')`

const GET = recordsQuery('WHERE id = $1')
const UNFINISHED_PAGE = pageQuery(`WHERE ${UNFINISHED} AND id > $1 ORDER BY id LIMIT $2`, 'id')
const WITH_FILES_PAGE = pageQuery(`WHERE ${WITH_FILES} AND id > $1 ORDER BY id LIMIT $2`, 'id')
const FINALS = pageQuery(
  `WHERE state = 'finished' AND concat = 'final' AND (ended_at, id) > ($1, $2) ORDER BY ended_at, id LIMIT $3`,
  'ended_at, id',
)
const ROWS = recordsQuery('WHERE id = ANY($1)')
const MISSING = `SELECT asked.id FROM unnest($1::text[]) WITH ORDINALITY AS asked (id, place)
  WHERE NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.id = asked.id COLLATE "C") ORDER BY place`
const NEWEST = `SELECT ended_at AS "endedAt" FROM uploads WHERE state = $1 AND ended_at IS NOT NULL
  ORDER BY ended_at DESC LIMIT 1 OFFSET $2`
const REMOVE = `DELETE FROM uploads WHERE id = ANY($1) AND ${WITH_FILES}`
const PURGE = `DELETE FROM uploads WHERE id IN
  (SELECT id FROM uploads WHERE state = $1 AND ended_at < $2 ORDER BY ended_at LIMIT $3)`

/** Answers a question or does a task. @throws SqlError (rejects); then nothing was changed, as far as that is known */
export async function answerOf(sql: Sql, call: Call): Promise<Answer> {
  switch (call.name) {
    case 'get':
      return rowsOf(sql, GET, [call.id])
    case 'unfinished':
      return rowsOf(sql, UNFINISHED_PAGE, [call.afterId, call.limit])
    case 'withFiles':
      return rowsOf(sql, WITH_FILES_PAGE, [call.afterId, call.limit])
    case 'rows':
      return rowsOf(sql, ROWS, [call.ids])
    case 'finals':
      return rowsOf(sql, FINALS, [call.after.updatedAt, call.after.id, call.limit])
    case 'missing': {
      const { rows } = await sql.query<{ id: string }>(MISSING, [call.ids])
      return { rows: [], found: rows.map(({ id }) => id), changes: 0 }
    }
    case 'newest': {
      const { rows } = await sql.query<{ endedAt: string }>(NEWEST, [call.state, call.skip])
      return { rows: [], found: rows.map(({ endedAt }) => endedAt), changes: 0 }
    }
    case 'remove':
      return { rows: [], changes: (await sql.query(REMOVE, [call.ids])).changes }
    case 'purge':
      return { rows: [], changes: (await sql.query(PURGE, [call.state, call.before, call.limit])).changes }
    case 'complete':
      await setWhole(sql, call.wholeSinceMs)
      return { rows: [], changes: 0 }
    case 'markClean':
      await setClean(sql)
      return { rows: [], changes: 0 }
    case 'takeClean':
      return { rows: [], changes: (await takeClean(sql)) ? 1 : 0 }
    case 'list':
      return listUploads(sql, call)
    case 'count':
      return countUploads(sql, call)
  }
}

async function rowsOf(sql: Sql, query: string, values: Parameters<Sql['query']>[1]): Promise<Answer> {
  return { rows: (await sql.query<UploadRecord>(query, values)).rows, changes: 0 }
}
