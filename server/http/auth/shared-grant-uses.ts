import { UploadError } from '../../errors.js'
import type { Grant } from '../../model/grant.js'
import { Later } from '../../model/later.js'
import { Once } from '../../model/once.js'
import type { Sql } from '../../model/sql.js'
import { ACCESS_STEPS } from './access-schema.js'
import type { GrantUsesTools } from './grant-uses.js'

const PURGE_EVERY_MS = 3_600_000
/** After this time PostgreSQL has ended every query that was given up. */
const QUERIES_END_WITHIN_MS = 7_000

/** The row of the grant counts: of two who ask at once, the second one sees what the first has taken. */
const TAKE = `WITH counted AS (
    INSERT INTO grants AS known (id, used, expires_at) VALUES ($1, 1, to_timestamp($3))
    ON CONFLICT (id) DO UPDATE SET used = known.used + 1 WHERE known.used < $2
    RETURNING id
  )
  INSERT INTO grant_uses (grant_id, upload) SELECT id, $4 FROM counted`

const GIVE_BACK = `WITH given AS (
    DELETE FROM grant_uses WHERE grant_id = $1 AND upload = $2 RETURNING grant_id
  )
  UPDATE grants SET used = used - 1 FROM given WHERE id = given.grant_id`

/** One that ended just now may still be counted for a creation that came before. */
const PURGE = `DELETE FROM grants WHERE expires_at < clock_timestamp() - interval '1 hour'`

/**
 * Which uploads each grant has created, on any node: in PostgreSQL, so that all nodes together create no more than it
 * allows.
 */
export class SharedGrantUses {
  readonly #sql: Sql
  readonly #tools: GrantUsesTools
  readonly #migrated: Once<number>
  readonly #later = new Later()
  #purgedAtMs = Number.NEGATIVE_INFINITY

  constructor(sql: Sql, tools: GrantUsesTools) {
    this.#sql = sql
    this.#migrated = new Once(() => sql.migrate('access', ACCESS_STEPS))
    this.#tools = tools
  }

  /** Takes one of the uploads that a grant allows. Rejects with grant_used, and with storage_unavailable. */
  async take({ id, count, expiresAt }: Grant, uploadId: string): Promise<void> {
    if (count === null) return
    let changes: number
    try {
      await this.#migrated.done()
      changes = (await this.#sql.query(TAKE, [id, count, expiresAt, uploadId])).changes
    } catch (error) {
      // PostgreSQL may have done it all the same, or do it yet.
      this.#giveBackLater(id, uploadId, QUERIES_END_WITHIN_MS)
      throw new UploadError('storage_unavailable', { cause: error })
    }
    this.#purge()
    if (changes === 0) throw new UploadError('grant_used')
  }

  /** Gives one back, in the background. Does nothing where the upload has none. */
  giveBack(id: string, uploadId: string): void {
    this.#giveBackLater(id, uploadId, 0)
  }

  #giveBackLater(id: string, uploadId: string, afterMs: number): void {
    const giveBack = async (): Promise<void> => {
      await this.#migrated.done()
      await this.#sql.query(GIVE_BACK, [id, uploadId])
    }
    const lost = (error: unknown): void =>
      this.#tools.log.error({ err: error, id: uploadId }, 'the use of a grant could not be given back')
    this.#later.do(giveBack, lost, afterMs)
  }

  /** Removes grants whose time is over, at most once an hour, and in the background: there may be many. */
  #purge(): void {
    const nowMs = this.#tools.now()
    if (nowMs - this.#purgedAtMs < PURGE_EVERY_MS) return
    this.#purgedAtMs = nowMs
    this.#sql.query(PURGE).catch((error: unknown) => {
      this.#tools.log.error({ err: error }, 'grants whose time is over could not be removed')
    })
  }
}
