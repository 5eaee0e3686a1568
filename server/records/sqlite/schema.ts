/**
 * The schema's versions, in order: entry n takes a database from `PRAGMA user_version` n to n + 1, in one
 * transaction. A released entry is never changed; a change of the schema is a new entry.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE uploads (
     id TEXT PRIMARY KEY NOT NULL,
     state TEXT NOT NULL,
     filename TEXT,
     type TEXT,
     declared_type TEXT,
     length INTEGER,
     offset INTEGER NOT NULL,
     sha256 TEXT,
     metadata TEXT,
     path TEXT NOT NULL,
     created_at TEXT NOT NULL,
     updated_at TEXT NOT NULL,
     finished_at TEXT
   ) STRICT;
   CREATE INDEX uploads_by_state ON uploads (state, updated_at);
   CREATE INDEX uploads_unfinished ON uploads (id) WHERE state IN ('receiving', 'paused');
   CREATE TABLE marks (name TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
   INSERT INTO marks VALUES ('incomplete');`,
  'ALTER TABLE uploads ADD COLUMN reason TEXT;',
  'ALTER TABLE uploads ADD COLUMN concat TEXT;',
  `CREATE INDEX uploads_finals ON uploads (updated_at, id) WHERE state = 'finished' AND concat = 'final';`,
  // Until then only the reason of a part's record had the id of its final upload.
  `ALTER TABLE uploads ADD COLUMN joined_into TEXT;
   ALTER TABLE uploads ADD COLUMN owner TEXT;
   UPDATE uploads SET joined_into = substr(reason, length('joined into ') + 1)
     WHERE state = 'terminated' AND reason GLOB 'joined into ?*' AND reason NOT GLOB 'joined into * *';`,
]

/** The version this program reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length
