import { setTimeout as pause } from 'node:timers/promises'
import type { ClusterOwnerSlots, Held } from '../model/cluster.js'
import { Once } from '../model/once.js'
import { Claims, isPassing } from './claims.js'
import { REAP } from './lease.js'
import type { ClusterParts } from './locks.js'

const RETRY_EVERY_MS = 500
/** The steps of the schema, as `Sql.migrate` takes them; those of the nodes come before. */
const STEPS: readonly string[] = [
  `CREATE TABLE owner_slots (
     claim text COLLATE "C" PRIMARY KEY,
     node text COLLATE "C" NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
     owner text COLLATE "C" NOT NULL,
     upload text COLLATE "C" NOT NULL
   );
   CREATE INDEX owner_slots_of_owner ON owner_slots (owner, upload);
   CREATE INDEX owner_slots_of_node ON owner_slots (node);`,
  // One statement: a node that is stopped while it asks does not keep the lock. Whoever has the lock sees what those before
  // have written, as each query of such a function sees the tables as they are then. An upload that goes on at this node
  // may still have the slot of a node that has not noticed its end: it counts once.
  `CREATE FUNCTION take_owner_slot(new_claim text, new_node text, its_owner text, its_upload text, most integer)
   RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN
     PERFORM pg_advisory_xact_lock(6866, hashtext(its_owner));
     INSERT INTO owner_slots (claim, node, owner, upload) SELECT new_claim, new_node, its_owner, its_upload
       WHERE EXISTS (SELECT 1 FROM owner_slots WHERE owner = its_owner AND upload = its_upload)
         OR (SELECT count(DISTINCT upload) FROM owner_slots WHERE owner = its_owner) < most;
     RETURN FOUND;
   END $$;`,
]

const TAKE = `SELECT take_owner_slot($1, $2, $3, $4, $5) AS "isTaken"`

const RELEASE = 'DELETE FROM owner_slots WHERE claim = $1'

/** The active uploads of each owner, on all nodes together: one owner's requests are counted one after the other. */
export class PostgresOwnerSlots implements ClusterOwnerSlots {
  readonly #limit: number
  readonly #parts: ClusterParts
  readonly #claims: Claims
  readonly #migrated: Once<number>

  constructor(limit: number, parts: ClusterParts) {
    this.#limit = limit
    this.#parts = parts
    this.#migrated = new Once(() => parts.sql.migrate('owner_slots', STEPS))
    this.#claims = new Claims(parts.sql, parts.lease, RELEASE)
  }

  /** See ClusterOwnerSlots. */
  async take(owner: string, uploadId: string, waitMs: number, gone: AbortSignal): Promise<Held | undefined> {
    const { monotonic } = this.#parts
    const deadlineMs = monotonic() + waitMs
    for (;;) {
      const leftMs = deadlineMs - monotonic()
      try {
        const held = await this.#try(owner, uploadId)
        if (held) return held
      } catch (error) {
        if (!isPassing(error) || leftMs <= 0) throw error
      }
      if (leftMs <= 0 || gone.aborted) return undefined
      await pause(Math.min(RETRY_EVERY_MS, leftMs), undefined, { signal: gone }).catch(() => {})
    }
  }

  async #try(owner: string, uploadId: string): Promise<Held | undefined> {
    const { sql, lease } = this.#parts
    // It makes the table of nodes, which the steps refer to.
    await lease.obtained()
    await this.#migrated.done()
    // Its lock is lost with the lease: that ends it.
    const take = (): Promise<Held | undefined> =>
      this.#claims.tryTake(
        async (claim) => {
          const values = [claim.id, claim.node, owner, uploadId, this.#limit]
          const { rows } = await sql.query<{ isTaken: boolean }>(TAKE, values)
          return rows[0]?.isTaken ? 0 : undefined
        },
        () => {},
      )
    const held = await take()
    if (held) return held
    const reaped = await sql.query(REAP)
    return reaped.changes > 0 ? take() : undefined
  }
}
