import type { Sql } from '../../model/sql.js'

/** The words of the condition of the index `uploads_unfinished`. */
const COUNT = `SELECT count(*) AS found FROM uploads WHERE state IN ('receiving', 'paused')`

/** How many uploads are unfinished on all nodes, as far as their records are written. Rejects with SqlError. */
export async function countUnfinished(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ found: number }>(COUNT)
  return rows[0]?.found ?? 0
}
