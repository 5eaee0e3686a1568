import { UploadError } from '../server/errors.js'
import { Later } from '../server/model/later.js'
import type { Log } from '../server/model/log.js'
import { Once } from '../server/model/once.js'
import type { Sql } from '../server/model/sql.js'

/** The steps of the schema, as `Sql.migrate` takes them. */
const STEPS: readonly string[] = [
  `CREATE TABLE owner_days (
     day date NOT NULL,
     owner text COLLATE "C" NOT NULL,
     bytes bigint NOT NULL,
     PRIMARY KEY (day, owner)
   ) WITH (fillfactor = 50);`,
]

const TODAY = `(clock_timestamp() AT TIME ZONE 'UTC')::date`

/** The row of the owner counts: of two who ask at once, the second one sees what the first has reserved. */
const RESERVE = `INSERT INTO owner_days AS known (day, owner, bytes) SELECT ${TODAY}, $1, $2::bigint
  WHERE $3::bigint <= $4::bigint
  ON CONFLICT (day, owner) DO UPDATE SET bytes = known.bytes + excluded.bytes
    WHERE known.bytes < $4::bigint AND known.bytes + $3::bigint <= $4::bigint
  RETURNING to_char(day, 'YYYY-MM-DD') AS day`

const CORRECT = `UPDATE owner_days SET bytes = greatest(0, bytes + $3::bigint) WHERE day = $1::date AND owner = $2`

const PURGE = `DELETE FROM owner_days WHERE day < ${TODAY} - 1`

/**
 * The bytes that each owner has sent today (UTC, by PostgreSQL's clock), on all nodes together. What a request announces
 * is counted from its beginning, so the limit holds exactly; of a node that dies it stays counted that day.
 */
export class SharedDayBytes {
  readonly #limitBytes: number
  readonly #sql: Sql
  readonly #log: Pick<Log, 'error'>
  readonly #migrated: Once<number>
  readonly #later = new Later()
  /** The day on which rows of earlier days were last removed. */
  #purgedOn = ''

  constructor(limitBytes: number, sql: Sql, log: Pick<Log, 'error'>) {
    this.#limitBytes = limitBytes
    this.#sql = sql
    this.#migrated = new Once(() => sql.migrate('owner_days', STEPS))
    this.#log = log
  }

  /** As `reserve` of DayBytes. Rejects also with storage_unavailable. Bytes count for the day on which their request began. */
  async reserve(
    owner: string,
    bodyBytes: number,
    uploadBytes: number,
  ): Promise<(storedBytes: number) => void> {
    const day = await this.#reserve(owner, bodyBytes, Math.max(bodyBytes, uploadBytes))
    if (day === undefined) throw new UploadError('owner_bytes_used')
    this.#purge(day)
    return (storedBytes) => this.#correct(day, owner, storedBytes - bodyBytes)
  }

  async #reserve(owner: string, bodyBytes: number, mostBytes: number): Promise<string | undefined> {
    try {
      await this.#migrated.done()
      const { rows } = await this.#sql.query<{ day: string }>(RESERVE, [
        ...[owner, bodyBytes, mostBytes, this.#limitBytes],
      ])
      return rows[0]?.day
    } catch (error) {
      throw new UploadError('storage_unavailable', { cause: error })
    }
  }

  /** A try whose answer was lost may be counted twice: rather that than not at all. */
  #correct(day: string, owner: string, bytes: number): void {
    if (bytes === 0) return
    const correct = () => this.#sql.query(CORRECT, [day, owner, bytes])
    this.#later.do(correct, (error) => {
      this.#log.error({ err: error, owner, bytes }, "the bytes of an owner's day could not be counted")
    })
  }

  /** Removes earlier days, once a day and in the background. */
  #purge(day: string): void {
    if (day === this.#purgedOn) return
    this.#purgedOn = day
    this.#sql.query(PURGE).catch((error: unknown) => {
      this.#log.error({ err: error }, 'the bytes of earlier days could not be removed')
    })
  }
}
