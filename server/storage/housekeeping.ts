import type { StorageLog } from './tools.js'
import type { UploadRow } from './upload.js'

const MOST_BETWEEN_MS = 10 * 60_000
const LEAST_BETWEEN_MS = 250

export interface HousekeepingTools {
  readonly sweep: { run(): Promise<void> }
  readonly rows: () => AsyncIterable<UploadRow>
  readonly records: {
    readonly ready: Promise<unknown>
    purge(before: Date): Promise<number>
    reindex(
      rows: AsyncIterable<UploadRow>,
      isKept: (row: UploadRow) => Promise<boolean>,
    ): Promise<{ restored: number; removed: number }>
  }
  readonly isKept: (id: string) => Promise<boolean>
  readonly log: StorageLog
  readonly now: () => number
  readonly expireAfterMs: number
  readonly keepPartialsMs: number
}

/** What goes on in the background: a sweep at the start and by timer, the purge of old rows, the reindex. */
export class Housekeeping {
  readonly #tools: HousekeepingTools
  #running: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(tools: HousekeepingTools) {
    this.#tools = tools
  }

  /** Begins; nothing waits for it. */
  start(): void {
    const { expireAfterMs, keepPartialsMs } = this.#tools
    const shortestMs = Math.min(expireAfterMs, keepPartialsMs || expireAfterMs)
    const everyMs = Math.min(MOST_BETWEEN_MS, Math.max(LEAST_BETWEEN_MS, shortestMs / 4))
    this.#do('the sweep', () => this.#tools.sweep.run())
    this.#tools.records.ready.then(
      () => {
        // Once more: what the first walk found torn may need its record.
        this.#do('the sweep', () => this.#tools.sweep.run())
        this.reindex()
      },
      (error: unknown) => this.#tools.log.error({ err: error }, 'the index could not be opened'),
    )
    const again = (): void => {
      this.#do('the sweep', () => this.#tools.sweep.run())
      this.#do('the purge', () => this.#purge())
      this.#running.then(() => {
        if (!this.#closed) this.#timer = setTimeout(again, everyMs).unref()
      })
    }
    this.#timer = setTimeout(again, everyMs).unref()
  }

  /** Brings the index up to the sidecars: rows that a crash, a lock or a deletion kept out of it. */
  reindex(): void {
    this.#do('the reindex', async () => {
      const { rows, records, isKept, log } = this.#tools
      const { restored, removed } = await records.reindex(rows(), (row) => isKept(row.id))
      log.info({ restored, removed }, 'the index is up to date')
    })
  }

  /** Resolves when nothing runs any more; the sweep was told to stop. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  async #purge(): Promise<void> {
    const before = new Date(this.#tools.now() - this.#tools.expireAfterMs)
    const purged = await this.#tools.records.purge(before)
    if (purged > 0) this.#tools.log.info({ purged }, 'old rows were removed')
  }

  /** One after the other; what fails is logged and met again at the next time. */
  #do(name: string, work: () => Promise<void>): void {
    this.#running = this.#running.then(async () => {
      if (this.#closed) return
      try {
        await work()
      } catch (error) {
        this.#tools.log.warn({ err: error }, `${name} did not end well`)
      }
    })
  }
}
