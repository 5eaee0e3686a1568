import type { UploadRecord } from '../../model/record.js'
import type { Sqlite } from '../../sqlite.js'
import type { Answer, Search } from '../backend.js'

/** Prepares the questions of the background work; `select` gives whole records. */
export function prepareSearches(db: Sqlite.Database, select: string): (search: Search) => Answer {
  // The index of the ids answers, and no row is read: a row costs ten times as much.
  const missing = db.prepare<string, { value: string }>(
    'SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM uploads WHERE id = value)',
  )
  const rows = db.prepare<string, UploadRecord>(`${select} WHERE id IN (SELECT value FROM json_each(?))`)
  const finals = db.prepare<[string, string, number], UploadRecord>(
    `${select} INDEXED BY uploads_finals WHERE state = 'finished' AND concat = 'final'
       AND (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?`,
  )
  // The index of states has the order: so many of its entries are passed over, and no row is read.
  const newest = db.prepare<[string, number], { updatedAt: string }>(
    'SELECT updated_at AS updatedAt FROM uploads WHERE state = ? ORDER BY updated_at DESC LIMIT 1 OFFSET ?',
  )
  return (search) => {
    switch (search.name) {
      case 'missing': {
        const found = missing.all(JSON.stringify(search.ids)).map(({ value }) => value)
        return { rows: [], found, changes: 0 }
      }
      case 'rows':
        return { rows: rows.all(JSON.stringify(search.ids)), changes: 0 }
      case 'finals':
        return { rows: finals.all(search.after.updatedAt, search.after.id, search.limit), changes: 0 }
      case 'newest': {
        const found = newest.all(search.state, search.skip).map(({ updatedAt }) => updatedAt)
        return { rows: [], found, changes: 0 }
      }
    }
  }
}
