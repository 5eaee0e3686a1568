import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { EndCause, Held } from '../model/cluster.js'
import { type Sql, SqlError } from '../model/sql.js'
import type { Lease } from './lease.js'

const RETRY_MS = 250
/** After this time PostgreSQL has ended every query that was given up. */
const QUERIES_END_WITHIN_MS = 6_000
/** The foreign key to the row of the node. */
const NO_SUCH_NODE = '23503'

/** One try to take something. */
export interface Claim {
  readonly id: string
  readonly node: string
}

/** What is held under a lease: it is taken by a claim, and given back by it, also where PostgreSQL's answer was lost. */
export class Claims {
  readonly #sql: Sql
  readonly #lease: Lease
  readonly #release: string

  /** @param release the query that gives back what a claim has, if anything; `$1` is the claim's id */
  constructor(sql: Sql, lease: Lease, release: string) {
    this.#sql = sql
    this.#lease = lease
    this.#release = release
  }

  /**
   * Tries once.
   *
   * @param take asks PostgreSQL; resolves with the token, or undefined where it is not free
   * @param end called when the holder must end
   * @throws SqlError (rejects)
   */
  async tryTake(
    take: (claim: Claim) => Promise<number | undefined>,
    end: (cause: EndCause) => void,
  ): Promise<Held | undefined> {
    const claim = { id: randomUUID(), node: await this.#lease.obtained() }
    let token: number | undefined
    try {
      token = await take(claim)
    } catch (error) {
      if (error instanceof SqlError && error.code === NO_SUCH_NODE) this.#lease.disown(claim.node)
      // PostgreSQL may have done it all the same, or do it yet.
      else if (!(error instanceof SqlError) || error.code === '' || error.problem === 'gone')
        void this.#undo(claim)
      throw error
    }
    if (token === undefined) return undefined
    const held = this.#held(claim, token, end)
    if (held.isValid) return held
    await held.release()
    return undefined
  }

  #held(claim: Claim, token: number, end: (cause: EndCause) => void): Held {
    const lease = this.#lease
    let released: Promise<void> | undefined
    const leave = lease.hold(end)
    return {
      token,
      get isValid() {
        return released === undefined && lease.id === claim.node
      },
      release: () => {
        leave()
        released ??= this.#giveBack(claim)
        return released
      },
    }
  }

  /** Resolves after the first try. Further ones follow until PostgreSQL has heard of it, or the lease is over. */
  async #giveBack(claim: Claim): Promise<void> {
    await this.#sql.query(this.#release, [claim.id]).catch(() => {
      void this.#giveBackLater(claim)
    })
  }

  /** Never rejects. */
  async #giveBackLater(claim: Claim): Promise<void> {
    while (this.#lease.id === claim.node) {
      await setTimeout(RETRY_MS)
      const isDone = await this.#sql.query(this.#release, [claim.id]).then(
        () => true,
        () => false,
      )
      if (isDone) return
    }
  }

  /** Never rejects. */
  async #undo(claim: Claim): Promise<void> {
    await this.#giveBackLater(claim)
    await setTimeout(QUERIES_END_WITHIN_MS, undefined, { ref: false })
    await this.#giveBackLater(claim)
  }
}

/** True where the same question may be answered a moment later. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof SqlError)) return false
  return ['gone', 'locked', 'slow'].includes(error.problem) || error.code === NO_SUCH_NODE
}
