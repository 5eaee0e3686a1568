import type { ClusterLocks, EndCause, Held } from '../model/cluster.js'
import type { Notices, Sql } from '../model/sql.js'
import { Claims, isPassing } from './claims.js'
import { type Lease, REAP } from './lease.js'
import { Wake } from './wake.js'

/** How often a lock that is not free is tried, beside each notice that it is. */
const RETRY_EVERY_MS = 500
/** Asks the holder of an upload to end what it does; the payload is the upload's id. */
export const ASK_CHANNEL = 'lading_ask'
const FREE_CHANNEL = 'lading_free'

const TAKE = `INSERT INTO upload_locks (id, node, token, claim) VALUES ($1, $2, nextval('holder_tokens'), $3)
  ON CONFLICT (id) DO NOTHING RETURNING token`

/** PostgreSQL writes one transaction with a notice at a time: none is sent where nobody waits. */
const RELEASE = `WITH freed AS (DELETE FROM upload_locks WHERE claim = $1 RETURNING id, is_asked)
  SELECT pg_notify('${FREE_CHANNEL}', id) FROM freed WHERE is_asked`

const ASK = `WITH asked AS (UPDATE upload_locks SET is_asked = true WHERE id = $1 RETURNING id)
  SELECT pg_notify('${ASK_CHANNEL}', id) FROM asked`

export interface ClusterParts {
  readonly sql: Sql
  readonly lease: Lease
  readonly notices: Notices
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** The locks of uploads in PostgreSQL: a row for each that is held. */
export class PostgresLocks implements ClusterLocks {
  readonly #parts: ClusterParts
  readonly #claims: Claims
  /** What ends each holder of this node. An upload may have two while one of them gives its lock back. */
  readonly #ends = new Map<string, Set<(cause: EndCause) => void>>()
  readonly #waiting = new Map<string, { readonly wake: Wake; count: number }>()

  constructor(parts: ClusterParts) {
    this.#parts = parts
    this.#claims = new Claims(parts.sql, parts.lease, RELEASE)
    parts.notices.listen(ASK_CHANNEL, (id) => this.#asked(id))
    parts.notices.listen(FREE_CHANNEL, (id) => this.#waiting.get(id)?.wake.all())
  }

  async acquire(id: string, end: (cause: EndCause) => void, waitMs: number): Promise<Held | undefined> {
    const { monotonic } = this.#parts
    const deadlineMs = monotonic() + waitMs
    const waiting = this.#waiting.get(id) ?? { wake: new Wake(), count: 0 }
    this.#waiting.set(id, waiting)
    waiting.count += 1
    try {
      for (;;) {
        const leftMs = Math.max(0, deadlineMs - monotonic())
        const held = await this.#tryFor(id, end, leftMs, waiting.wake)
        if (held || leftMs === 0) return held
      }
    } finally {
      waiting.count -= 1
      if (waiting.count === 0) this.#waiting.delete(id)
    }
  }

  /** Tries once, asks the holder, and waits until it is worth another try. */
  async #tryFor(
    id: string,
    end: (cause: EndCause) => void,
    leftMs: number,
    wake: Wake,
  ): Promise<Held | undefined> {
    const over = new AbortController()
    // From before the try: the notice may come before PostgreSQL's answer to it.
    const freed = wake.sleep(Math.min(RETRY_EVERY_MS, leftMs), over.signal)
    try {
      const held = await this.tryAcquire(id, end)
      if (held) return held
      const { rows } = await this.#parts.sql.query(ASK, [id])
      // Otherwise it has been given back since, and no notice of that will come.
      if (rows.length > 0) await freed
    } catch (error) {
      if (!isPassing(error) || leftMs === 0) throw error
      await freed
    } finally {
      over.abort()
    }
    return undefined
  }

  async tryAcquire(id: string, end: (cause: EndCause) => void): Promise<Held | undefined> {
    const { sql } = this.#parts
    const take = async (): Promise<Held | undefined> => {
      const held = await this.#claims.tryTake(async (claim) => {
        const { rows } = await sql.query<{ token: number }>(TAKE, [id, claim.node, claim.id])
        return rows[0]?.token
      }, end)
      return held && this.#listed(id, held, end)
    }
    const held = await take()
    if (held) return held
    const reaped = await sql.query(REAP)
    return reaped.changes > 0 ? take() : undefined
  }

  /** The same, while this node ends its holder when another one asks. */
  #listed(id: string, held: Held, end: (cause: EndCause) => void): Held {
    const ends = this.#ends.get(id) ?? new Set()
    ends.add(end)
    this.#ends.set(id, ends)
    return {
      token: held.token,
      get isValid() {
        return held.isValid
      },
      release: () => {
        ends.delete(end)
        if (ends.size === 0 && this.#ends.get(id) === ends) this.#ends.delete(id)
        return held.release()
      },
    }
  }

  #asked(id: string): void {
    for (const end of [...(this.#ends.get(id) ?? [])]) end('asked')
  }
}
