/** Statements of the ledger that write. */
export interface LedgerTexts {
  readonly create: string
  readonly createFinal: string
  readonly write: string
  /** Behind an UPDATE: which rows it may change. */
  readonly remove: string
}

/**
 * One row where the token is that of the upload's lock, none otherwise. The lock on the row of the lock keeps the next
 * holder waiting until this statement is over, and finds no row where the next holder was faster.
 */
const HELD = '(SELECT token AS held_token FROM upload_locks WHERE id = $1 AND token = $2 FOR SHARE) AS held'

const writeWhere = (from: string): string => `WITH changed AS (
    UPDATE s3_uploads SET
      token = $2,
      facts = coalesce($3::text, facts),
      sender = CASE WHEN $4 THEN $5::bigint ELSE sender END,
      base_etag = CASE WHEN $6 THEN $7::text ELSE base_etag END,
      base_bytes = CASE WHEN $6 THEN $8::bigint ELSE base_bytes END,
      base_object_bytes = CASE WHEN $6 THEN $9::bigint ELSE base_object_bytes END,
      multipart_id = CASE WHEN $10 THEN $11::text ELSE multipart_id END,
      multipart_mark = CASE WHEN $10 THEN $12::text ELSE multipart_mark END,
      tails = coalesce($13::text, tails),
      stored_at = CASE WHEN $14 THEN clock_timestamp() ELSE stored_at END,
      digest_offset = CASE WHEN $20 THEN $21::bigint ELSE digest_offset END,
      digest_state = CASE WHEN $20 THEN $22::text ELSE digest_state END
    ${from} WHERE id = $1 AND token <= $2 AND NOT is_removed RETURNING id
  ), dropped AS (
    DELETE FROM s3_parts USING changed WHERE s3_parts.id = changed.id AND number > $15::integer
  ), added AS (
    INSERT INTO s3_parts (id, number, position, bytes, etag, token)
    SELECT changed.id, $16::integer, $17::bigint, $18::bigint, $19::text, $2 FROM changed WHERE $16 IS NOT NULL
  ), closed AS (
    UPDATE s3_finals SET is_open = false FROM changed WHERE s3_finals.id = changed.id AND $23
  ), unneeded AS (
    DELETE FROM s3_needs USING changed WHERE final = changed.id AND $23
  ) SELECT id FROM changed`

/**
 * In one statement: the parts are there and are not given up before it ends, the final upload is made, and from then on its
 * parts are needed.
 */
const createFinalWhere = (from: string): string => `WITH there AS MATERIALIZED (
    SELECT id FROM s3_uploads WHERE id = ANY ($7::text[]) AND NOT is_removed ORDER BY id FOR SHARE
  ), made AS (
    INSERT INTO s3_uploads (id, token, day, facts)
    SELECT $1::text, $2::bigint, $3::text, $4::text ${from} WHERE (SELECT count(*) FROM there) = cardinality($7::text[])
    ON CONFLICT DO NOTHING RETURNING id
  ), entered AS (
    INSERT INTO s3_finals (id, key, client, names) SELECT id, $5::text, $6::text, cardinality($7::text[]) FROM made
  ), needed AS (
    INSERT INTO s3_needs (part, final) SELECT part, made.id FROM made, unnest($7::text[]) AS part
  ) SELECT (SELECT count(*) FROM there) AS there, (SELECT count(*) FROM made) AS made`

/** Where each upload belongs to whoever holds its lock in the table `upload_locks`. */
export const SHARED: LedgerTexts = {
  create: `INSERT INTO s3_uploads (id, token, day, facts) SELECT $1, held_token, $3, $4 FROM ${HELD}
    ON CONFLICT DO NOTHING`,
  createFinal: createFinalWhere(`FROM ${HELD}`),
  write: writeWhere(`FROM ${HELD}`),
  remove: `FROM (SELECT upload_locks.id AS held_id FROM upload_locks
      JOIN unnest($1::text[], $2::bigint[]) AS given (id, token)
      ON upload_locks.id = given.id AND upload_locks.token = given.token FOR SHARE OF upload_locks) AS held
    WHERE id = held_id`,
}

/** Where one process writes. */
export const ALONE: LedgerTexts = {
  create: 'INSERT INTO s3_uploads (id, token, day, facts) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
  createFinal: createFinalWhere(''),
  write: writeWhere(''),
  remove: `FROM unnest($1::text[], $2::bigint[]) AS given (given_id, given_token)
    WHERE id = given_id`,
}
