import { randomUUID } from 'node:crypto'
import type { EndCause } from '../model/cluster.js'
import type { Log } from '../model/log.js'
import { Once } from '../model/once.js'
import { type Sql, SqlError } from '../model/sql.js'
import { MIGRATIONS } from './schema.js'

/** What a node's rows live for after each heartbeat, by PostgreSQL's clock. */
const LEASE_MS = 10_000
const BEAT_EVERY_MS = 2_500
/** A heartbeat that failed is tried again after this time. */
const RETRY_MS = 250
/** What a holder has for its end, before the lease is over. */
const ENDS_WITHIN_MS = 2_000

/** Frees what dead nodes hold. Rows that another node is just deleting, or whose node still beats, are passed over. */
export const REAP = `DELETE FROM nodes WHERE id IN
  (SELECT id FROM nodes WHERE lease_until <= clock_timestamp() FOR UPDATE SKIP LOCKED)`

const REGISTER = `INSERT INTO nodes (id, name, lease_until)
  VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3::double precision / 1000))`

/** The one statement of a heartbeat. A lease that is over is never renewed. */
const BEAT = `WITH reaped AS (${REAP} AND id <> $1)
  UPDATE nodes SET lease_until = clock_timestamp() + make_interval(secs => $2::double precision / 1000)
  WHERE id = $1 AND lease_until > clock_timestamp()`

export interface LeaseOptions {
  readonly sql: Sql
  readonly log: Log
  /** Names the node for people. */
  readonly name: string
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
  /** For tests, which cannot wait for so long. */
  readonly leaseMs?: number
}

/**
 * This node's lease on all that it holds: one row, renewed by one heartbeat. The node counts from before it sends a
 * heartbeat, so that its own lease is over before PostgreSQL's is. A lease that is lost is not renewed: the node begins
 * again under a new id.
 */
export class Lease {
  readonly #options: LeaseOptions
  readonly #leaseMs: number
  readonly #migrated: Once<number>
  /** Each ends what is held under the lease. */
  readonly #holders = new Set<(cause: EndCause) => void>()
  #id: string | undefined
  /** Until then what is held is valid, by the monotonic clock. */
  #validUntilMs = Number.NEGATIVE_INFINITY
  #beat: NodeJS.Timeout | undefined
  #end: NodeJS.Timeout | undefined
  #registering: Promise<void> | undefined
  #isClosed = false

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#migrated = new Once(() => options.sql.migrate('cluster', MIGRATIONS))
    this.#leaseMs = options.leaseMs ?? LEASE_MS
  }

  /** The node's id under this lease. Undefined while there is none. */
  get id(): string | undefined {
    return this.isValid ? this.#id : undefined
  }

  /** True while the lease is valid. */
  get isValid(): boolean {
    return this.#options.monotonic() < this.#validUntilMs
  }

  /**
   * Resolves with the node's id once it has a lease.
   *
   * @throws SqlError (rejects) where PostgreSQL does not take it now
   */
  async obtained(): Promise<string> {
    const { id } = this
    if (id !== undefined) return id
    // The end of an old lease begins to take another one, which is then the one that is waited for here.
    if (this.#registering === undefined) this.#endOfLease()
    this.#registering ??= this.#register().finally(() => {
      this.#registering = undefined
    })
    await this.#registering
    if (this.id === undefined) throw new SqlError('gone', 'the node has no lease')
    return this.id
  }

  /** Takes a lease now, and again whenever it was lost, as soon as PostgreSQL answers. */
  start(): void {
    if (this.#isClosed) return
    this.obtained().catch(() => {
      clearTimeout(this.#beat)
      this.#beat = setTimeout(() => this.start(), RETRY_MS)
    })
  }

  /** PostgreSQL does not know the node of this id any more. */
  disown(id: string): void {
    if (id === this.#id) this.#lose('PostgreSQL does not know this node any more')
  }

  /** Calls `end` once when the lease is lost. Returns what takes it back. */
  hold(end: (cause: EndCause) => void): () => void {
    this.#holders.add(end)
    return () => void this.#holders.delete(end)
  }

  /** Frees all that the node holds. Never rejects: otherwise it ends with the lease. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#registering?.catch(() => {})
    const id = this.#id
    this.#drop()
    if (id !== undefined)
      await this.#options.sql.query('DELETE FROM nodes WHERE id = $1', [id]).catch(() => {})
  }

  async #register(): Promise<void> {
    if (this.#isClosed) throw new SqlError('gone', 'the node has left the cluster')
    const { sql, name, monotonic } = this.#options
    await this.#migrated.done()
    const id = randomUUID()
    const sentMs = monotonic()
    await sql.query(REGISTER, [id, name, this.#leaseMs])
    this.#id = id
    this.#renewed(sentMs)
    this.#beatIn(this.#everyMs)
  }

  get #everyMs(): number {
    return (BEAT_EVERY_MS * this.#leaseMs) / LEASE_MS
  }

  #beatIn(ms: number): void {
    clearTimeout(this.#beat)
    this.#beat = setTimeout(() => this.#sendBeat(), ms)
  }

  /** Never rejects. The next heartbeat does not wait for this one, which may hang. */
  async #sendBeat(): Promise<void> {
    const { sql, monotonic } = this.#options
    const id = this.#id
    if (id === undefined) return
    const sentMs = monotonic()
    this.#beatIn(this.#everyMs)
    try {
      const { changes } = await sql.query(BEAT, [id, this.#leaseMs])
      if (id !== this.#id) return
      if (changes > 0) this.#renewed(sentMs)
      else this.#lose('another node has found it over')
    } catch {
      if (id === this.#id) this.#beatIn(Math.min(RETRY_MS, this.#everyMs))
    }
  }

  /** A heartbeat that was sent then has renewed the lease. */
  #renewed(sentMs: number): void {
    const { monotonic } = this.#options
    const validMs = this.#leaseMs - (ENDS_WITHIN_MS * this.#leaseMs) / LEASE_MS
    this.#validUntilMs = Math.max(this.#validUntilMs, sentMs + validMs)
    clearTimeout(this.#end)
    this.#end = setTimeout(() => this.#endOfLease(), Math.max(0, this.#validUntilMs - monotonic()))
  }

  #endOfLease(): void {
    if (this.#id === undefined) return
    if (!this.isValid) this.#lose('it could not be renewed')
    else this.#end = setTimeout(() => this.#endOfLease(), this.#validUntilMs - this.#options.monotonic())
  }

  #lose(why: string): void {
    const holders = [...this.#holders]
    this.#drop()
    if (holders.length > 0)
      this.#options.log.warn(
        { why, held: holders.length },
        'the lease of this node was lost; its uploads end',
      )
    for (const end of holders) end('lost')
    this.start()
  }

  #drop(): void {
    clearTimeout(this.#beat)
    clearTimeout(this.#end)
    this.#id = undefined
    this.#validUntilMs = Number.NEGATIVE_INFINITY
    this.#holders.clear()
  }
}
