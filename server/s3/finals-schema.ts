/**
 * The steps of the tables of final uploads in PostgreSQL, beside those of the ledger. A released one is never changed. A row
 * of `s3_needs` is there while its final upload is open.
 */
export const FINALS_STEPS: readonly string[] = [
  `CREATE TABLE s3_finals (
     id text PRIMARY KEY REFERENCES s3_uploads ON DELETE CASCADE,
     key text NOT NULL,
     client text NOT NULL,
     names integer NOT NULL,
     is_open boolean NOT NULL DEFAULT true,
     made_at timestamptz NOT NULL DEFAULT clock_timestamp()
   );
   CREATE INDEX s3_finals_by_key ON s3_finals (key, made_at DESC);
   CREATE INDEX s3_finals_open ON s3_finals (client) WHERE is_open;
   CREATE TABLE s3_needs (
     part text NOT NULL,
     final text NOT NULL REFERENCES s3_finals ON DELETE CASCADE,
     PRIMARY KEY (part, final)
   );
   CREATE INDEX s3_needs_of_final ON s3_needs (final);`,
]
