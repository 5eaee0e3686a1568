/**
 * The steps of the ledger's tables in PostgreSQL. A released one is never changed. `s3_tokens` is from before an upload's
 * token was that of its lock: the cluster's sequence goes on above it.
 */
export const LEDGER_STEPS: readonly string[] = [
  `CREATE SEQUENCE s3_tokens;
   CREATE TABLE s3_uploads (
     id text PRIMARY KEY,
     day text NOT NULL,
     facts text NOT NULL,
     token bigint NOT NULL,
     sender bigint,
     base_etag text,
     base_bytes bigint,
     base_object_bytes bigint,
     multipart_id text,
     multipart_mark text,
     tails text NOT NULL DEFAULT '[]',
     stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     is_removed boolean NOT NULL DEFAULT false
   );
   CREATE INDEX s3_uploads_by_day ON s3_uploads (day DESC, id);
   CREATE TABLE s3_parts (
     id text NOT NULL REFERENCES s3_uploads ON DELETE CASCADE,
     number integer NOT NULL,
     position bigint NOT NULL,
     bytes bigint NOT NULL,
     etag text NOT NULL,
     token bigint NOT NULL,
     PRIMARY KEY (id, number)
   );`,
  'ALTER TABLE s3_uploads ADD COLUMN digest_offset bigint, ADD COLUMN digest_state text;',
  `CREATE TABLE s3_place (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), place text NOT NULL);`,
]
