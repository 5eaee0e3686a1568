/**
 * The steps of the schema, as `Sql.migrate` takes them. A node's locks and slots go with its row: whoever finds its lease
 * over deletes the row, and the foreign keys free the rest in the same transaction. A node whose row is gone takes nothing
 * more, because each lock and slot must name a row that is there. Rows never come back: a node that goes on gets a new id.
 * A claim is the name that a holder gave before it asked, so that it can give back what it never heard of.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE nodes (
     id text COLLATE "C" PRIMARY KEY,
     name text NOT NULL,
     started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     lease_until timestamptz NOT NULL
   ) WITH (fillfactor = 50);
   CREATE SEQUENCE holder_tokens;
   CREATE TABLE upload_locks (
     id text COLLATE "C" PRIMARY KEY,
     node text COLLATE "C" NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
     token bigint NOT NULL,
     claim text COLLATE "C" NOT NULL
   );
   CREATE INDEX upload_locks_of_node ON upload_locks (node);
   CREATE TABLE cluster_slots (
     n integer PRIMARY KEY,
     node text COLLATE "C" REFERENCES nodes (id) ON DELETE SET NULL,
     token bigint,
     claim text COLLATE "C",
     upload text COLLATE "C"
   ) WITH (fillfactor = 50);
   CREATE INDEX cluster_slots_of_node ON cluster_slots (node);`,
  // Ledgers of before had a sequence of their own: tokens go on above it.
  `DO $$ BEGIN
     IF to_regclass('s3_tokens') IS NOT NULL THEN
       PERFORM setval('holder_tokens', greatest(nextval('holder_tokens'), nextval('s3_tokens')));
     END IF;
   END $$;`,
  'ALTER TABLE upload_locks ADD COLUMN is_asked boolean NOT NULL DEFAULT false;',
  // Until then a row that is free is only for the upload that it names.
  'ALTER TABLE cluster_slots ADD COLUMN kept_until timestamptz;',
]
