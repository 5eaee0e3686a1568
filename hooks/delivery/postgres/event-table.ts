import { UploadError } from '../../../server/errors.js'
import type { TellingEvent } from '../../../server/model/hook.js'
import type { Sql } from '../../../server/model/sql.js'
import type { DeliveryPage, DeliveryState, DeliveryView } from '../delivery.js'

/** An event for one endpoint that is to be kept. */
export interface NewEvent {
  readonly endpoint: string
  readonly id: string
  readonly uploadId: string
  readonly event: TellingEvent
  /** ISO 8601. */
  readonly createdAt: string
  readonly call: string
}

/** A mark for the same delivery goes. An event that is there already stays as it is: the answer of an earlier try was lost. */
const ADD = `WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
      WITH ORDINALITY AS given (endpoint, id, upload, event, created_at, call, place)
  ), added AS (
    INSERT INTO deliveries (endpoint, id, upload, event, created_at, call)
    SELECT endpoint, id, upload, event, created_at::timestamptz, call FROM given ORDER BY place
    ON CONFLICT (id) DO NOTHING RETURNING endpoint, upload
  ), unmarked AS (
    DELETE FROM delivery_marks USING given WHERE delivery_marks.id = given.id
  )
  INSERT INTO delivery_queues AS queue (endpoint, upload)
  SELECT DISTINCT endpoint, upload FROM added ORDER BY endpoint, upload
  ON CONFLICT (endpoint, upload) DO UPDATE SET wakes = queue.wakes + 1`

const VIEW = `id, endpoint, event, upload AS "uploadId", state, attempts, created_at AS "createdAt",
  next_at AS "nextAt", last_error AS "lastError", ended_at AS "endedAt"`

const PENDING = `SELECT ${VIEW} FROM deliveries WHERE state = 'pending' AND id > $1 ORDER BY id LIMIT $2`

const NEWEST = `SELECT ${VIEW} FROM deliveries WHERE state = $1 ORDER BY ended_at DESC, id DESC LIMIT $2`

const NEWEST_BEFORE = `SELECT ${VIEW} FROM deliveries WHERE state = $1 AND (ended_at, id) <
    (SELECT ended_at, id FROM deliveries WHERE id = $3 AND state = $1)
  ORDER BY ended_at DESC, id DESC LIMIT $2`

/** Begins again with what is over; what is pending stays as it is. Its upload is looked at now, and its endpoint again. */
const RESEND = `WITH found AS (
    SELECT id FROM deliveries WHERE id = $1 FOR UPDATE
  ), again AS (
    UPDATE deliveries SET state = 'pending', attempts = 0, step = 0, next_at = NULL, ended_at = NULL,
      seq = nextval('deliveries_seq_seq')
    FROM found WHERE deliveries.id = found.id AND state <> 'pending'
  ), asked AS (
    INSERT INTO delivery_queues AS queue (endpoint, upload, is_asked)
    SELECT endpoint, upload, true FROM deliveries JOIN found USING (id)
    ON CONFLICT (endpoint, upload) DO UPDATE
      SET wakes = queue.wakes + 1, is_asked = true, due_at = clock_timestamp()
    RETURNING endpoint
  ), resumed AS (
    DELETE FROM delivery_stops USING asked WHERE delivery_stops.endpoint = asked.endpoint
  )
  SELECT ${VIEW} FROM deliveries JOIN found USING (id)`

const PURGE = `DELETE FROM deliveries WHERE id IN (
    SELECT id FROM (
      SELECT id, sum(octet_length(call)) OVER (ORDER BY ended_at DESC, id DESC) AS bytes
      FROM deliveries WHERE endpoint = $1 AND state = $2) AS ended
    WHERE bytes > $3)`

const COUNTS = `SELECT (SELECT count(*) FROM delivery_queues WHERE endpoint = $1) AS pending,
  (SELECT count(*) FROM deliveries WHERE endpoint = $1 AND state = 'failed') AS failed,
  (SELECT count(*) FROM deliveries WHERE endpoint = $1 AND state = 'done') AS done`

/** How much there is of an endpoint. */
export interface EventCounts {
  /** Uploads with pending events. */
  readonly pending: number
  readonly failed: number
  readonly done: number
}

interface Row
  extends Pick<DeliveryView, 'id' | 'endpoint' | 'event' | 'uploadId' | 'state' | 'attempts' | 'lastError'> {
  readonly createdAt: Date
  readonly nextAt: Date | null
  readonly endedAt: Date | null
}

/** The events of all endpoints and nodes. Calls reject with SqlError, where they say nothing else. */
export class EventTable {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Keeps events, in their order; a second time changes nothing. */
  async add(events: readonly NewEvent[]): Promise<void> {
    const all = (field: keyof NewEvent): string[] => events.map((each) => each[field])
    await this.#sql.query(ADD, [
      ...[all('endpoint'), all('id'), all('uploadId')],
      ...[all('event'), all('createdAt'), all('call')],
    ])
  }

  /** See Deliveries. Rejects with storage_unavailable. */
  async list(state: DeliveryState, afterId: string | undefined, limit: number): Promise<DeliveryPage> {
    const rows = await this.#rows(state, afterId?.replaceAll('\0', ''), limit + 1).catch(unavailable)
    const deliveries = rows.slice(0, limit).map(viewOf)
    return { deliveries, next: rows.length > limit ? (deliveries.at(-1)?.id ?? null) : null }
  }

  /** See Deliveries. Rejects with storage_unavailable. */
  async resend(id: string): Promise<DeliveryView | undefined> {
    const { rows } = await this.#sql.query<Row>(RESEND, [id]).catch(unavailable)
    // The query sees the row as it was before.
    return rows[0] && viewOf({ ...rows[0], state: 'pending', ...(rows[0].endedAt && BEGUN_AGAIN) })
  }

  /** Removes the oldest of an endpoint's events that are over, beyond so many bytes of the newest. */
  async purge(endpoint: string, state: 'failed' | 'done', mostBytes: number): Promise<void> {
    await this.#sql.query(PURGE, [endpoint, state, mostBytes])
  }

  /** How much there is of an endpoint, of all nodes. */
  async counts(endpoint: string): Promise<EventCounts | undefined> {
    return (await this.#sql.query<EventCounts>(COUNTS, [endpoint])).rows[0]
  }

  async #rows(state: DeliveryState, afterId: string | undefined, most: number): Promise<readonly Row[]> {
    if (state === 'pending') return (await this.#sql.query<Row>(PENDING, [afterId ?? '', most])).rows
    if (afterId === undefined) return (await this.#sql.query<Row>(NEWEST, [state, most])).rows
    return (await this.#sql.query<Row>(NEWEST_BEFORE, [state, most, afterId])).rows
  }
}

function unavailable(cause: unknown): never {
  throw new UploadError('storage_unavailable', { cause })
}

const BEGUN_AGAIN = { attempts: 0, nextAt: null, endedAt: null }

function viewOf({ createdAt, nextAt, endedAt, state, ...row }: Row): DeliveryView {
  const pendingSince = state === 'pending' ? (nextAt ?? createdAt).toISOString() : null
  return {
    ...{ ...row, state, createdAt: createdAt.toISOString(), nextAttemptAt: pendingSince },
    deliveredAt: state === 'done' && endedAt ? endedAt.toISOString() : null,
  }
}
