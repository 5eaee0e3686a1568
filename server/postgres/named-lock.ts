import { setTimeout as startTimer } from 'node:timers'
import type { Client } from 'pg'
import { sqlError } from './errors.js'
import { connectionSettings } from './settings.js'

const RETRY_MS = 1_000
/** A connection that the network has lost shows itself only when it is used. */
const ASK_EVERY_MS = 3_000
/** The first number of the lock: of PostgreSQL's two, this one is Lading's. */
const OURS = 0x1ad1

type Library = Pick<typeof import('pg'), 'Client' | 'types'>

/**
 * A lock of PostgreSQL's that one process has at a time, on a connection of its own: it is free again when the process
 * ends, however that happens. PgBouncer must give it a session.
 */
export class NamedLock {
  readonly #library: Library
  readonly #url: string
  readonly #name: string
  readonly #taken: () => void
  #client: Client | undefined
  #timer: NodeJS.Timeout | undefined
  #isEnded = false

  private constructor(library: Library, of: { url: string; name: string; taken: () => void }) {
    this.#library = library
    this.#url = of.url
    this.#name = of.name
    this.#taken = of.taken
  }

  /**
   * Takes a lock by its name; undefined where another process has it. A lock whose connection is lost is taken again.
   * `taken` is called where another process was quicker. Rejects with SqlError.
   */
  static async take(url: string, name: string, taken: () => void): Promise<NamedLock | undefined> {
    const { default: pg } = await import('pg')
    const lock = new NamedLock(pg, { url, name, taken })
    return (await lock.#connect()) ? lock : undefined
  }

  /** Gives the lock back. */
  async release(): Promise<void> {
    this.#isEnded = true
    clearTimeout(this.#timer)
    await this.#client?.end().catch(() => {})
  }

  async #connect(): Promise<boolean> {
    const client = new this.#library.Client(connectionSettings(this.#url, this.#library.types.getTypeParser))
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    try {
      await client.connect()
      const { rows } = await client.query<{ has: boolean }>(
        'SELECT pg_try_advisory_lock($1, hashtext($2)) AS has',
        [OURS, this.#name],
      )
      if (rows[0]?.has !== true) {
        await client.end()
        return false
      }
    } catch (error) {
      await client.end().catch(() => {})
      throw sqlError(error)
    }
    this.#client = client
    this.#askLater(client)
    return true
  }

  #askLater(client: Client): void {
    this.#timer = startTimer(() => {
      client.query('SELECT 1').then(
        () => {
          if (this.#client === client) this.#askLater(client)
        },
        () => this.#lost(client),
      )
    }, ASK_EVERY_MS).unref()
  }

  #lost(client: Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    clearTimeout(this.#timer)
    void client.end().catch(() => {})
    if (!this.#isEnded) this.#again()
  }

  #again(): void {
    this.#timer = startTimer(() => {
      this.#connect().then(
        (has) => {
          if (!has) this.#taken()
        },
        () => {
          if (!this.#isEnded) this.#again()
        },
      )
    }, RETRY_MS).unref()
  }
}
