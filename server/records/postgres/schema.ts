/**
 * The steps of the schema, as `Sql.migrate` takes them. Table and columns are those of SQLite; a released step is never
 * changed.
 *
 * Texts compare by their bytes (collation "C"), as in SQLite and in this program. `ended_at` is empty while an upload
 * receives: no index has `updated_at`, so that PostgreSQL writes no index for a record that only has more bytes.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE uploads (
     id text COLLATE "C" PRIMARY KEY,
     state text COLLATE "C" NOT NULL,
     filename text COLLATE "C",
     type text COLLATE "C",
     declared_type text COLLATE "C",
     length bigint,
     "offset" bigint NOT NULL,
     sha256 text COLLATE "C",
     metadata text COLLATE "C",
     path text COLLATE "C" NOT NULL,
     created_at text COLLATE "C" NOT NULL,
     updated_at text COLLATE "C" NOT NULL,
     finished_at text COLLATE "C",
     reason text COLLATE "C",
     concat text COLLATE "C",
     joined_into text COLLATE "C",
     owner text COLLATE "C",
     grant_id text COLLATE "C",
     name_key text COLLATE "C",
     family text COLLATE "C" GENERATED ALWAYS AS (substr(type, 1, strpos(type, '/'))) STORED,
     ended_at text COLLATE "C" GENERATED ALWAYS AS
       (CASE WHEN state IN ('receiving', 'paused') THEN NULL ELSE updated_at END) STORED
   ) WITH (fillfactor = 85);
   CREATE INDEX uploads_ended ON uploads (state, ended_at) WHERE ended_at IS NOT NULL;
   CREATE INDEX uploads_unfinished ON uploads (id) WHERE state IN ('receiving', 'paused');
   CREATE INDEX uploads_finals ON uploads (ended_at, id) WHERE state = 'finished' AND concat = 'final';
   CREATE INDEX uploads_by_creation ON uploads (created_at, id);
   CREATE INDEX uploads_in_state ON uploads (state, created_at, id);
   CREATE INDEX uploads_of_type ON uploads (type, created_at, id) WHERE type IS NOT NULL;
   CREATE INDEX uploads_of_family ON uploads (family, created_at, id) WHERE family IS NOT NULL;
   CREATE INDEX uploads_of_owner ON uploads (owner, created_at, id) WHERE owner IS NOT NULL;
   CREATE INDEX uploads_by_name ON uploads (name_key, created_at, id) WHERE name_key IS NOT NULL;
   CREATE TABLE marks (name text COLLATE "C" PRIMARY KEY);
   INSERT INTO marks VALUES ('incomplete');
   CREATE TABLE record_writers (
     id text PRIMARY KEY,
     batches bigint NOT NULL,
     seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
   );`,
  // Names and states are compared without reading a row.
  `DROP INDEX uploads_by_creation;
   CREATE INDEX uploads_in_order ON uploads (created_at, id) INCLUDE (state, name_key);`,
  // Of the upload's lock under which a node made the record; empty without a lock.
  'ALTER TABLE uploads ADD COLUMN token bigint;',
]
