import type { HookCall, TellingEvent } from '../../../server/model/hook.js'
import type { Sql } from '../../../server/model/sql.js'
import { callText, readCall } from '../spool-lines.js'

/** An upload whose events a node sends. */
export interface Taken {
  readonly endpoint: string
  readonly uploadId: string
  /** The node's id under the lease with which it was taken. */
  readonly node: string
}

/** The first pending event of an upload. */
export interface FirstEvent {
  readonly id: string
  /** Undefined where it cannot be read. */
  readonly call: HookCall<TellingEvent> | undefined
  readonly attempts: number
  readonly step: number
  /** It is not due yet. */
  readonly isEarly: boolean
  /** No other event of the upload is pending. */
  readonly isOnly: boolean
}

/** What is pending of an upload. */
export interface Head {
  /** Grows with each event that comes. */
  readonly wakes: number
  /** An operator has asked for a try out of turn. */
  readonly isAsked: boolean
  /** Why the endpoint takes nothing any more; null while it does. */
  readonly stopped: string | null
  /** It has ended: a notice of progress would come behind that. */
  readonly isOver: boolean
  readonly first: FirstEvent | undefined
}

/** What became of a try that failed. */
export interface Failure {
  readonly attempts: number
  readonly step: number
  readonly lastError: string
  /** How long the next try waits; null leaves the time as it is. */
  readonly waitMs: number | null
}

const STOPPED = 'SELECT reason FROM delivery_stops WHERE endpoint = $1'

/**
 * If the endpoint is stopped, all its events are due now: they fail. `statement_timestamp()` is constant in a statement,
 * so the index can be used.
 */
const DUE = `endpoint = $1 AND node IS NULL AND upload <> ALL ($2)
  AND due_at <= CASE WHEN EXISTS (${STOPPED}) THEN 'infinity' ELSE statement_timestamp() END`

const TAKE = `WITH due AS (
    (SELECT upload, due_at FROM delivery_queues WHERE ${DUE} AND NOT is_retry ORDER BY due_at LIMIT $3)
    UNION ALL
    (SELECT upload, due_at FROM delivery_queues WHERE ${DUE} AND is_retry ORDER BY due_at LIMIT $4)
    ORDER BY due_at LIMIT $3
  ), free AS (
    SELECT endpoint, upload FROM delivery_queues
    WHERE endpoint = $1 AND upload IN (SELECT upload FROM due) AND node IS NULL FOR UPDATE SKIP LOCKED
  )
  UPDATE delivery_queues AS queue SET node = $5 FROM free
  WHERE queue.endpoint = free.endpoint AND queue.upload = free.upload
  RETURNING queue.upload, queue.is_retry AS "isRetry"`

const NEXT = `SELECT (extract(epoch FROM min(due_at) - clock_timestamp()) * 1000)::double precision AS ms
  FROM delivery_queues WHERE endpoint = $1 AND node IS NULL AND upload <> ALL ($2) AND (NOT is_retry OR $3)`

const IS_OVER = `EXISTS (SELECT 1 FROM deliveries WHERE endpoint = $1 AND upload = $2
  AND event IN ('post-finish', 'post-terminate'))`

const HEAD = `SELECT queue.wakes, queue.is_asked AS "isAsked", (${STOPPED}) AS stopped, ${IS_OVER} AS "isOver",
    first.id, first.call, first.attempts, first.step, first.next_at > clock_timestamp() AS "isEarly"
  FROM delivery_queues AS queue LEFT JOIN LATERAL (
    SELECT * FROM deliveries WHERE endpoint = $1 AND upload = $2 AND state = 'pending' ORDER BY seq LIMIT 2
  ) AS first ON true
  WHERE queue.endpoint = $1 AND queue.upload = $2 AND queue.node = $3 ORDER BY first.seq`

const MINE = 'endpoint = $1 AND upload = $2 AND node = $3'

const END = `WITH ended AS (
    UPDATE deliveries SET state = $4, attempts = $5, last_error = $6, call = $7, next_at = NULL,
      ended_at = clock_timestamp()
    WHERE id = $8 AND state = 'pending'
  )
  DELETE FROM delivery_queues WHERE ${MINE} AND wakes = $9`

/** What is asked for meanwhile stays asked for. */
const WAIT = `SET node = NULL, is_retry = true, is_asked = is_asked AND wakes <> $4,
  due_at = CASE WHEN is_asked AND wakes <> $4 THEN due_at ELSE`

const FAIL = `WITH mine AS (
    SELECT 1 FROM delivery_queues WHERE ${MINE} FOR UPDATE
  ), failed AS (
    UPDATE deliveries SET attempts = $5, step = $6, last_error = $7,
      next_at = CASE WHEN $8::double precision IS NULL THEN next_at
        ELSE clock_timestamp() + make_interval(secs => $8::double precision / 1000) END
    FROM mine WHERE id = $9 AND state = 'pending' RETURNING next_at
  )
  UPDATE delivery_queues ${WAIT} coalesce((SELECT next_at FROM failed), clock_timestamp()) END WHERE ${MINE}`

const LEAVE_EARLY = `UPDATE delivery_queues ${WAIT} coalesce((SELECT next_at FROM deliveries WHERE id = $5),
  clock_timestamp()) END WHERE ${MINE}`

const LEAVE = `DELETE FROM delivery_queues WHERE ${MINE} AND wakes = $4`

const FREE = 'UPDATE delivery_queues SET node = NULL WHERE endpoint = $1 AND node = $2 AND upload <> ALL ($3)'

/** A notice of progress never comes behind the end of its upload. */
const TAKE_IDLE = `WITH known AS (
    SELECT ${IS_OVER} AS is_over
  ), taken AS (
    INSERT INTO delivery_queues (endpoint, upload, node) SELECT $1, $2, $3 FROM known WHERE NOT is_over
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT is_over AS "isOver", EXISTS (SELECT 1 FROM taken) AS "isTaken" FROM known`

const STOP = `INSERT INTO delivery_stops (endpoint, reason) VALUES ($1, $2)
  ON CONFLICT (endpoint) DO UPDATE SET reason = excluded.reason`

interface HeadRow extends Pick<Head, 'wakes' | 'isAsked' | 'stopped' | 'isOver'> {
  readonly id: string | null
  readonly call: string
  readonly attempts: number
  readonly step: number
  readonly isEarly: boolean | null
}

/** Which uploads of an endpoint have pending events, and who sends them. Every call rejects with SqlError. */
export class QueueTable {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Takes at most `most` uploads that are due, of them at most `retries` whose last try failed, but none of `except`. */
  async take(
    { endpoint, node, except }: { endpoint: string; node: string; except: readonly string[] },
    { most, retries }: { most: number; retries: number },
  ): Promise<readonly { taken: Taken; isRetry: boolean }[]> {
    const { rows } = await this.#sql.query<{ upload: string; isRetry: boolean }>(TAKE, [
      ...[endpoint, except, most, retries, node],
    ])
    return rows.map(({ upload, isRetry }) => ({ taken: { endpoint, uploadId: upload, node }, isRetry }))
  }

  /** Frees what a node has taken, but for `except`. */
  async free(endpoint: string, node: string, except: readonly string[]): Promise<void> {
    await this.#sql.query(FREE, [endpoint, node, except])
  }

  /** How long until the next upload is due that nobody has, in milliseconds; null where there is none. */
  async nextMs(endpoint: string, except: readonly string[], retries: boolean): Promise<number | null> {
    const { rows } = await this.#sql.query<{ ms: number | null }>(NEXT, [endpoint, except, retries])
    return rows[0]?.ms ?? null
  }

  /** What is pending of an upload; undefined where it is not this node's any more. */
  async head({ endpoint, uploadId, node }: Taken): Promise<Head | undefined> {
    const { rows } = await this.#sql.query<HeadRow>(HEAD, [endpoint, uploadId, node])
    const [row, other] = rows
    if (!row) return undefined
    const { wakes, isAsked, stopped, isOver, id, call, attempts, step } = row
    const [isEarly, isOnly] = [row.isEarly === true, other === undefined]
    const first = id === null ? undefined : { id, call: readCall(call), attempts, step, isEarly, isOnly }
    return { wakes, isAsked, stopped, isOver, first }
  }

  /** An event is over. Where no other one has come the upload is left: true then. */
  async end(
    { endpoint, uploadId, node }: Taken,
    ended: {
      readonly id: string
      readonly call: HookCall<TellingEvent> | undefined
      readonly state: 'done' | 'failed'
      readonly attempts: number
      readonly lastError: string | null
      /** As `head` gave it, where the upload may be left; null where other events are pending. */
      readonly wakes: number | null
    },
  ): Promise<boolean> {
    const { id, call, state, attempts, lastError, wakes } = ended
    const text = call ? callText(call, state === 'failed') : '{}'
    const { changes } = await this.#sql.query(END, [
      ...[endpoint, uploadId, node, state, attempts, lastError, text, id, wakes],
    ])
    return changes > 0
  }

  /** A try failed: the upload waits for the next one. */
  async fail(
    { endpoint, uploadId, node }: Taken,
    wakes: number,
    id: string,
    { attempts, step, lastError, waitMs }: Failure,
  ): Promise<void> {
    await this.#sql.query(FAIL, [endpoint, uploadId, node, wakes, attempts, step, lastError, waitMs, id])
  }

  /** The upload's first event, which is not due yet, waits. */
  async leaveEarly({ endpoint, uploadId, node }: Taken, wakes: number, id: string): Promise<void> {
    await this.#sql.query(LEAVE_EARLY, [endpoint, uploadId, node, wakes, id])
  }

  /** Nothing is pending of an upload any more; false where something has come since. */
  async leave({ endpoint, uploadId, node }: Taken, wakes: number): Promise<boolean> {
    return (await this.#sql.query(LEAVE, [endpoint, uploadId, node, wakes])).changes > 0
  }

  /** Takes an upload without pending events, for a notice of its progress; `over` where it has ended. */
  async takeIdle({ endpoint, uploadId, node }: Taken): Promise<'taken' | 'busy' | 'over'> {
    const { rows } = await this.#sql.query<{ isOver: boolean; isTaken: boolean }>(TAKE_IDLE, [
      ...[endpoint, uploadId, node],
    ])
    if (rows[0]?.isOver) return 'over'
    return rows[0]?.isTaken ? 'taken' : 'busy'
  }

  /** Why an endpoint takes nothing any more; null while it does. */
  async stopped(endpoint: string): Promise<string | null> {
    const { rows } = await this.#sql.query<{ reason: string }>(STOPPED, [endpoint])
    return rows[0]?.reason ?? null
  }

  /** The endpoint takes nothing any more. */
  async stop(endpoint: string, reason: string): Promise<void> {
    await this.#sql.query(STOP, [endpoint, reason])
  }

  /** The endpoints may take events again. */
  async resume(endpoints: readonly string[]): Promise<void> {
    await this.#sql.query('DELETE FROM delivery_stops WHERE endpoint = ANY ($1)', [endpoints])
  }
}
