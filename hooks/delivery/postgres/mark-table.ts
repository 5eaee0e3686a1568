import type { Sql } from '../../../server/model/sql.js'

/** The mark of a delivery that is due once its upload is finished. */
export interface Mark {
  readonly endpoint: string
  readonly uploadId: string
  /** The delivery's id. */
  readonly id: string
}

/** A mark whose node has died, or gave it up. */
export interface LeftMark extends Mark {
  /** Its upload was not finished for so long that nobody will finish it with this mark. */
  readonly isOld: boolean
}

/** An upload has one mark for each endpoint: who tries to finish it again takes over the mark that is there, with its id. */
const SET = `INSERT INTO delivery_marks (endpoint, upload, id, node, claim)
  SELECT endpoint, $2, id, (SELECT nodes.id FROM nodes WHERE nodes.id = $4), $5
  FROM unnest($1::text[], $3::text[]) AS given (endpoint, id) ORDER BY endpoint
  ON CONFLICT (endpoint, upload) DO UPDATE
    SET node = excluded.node, claim = excluded.claim, marked_at = clock_timestamp()
  RETURNING endpoint, id`

const CLEAR = 'DELETE FROM delivery_marks WHERE endpoint = ANY ($1) AND upload = $2 AND claim = $3'

const GIVE_UP = `UPDATE delivery_marks SET node = NULL, check_at = clock_timestamp()
  WHERE endpoint = ANY ($1) AND upload = $2 AND claim = $3`

/** `check_at` keeps other nodes from the same work; its id keeps a delivery from being added twice. */
const TAKE_LEFT = `UPDATE delivery_marks AS mark
  SET check_at = clock_timestamp() + make_interval(secs => $2::double precision / 1000)
  FROM (
    SELECT endpoint, upload FROM delivery_marks
    WHERE endpoint = ANY ($1) AND node IS NULL AND check_at <= statement_timestamp()
    ORDER BY check_at LIMIT $3 FOR UPDATE SKIP LOCKED
  ) AS left_over
  WHERE mark.endpoint = left_over.endpoint AND mark.upload = left_over.upload
  RETURNING mark.endpoint, mark.upload AS "uploadId", mark.id,
    mark.marked_at < clock_timestamp() - interval '1 day' AS "isOld"`

const OF_UPLOAD = `SELECT endpoint, upload AS "uploadId", id FROM delivery_marks
  WHERE endpoint = ANY ($1) AND upload = $2`

const DROP_LEFT =
  'DELETE FROM delivery_marks WHERE endpoint = $1 AND upload = $2 AND id = $3 AND node IS NULL'

/** Which uploads are being finished, on any node. Every call rejects with SqlError. */
export class MarkTable {
  readonly #sql: Sql
  readonly #endpoints: readonly string[]

  /** `endpoints` are those of this node. */
  constructor(sql: Sql, endpoints: readonly string[]) {
    this.#sql = sql
    this.#endpoints = endpoints
  }

  /** Marks an upload under a claim; gives the marks, which may have been there before. */
  async set(
    uploadId: string,
    claim: string,
    node: string | undefined,
    ids: readonly Omit<Mark, 'uploadId'>[],
  ): Promise<readonly Mark[]> {
    const endpoints = ids.map(({ endpoint }) => endpoint)
    const { rows } = await this.#sql.query<Omit<Mark, 'uploadId'>>(SET, [
      ...[endpoints, uploadId, ids.map(({ id }) => id), node ?? null, claim],
    ])
    return rows.map((row) => ({ ...row, uploadId }))
  }

  /** Takes the marks of a claim away. */
  async clear(uploadId: string, claim: string): Promise<void> {
    await this.#sql.query(CLEAR, [this.#endpoints, uploadId, claim])
  }

  /** Leaves the marks of a claim to whoever looks at what is stored of the upload. */
  async giveUp(uploadId: string, claim: string): Promise<void> {
    await this.#sql.query(GIVE_UP, [this.#endpoints, uploadId, claim])
  }

  /** Marks that no node has and that are to be looked at; each is given again after `againMs` while it is there. */
  async takeLeft(againMs: number, most: number): Promise<readonly LeftMark[]> {
    return (await this.#sql.query<LeftMark>(TAKE_LEFT, [this.#endpoints, againMs, most])).rows
  }

  /** The marks of an upload. */
  async ofUpload(uploadId: string): Promise<readonly Mark[]> {
    return (await this.#sql.query<Mark>(OF_UPLOAD, [this.#endpoints, uploadId])).rows
  }

  /** Takes a mark away that no node has. */
  async dropLeft({ endpoint, uploadId, id }: Mark): Promise<void> {
    await this.#sql.query(DROP_LEFT, [endpoint, uploadId, id])
  }
}
