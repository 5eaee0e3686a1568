/** The steps of the tables that nodes share for access, as `Sql.migrate` takes them. */
export const ACCESS_STEPS: readonly string[] = [
  `CREATE TABLE signing_keys (name text PRIMARY KEY, key text NOT NULL);
   CREATE TABLE grants (
     id text COLLATE "C" PRIMARY KEY,
     used integer NOT NULL,
     expires_at timestamptz NOT NULL
   ) WITH (fillfactor = 70);
   CREATE INDEX grants_by_end ON grants (expires_at);
   CREATE TABLE grant_uses (
     grant_id text COLLATE "C" NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
     upload text COLLATE "C" NOT NULL,
     PRIMARY KEY (grant_id, upload)
   );`,
]
