import type { S3Place } from '../model/s3-place.js'
import type { Sql } from '../model/sql.js'

/**
 * Checks that a database belongs to this place in S3; the first server gives it to its own. A node that looked for the
 * uploads of another place in its bucket would take them for lost.
 *
 * @throws an error that says what to do where the database belongs to another place; SqlError (both reject)
 */
export async function claimPlace(sql: Sql, { bucket, prefix }: S3Place): Promise<void> {
  const place = `s3://${bucket}/${prefix}`
  await sql.query('INSERT INTO s3_place (place) VALUES ($1) ON CONFLICT DO NOTHING', [place])
  const { rows } = await sql.query<{ place: string }>('SELECT place FROM s3_place')
  const found = rows[0]?.place
  if (found !== place)
    throw new Error(
      `the --database belongs to the uploads in ${found}. Give each place a database of its own. Where all objects were ` +
        `moved, run UPDATE s3_place SET place = '${place}' in it`,
    )
}
