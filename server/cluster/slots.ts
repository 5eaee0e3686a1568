import type { ClusterSlots, Held, SlotHolder } from '../model/cluster.js'
import { Claims, isPassing } from './claims.js'
import { REAP } from './lease.js'
import { ASK_CHANNEL, type ClusterParts } from './locks.js'
import { Wake } from './wake.js'

/** How often the first in the line tries, beside each notice that a slot is free. */
const RETRY_EVERY_MS = 500
/** How long a call that need not wait waits for the slot of its own upload, which a request on another node gives back. */
const HANDOVER_MS = 2_000
const FREE_CHANNEL = 'lading_slot'
/** How often it is seen whether all rows are there, where none is free. */
const FILL_EVERY_MS = 60_000

const ADD = 'INSERT INTO cluster_slots (n) SELECT generate_series(1, $1::integer) ON CONFLICT DO NOTHING'

const TAKE = `UPDATE cluster_slots SET node = $1, claim = $2, upload = $3, token = nextval('holder_tokens')
  WHERE n = (SELECT n FROM cluster_slots WHERE n <= $4 AND node IS NULL ORDER BY n LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING token`

const RELEASE = `WITH freed AS
    (UPDATE cluster_slots SET node = NULL, claim = NULL, upload = NULL WHERE claim = $1 AND node IS NOT NULL RETURNING n)
  SELECT pg_notify('${FREE_CHANNEL}', n::text) FROM freed`

const IS_TAKEN = 'SELECT 1 FROM cluster_slots WHERE upload = $1 AND node IS NOT NULL LIMIT 1'

/** An upload that goes on here may still have the slot of a node that has not noticed its end. */
const ASK = `SELECT pg_notify('${ASK_CHANNEL}', upload) FROM cluster_slots WHERE upload = $1 AND node IS NOT NULL`

/** The slots of all nodes together: as many rows as there are slots, so that there cannot be one holder more. */
export class PostgresSlots implements ClusterSlots {
  readonly limit: number
  readonly #parts: ClusterParts
  readonly #claims: Claims
  readonly #freed = new Wake()
  #filledAtMs = Number.NEGATIVE_INFINITY
  /** The calls that wait, in order. The first one tries. `isFirst` wakes a call that has become the first. */
  readonly #line: { readonly isFirst: Wake }[] = []

  constructor(limit: number, parts: ClusterParts) {
    this.limit = limit
    this.#parts = parts
    this.#claims = new Claims(parts.sql, parts.lease, RELEASE)
    parts.notices.listen(FREE_CHANNEL, () => this.#freed.all())
  }

  async take(
    uploadId: string,
    holder: SlotHolder,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<Held | undefined> {
    if (waitMs > 0) return this.#takeInLine(uploadId, holder, waitMs, gone)
    // What comes free belongs to those who wait.
    const held = this.#line.length > 0 ? undefined : await this.#try(uploadId, holder)
    if (held || !(await this.#interrupt(uploadId, holder))) return held
    return this.#takeInLine(uploadId, holder, HANDOVER_MS, gone)
  }

  async #takeInLine(
    uploadId: string,
    holder: SlotHolder,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<Held | undefined> {
    const place = { isFirst: new Wake() }
    this.#line.push(place)
    try {
      return await this.#wait(place, uploadId, holder, waitMs, gone)
    } finally {
      this.#line.splice(this.#line.indexOf(place), 1)
      this.#line[0]?.isFirst.all()
    }
  }

  async #wait(
    place: { readonly isFirst: Wake },
    uploadId: string,
    holder: SlotHolder,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<Held | undefined> {
    const { monotonic } = this.#parts
    const deadlineMs = monotonic() + waitMs
    const leftMs = () => Math.max(0, deadlineMs - monotonic())
    while (!gone.aborted) {
      if (this.#line[0] !== place) {
        if (leftMs() === 0) return undefined
        await place.isFirst.sleep(leftMs(), gone)
        continue
      }
      const since = this.#freed.times
      try {
        const held = await this.#try(uploadId, holder)
        if (held && gone.aborted) await held.release()
        else if (held) return held
        else await this.#interrupt(uploadId, holder)
      } catch (error) {
        if (!isPassing(error) || leftMs() === 0) throw error
      }
      if (leftMs() === 0) return undefined
      await this.#freed.sleep(Math.min(RETRY_EVERY_MS, leftMs()), gone, since)
    }
    return undefined
  }

  async #try(uploadId: string, holder: SlotHolder): Promise<Held | undefined> {
    const { sql } = this.#parts
    const take = (): Promise<Held | undefined> =>
      this.#claims.tryTake(async (claim) => {
        const { rows } = await sql.query<{ token: number }>(TAKE, [
          claim.node,
          claim.id,
          uploadId,
          this.limit,
        ])
        return rows[0]?.token
      }, holder.end)
    const held = await take()
    if (held) return held
    const added = await this.#fill()
    const reaped = await sql.query(REAP)
    return added + reaped.changes > 0 ? take() : undefined
  }

  /** Makes the rows that are missing, and resolves with how many were. */
  async #fill(): Promise<number> {
    const { sql, monotonic } = this.#parts
    const nowMs = monotonic()
    if (nowMs - this.#filledAtMs < FILL_EVERY_MS) return 0
    const { changes } = await sql.query(ADD, [this.limit])
    this.#filledAtMs = nowMs
    return changes
  }

  /** Asks the node that has a slot for the same upload to end what it does. False where none has, or it must not be asked. */
  async #interrupt(uploadId: string, holder: SlotHolder): Promise<boolean> {
    const { sql } = this.#parts
    const { changes } = await sql.query(IS_TAKEN, [uploadId])
    if (changes === 0 || !(await holder.mayInterrupt())) return false
    await sql.query(ASK, [uploadId])
    return true
  }
}
