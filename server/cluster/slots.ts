import type { ClusterSlots, Held, SlotHolder } from '../model/cluster.js'
import { Claims, isPassing } from './claims.js'
import { REAP } from './lease.js'
import { ASK_CHANNEL, type ClusterParts } from './locks.js'
import { Wake } from './wake.js'

/** How often the first in the line tries, beside each notice that a slot is free. */
const RETRY_EVERY_MS = 500
/** How long each call waits for the slot of its own upload, which a request on another node gives back. */
const HANDOVER_MS = 2_000
/** How long a slot is kept for its upload after each time its holder was asked: a few tries. */
const KEPT_MS = 2_000
const FREE_CHANNEL = 'lading_slot'
/** How often it is seen whether all rows are there, where none is free. */
const FILL_EVERY_MS = 60_000

const ADD = 'INSERT INTO cluster_slots (n) SELECT generate_series(1, $1::integer) ON CONFLICT DO NOTHING'

/**
 * A row that is kept for the upload comes first. While the upload has a row elsewhere it gets no second one, unless `$5`;
 * rows that belong to nobody are only for those whose turn it is (`$6`).
 */
const TAKE = `WITH elsewhere AS (SELECT 1 FROM cluster_slots WHERE upload = $3 AND node IS NOT NULL AND n <= $4),
  taken AS (UPDATE cluster_slots
    SET node = $1, claim = $2, upload = $3, token = nextval('holder_tokens'), kept_until = NULL
    WHERE n = (SELECT n FROM cluster_slots WHERE n <= $4 AND node IS NULL
        AND (coalesce(upload = $3 AND kept_until > clock_timestamp(), false)
          OR ($6 AND coalesce(kept_until <= clock_timestamp(), true) AND ($5 OR NOT EXISTS (SELECT 1 FROM elsewhere))))
      ORDER BY coalesce(upload = $3, false) DESC, n LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING token)
  SELECT (SELECT token FROM taken) AS token, EXISTS (SELECT 1 FROM elsewhere) AS "isElsewhere"`

/** A row whose upload goes on at another node is kept for it. */
const RELEASE = `WITH freed AS
    (UPDATE cluster_slots SET node = NULL, claim = NULL,
      upload = CASE WHEN kept_until > clock_timestamp() THEN upload END
      WHERE claim = $1 AND node IS NOT NULL RETURNING n)
  SELECT pg_notify('${FREE_CHANNEL}', n::text) FROM freed`

/** Asks the holder of an upload's slot to end what it does, and keeps the slot for whoever asks. */
const ASK = `WITH asked AS
    (UPDATE cluster_slots SET kept_until = clock_timestamp() + make_interval(secs => $2::double precision / 1000)
      WHERE upload = $1 AND node IS NOT NULL RETURNING upload)
  SELECT pg_notify('${ASK_CHANNEL}', upload) FROM asked`

/** What a call may take beside a slot that is kept for its upload. */
interface Turn {
  /** It is its turn. */
  readonly isFirst: boolean
  /** Also where the upload has a slot elsewhere. */
  readonly isSecond: boolean
}

interface Try {
  readonly held: Held | undefined
  /** Another node has a slot for the same upload. */
  readonly isElsewhere: boolean
}

/** A call that waits. */
interface Place {
  readonly uploadId: string
  readonly holder: SlotHolder
  readonly waitMs: number
  readonly gone: AbortSignal
  /** Wakes a call that has become the first. */
  readonly isFirst: Wake
}

/** The slots of all nodes together: as many rows as there are slots, so that there cannot be one holder more. */
export class PostgresSlots implements ClusterSlots {
  readonly limit: number
  readonly #parts: ClusterParts
  readonly #claims: Claims
  readonly #freed = new Wake()
  #filledAtMs = Number.NEGATIVE_INFINITY
  /** The calls that wait, in order. The first one tries. */
  readonly #line: Place[] = []

  constructor(limit: number, parts: ClusterParts) {
    this.limit = limit
    this.#parts = parts
    this.#claims = new Claims(parts.sql, parts.lease, RELEASE)
    parts.notices.listen(FREE_CHANNEL, () => this.#freed.all())
  }

  /** See ClusterSlots. */
  async take(
    uploadId: string,
    holder: SlotHolder,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<Held | undefined> {
    const place = { uploadId, holder, waitMs, gone, isFirst: new Wake() }
    // One that only waits for the slot of its own upload is in nobody's way.
    if (waitMs <= 0) return this.#wait(place)
    this.#line.push(place)
    try {
      return await this.#wait(place)
    } finally {
      this.#line.splice(this.#line.indexOf(place), 1)
      this.#line[0]?.isFirst.all()
    }
  }

  /** What comes free belongs to those who wait. */
  #isFirst(place: Place): boolean {
    const [first = place] = this.#line
    return first === place
  }

  async #wait(place: Place): Promise<Held | undefined> {
    const { monotonic } = this.#parts
    const { waitMs, gone } = place
    const startMs = monotonic()
    const leftMs = (ms: number): number => Math.max(0, startMs + ms - monotonic())
    let wasAsked = false
    let mayAsk = true
    const left = (): number => leftMs(wasAsked ? Math.max(waitMs, HANDOVER_MS) : waitMs)
    while (!gone.aborted) {
      const since = this.#freed.times
      const isFirst = this.#isFirst(place)
      const isSecond = !mayAsk || leftMs(HANDOVER_MS) === 0
      try {
        const { held, isElsewhere } = await this.#try(place, { isFirst, isSecond })
        if (held && !gone.aborted) return held
        await held?.release()
        if (isElsewhere && mayAsk && !gone.aborted) {
          mayAsk = await this.#ask(place)
          wasAsked ||= mayAsk
          if (!mayAsk) continue
        }
      } catch (error) {
        if (!isPassing(error) || left() === 0) throw error
      }
      if (left() === 0 && (!wasAsked || isSecond)) return undefined
      if (wasAsked || isFirst) await this.#freed.sleep(Math.min(RETRY_EVERY_MS, left()), gone, since)
      else if (!this.#isFirst(place)) await place.isFirst.sleep(left(), gone)
    }
    return undefined
  }

  async #try({ uploadId, holder }: Place, { isFirst, isSecond }: Turn): Promise<Try> {
    const { sql } = this.#parts
    let isElsewhere = false
    const take = (): Promise<Held | undefined> =>
      this.#claims.tryTake(async (claim) => {
        const { rows } = await sql.query<{ token: number | null; isElsewhere: boolean }>(TAKE, [
          ...[claim.node, claim.id, uploadId, this.limit],
          ...[isSecond, isFirst],
        ])
        isElsewhere = rows[0]?.isElsewhere ?? false
        return rows[0]?.token ?? undefined
      }, holder.end)
    let held = await take()
    if (!held && (isFirst || isElsewhere)) {
      const added = await this.#fill()
      const reaped = await sql.query(REAP)
      if (added + reaped.changes > 0) held = await take()
    }
    return { held, isElsewhere }
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

  /** Asks the node that has a slot for the same upload to end what it does. False where it must not be asked. */
  async #ask({ uploadId, holder }: Place): Promise<boolean> {
    if (!(await holder.mayInterrupt())) return false
    await this.#parts.sql.query(ASK, [uploadId, KEPT_MS])
    return true
  }
}
