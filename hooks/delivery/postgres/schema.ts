/**
 * The steps of the schema, as `Sql.migrate` takes them; those of the cluster come before. What a node has taken names its
 * row in `nodes`: whoever finds the node's lease over deletes that row, and the foreign keys free the rest.
 */
export const DELIVERY_STEPS: readonly string[] = [
  // An event for one endpoint. `seq` is the order of an upload's events.
  `CREATE TABLE deliveries (
     id text COLLATE "C" PRIMARY KEY,
     seq bigserial NOT NULL,
     endpoint text COLLATE "C" NOT NULL,
     upload text COLLATE "C" NOT NULL,
     event text NOT NULL,
     state text NOT NULL DEFAULT 'pending',
     created_at timestamptz NOT NULL,
     call text NOT NULL,
     attempts integer NOT NULL DEFAULT 0,
     step integer NOT NULL DEFAULT 0,
     next_at timestamptz,
     last_error text,
     ended_at timestamptz
   );
   CREATE INDEX deliveries_of_upload ON deliveries (endpoint, upload, seq);
   CREATE INDEX deliveries_pending ON deliveries (id) WHERE state = 'pending';
   CREATE INDEX deliveries_ended ON deliveries (state, ended_at, id) WHERE state <> 'pending';` +
    // An upload that has pending events. A node takes all of them together, so that they stay in order. `wakes` counts
    // what has come since, so that no node leaves an upload that has just got another event.
    `CREATE TABLE delivery_queues (
     endpoint text COLLATE "C" NOT NULL,
     upload text COLLATE "C" NOT NULL,
     due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     is_retry boolean NOT NULL DEFAULT false,
     is_asked boolean NOT NULL DEFAULT false,
     wakes bigint NOT NULL DEFAULT 0,
     node text COLLATE "C" REFERENCES nodes (id) ON DELETE SET NULL,
     PRIMARY KEY (endpoint, upload)
   ) WITH (fillfactor = 50);
   CREATE INDEX delivery_queues_due ON delivery_queues (endpoint, is_retry, due_at) WHERE node IS NULL;
   CREATE INDEX delivery_queues_of_node ON delivery_queues (node);` +
    // An upload that is being finished. Without a node, what is stored of the upload says whether it is finished.
    `CREATE TABLE delivery_marks (
     endpoint text COLLATE "C" NOT NULL,
     upload text COLLATE "C" NOT NULL,
     id text COLLATE "C" NOT NULL,
     node text COLLATE "C" REFERENCES nodes (id) ON DELETE SET NULL,
     claim text COLLATE "C" NOT NULL,
     marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     check_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     PRIMARY KEY (endpoint, upload)
   ) WITH (fillfactor = 50);
   CREATE INDEX delivery_marks_left ON delivery_marks (check_at) WHERE node IS NULL;
   CREATE INDEX delivery_marks_of_node ON delivery_marks (node);
   CREATE INDEX delivery_marks_by_id ON delivery_marks (id);` +
    // An endpoint that answered 410.
    `CREATE TABLE delivery_stops (endpoint text COLLATE "C" PRIMARY KEY, reason text NOT NULL);`,
]
