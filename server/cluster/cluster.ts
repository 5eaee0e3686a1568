import { randomUUID } from 'node:crypto'
import type { ClusterLocks, ClusterNodeView, ClusterOwnerSlots, ClusterSlots } from '../model/cluster.js'
import type { Log } from '../model/log.js'
import type { Notices, Sql } from '../model/sql.js'
import { ClusterEvents } from './events.js'
import { HeldTokens } from './held-tokens.js'
import { Lease } from './lease.js'
import { type ClusterParts, PostgresLocks } from './locks.js'
import { PostgresOwnerSlots } from './owner-slots.js'
import { PostgresSlots } from './slots.js'

const NODES = `SELECT name, started_at AS "startedAt",
    round(extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint AS "leaseMs",
    (SELECT count(*) FROM upload_locks WHERE node = nodes.id) AS locks,
    (SELECT count(*) FROM cluster_slots WHERE node = nodes.id) AS slots
  FROM nodes ORDER BY started_at, id LIMIT 1000`

export interface ClusterOptions {
  /** For leases, locks, slots and events alone, so that nothing else holds up a heartbeat. `close` ends it. */
  readonly sql: Sql
  /** For all else that the nodes share: `Cluster.sql`. `close` ends it, and `notices`. */
  readonly shared: Sql
  readonly notices: Notices
  readonly log: Log
  /** Names the node for people. */
  readonly name: string
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
  /** Slots of all nodes together; undefined for no limit, and no query. */
  readonly slots?: number
  /** For tests, which cannot wait for so long. */
  readonly leaseMs?: number
}

/** This node's place in the cluster. */
export class Cluster {
  readonly locks: ClusterLocks
  readonly slots: ClusterSlots | undefined
  readonly events: ClusterEvents
  readonly name: string
  /** Of the uploads' locks that this node holds. */
  readonly tokens = new HeldTokens()
  /** For what the nodes share beside leases, locks, slots and events; it has connections of its own. */
  readonly sql: Sql
  readonly notices: Notices
  readonly #options: ClusterOptions
  readonly #lease: Lease
  readonly #parts: ClusterParts

  /** Begins to take a lease and returns at once, whether PostgreSQL answers or not. */
  constructor(options: ClusterOptions) {
    this.#options = options
    this.sql = options.shared
    this.notices = options.notices
    this.#lease = new Lease(options)
    this.#parts = { ...options, lease: this.#lease }
    const parts = this.#parts
    this.locks = new PostgresLocks(parts)
    this.slots = options.slots === undefined ? undefined : new PostgresSlots(options.slots, parts)
    this.events = new ClusterEvents({ ...options, origin: randomUUID() })
    this.name = options.name
    this.#lease.start()
  }

  /** Active uploads of each owner on all nodes, at most `limit` each. */
  ownerSlots(limit: number): ClusterOwnerSlots {
    return new PostgresOwnerSlots(limit, this.#parts)
  }

  /** True while this node has a lease: it may hold locks and slots. */
  get isMember(): boolean {
    return this.#lease.isValid
  }

  /** The id of this node's row in `nodes`; undefined while it has no lease. */
  get nodeId(): string | undefined {
    return this.#lease.id
  }

  /** Resolves once this node has a lease. @throws SqlError (rejects) where PostgreSQL does not take it now */
  async joined(): Promise<void> {
    await this.#lease.obtained()
  }

  /** The nodes whose leases are not known to be over. @throws SqlError (rejects) */
  async nodes(): Promise<readonly ClusterNodeView[]> {
    const { rows } = await this.#options.sql.query<ClusterNodeView>(NODES)
    return rows
  }

  /** Frees what this node holds, and leaves. Never rejects. */
  async close(): Promise<void> {
    await this.events.close()
    await this.#lease.close()
    const { notices, sql, shared } = this.#options
    await Promise.all([notices.end(), sql.end(), shared.end()])
  }
}
