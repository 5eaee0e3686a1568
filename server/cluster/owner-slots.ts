import { setTimeout as pause } from 'node:timers/promises'
import type { ClusterOwnerSlots, Held } from '../model/cluster.js'
import { Claims, isPassing } from './claims.js'
import { REAP } from './lease.js'
import type { ClusterParts } from './locks.js'

const RETRY_EVERY_MS = 500
/** The first number of the advisory locks of owners. */
const LOCKS = 0x1ad2

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
]

/** Who has it sees what those before have written: the next query of the transaction sees the tables as they are then. */
const LOCK = 'SELECT pg_advisory_xact_lock($1, hashtext($2))'

/** An upload that goes on here may still have the slot of a node that has not noticed its end: it counts once. */
const ADD = `INSERT INTO owner_slots (claim, node, owner, upload) SELECT $1, $2, $3, $4
  WHERE EXISTS (SELECT 1 FROM owner_slots WHERE owner = $3 AND upload = $4)
    OR (SELECT count(DISTINCT upload) FROM owner_slots WHERE owner = $3) < $5`

const RELEASE = 'DELETE FROM owner_slots WHERE claim = $1'

/** The active uploads of each owner, on all nodes together: one owner's requests are counted one after the other. */
export class PostgresOwnerSlots implements ClusterOwnerSlots {
  readonly #limit: number
  readonly #parts: ClusterParts
  readonly #claims: Claims
  #made: Promise<unknown> | undefined

  constructor(limit: number, parts: ClusterParts) {
    this.#limit = limit
    this.#parts = parts
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
    const { sql } = this.#parts
    await this.#make()
    // Its lock is lost with the lease: that ends it.
    const take = (): Promise<Held | undefined> =>
      this.#claims.tryTake(
        (claim) =>
          sql.transaction(async (queries) => {
            await queries.query(LOCK, [LOCKS, owner])
            const added = await queries.query(ADD, [claim.id, claim.node, owner, uploadId, this.#limit])
            return added.changes > 0 ? 0 : undefined
          }),
        () => {},
      )
    const held = await take()
    if (held) return held
    const reaped = await sql.query(REAP)
    return reaped.changes > 0 ? take() : undefined
  }

  #make(): Promise<unknown> {
    this.#made ??= this.#parts.lease
      .obtained()
      .then(() => this.#parts.sql.migrate('owner_slots', STEPS))
      .catch((error: unknown) => {
        this.#made = undefined
        throw error
      })
    return this.#made
  }
}
