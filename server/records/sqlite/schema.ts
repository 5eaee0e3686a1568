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
  // For lists: each index has the rows of one value in the order of a list. `name_key` is how names are found, and
  // NAME_KEYS completes it; it is no function of SQLite's, so that outside tools can still write the table.
  `ALTER TABLE uploads ADD COLUMN grant_id TEXT;
   ALTER TABLE uploads ADD COLUMN name_key TEXT;
   ALTER TABLE uploads ADD COLUMN family TEXT AS (substr(type, 1, instr(type, '/'))) VIRTUAL;
   UPDATE uploads SET name_key = substr(upper(filename), 1, 80) WHERE filename IS NOT NULL;
   CREATE INDEX uploads_by_creation ON uploads (created_at, id);
   CREATE INDEX uploads_in_state ON uploads (state, created_at, id);
   CREATE INDEX uploads_of_type ON uploads (type, created_at, id) WHERE type IS NOT NULL;
   CREATE INDEX uploads_of_family ON uploads (family, created_at, id) WHERE family IS NOT NULL;
   CREATE INDEX uploads_of_owner ON uploads (owner, created_at, id) WHERE owner IS NOT NULL;
   CREATE INDEX uploads_by_name ON uploads (name_key, created_at, id) WHERE name_key IS NOT NULL;`,
  // Names and states are compared without reading a row.
  `DROP INDEX uploads_by_creation;
   CREATE INDEX uploads_in_order ON uploads (created_at, id, state, name_key);`,
]

/** The version from which on there are keys of names: SQLite's `upper` knows ASCII alone. */
export const NAME_KEYS_VERSION = 6
/** Makes the keys of other names; `name_key` is a function of this program. */
export const NAME_KEYS = `UPDATE uploads SET name_key = name_key(filename) WHERE filename GLOB '*[^ -~]*'`

/** The version this program reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length
