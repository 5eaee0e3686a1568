import { UploadError } from '../errors.js'
import type { Log } from '../model/log.js'
import type { S3Bucket } from './bucket.js'
import type { Ledger } from './ledger.js'

/** Younger ones may be of a writer that has not written them down yet. */
const LEFT_AFTER_MS = 24 * 3_600_000
const EVERY_MS = 6 * 3_600_000
const REMOVED_AT_ONCE = 1_000

export interface LeftoversTools {
  readonly bucket: S3Bucket
  readonly ledger: Pick<Ledger, 'find'>
  readonly prefix: string
  /** What the keys of all tails begin with. */
  readonly tails: string
  /** Does `work` unless another node looks for leftovers now. */
  readonly unlessTaken: (work: () => Promise<void>) => Promise<void>
  readonly log: Pick<Log, 'info' | 'warn'>
  readonly now: () => number
}

/** Removes what crashes left in the bucket: multipart uploads and tails that the ledger does not know. */
export class Leftovers {
  readonly #tools: LeftoversTools
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isEnded = false

  constructor(tools: LeftoversTools) {
    this.#tools = tools
  }

  /** Looks for them now, and then every six hours. */
  start(): void {
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (!this.#isEnded) this.#timer = setTimeout(() => this.start(), EVERY_MS).unref()
    })
  }

  /** Ends what runs. */
  async end(): Promise<void> {
    this.#isEnded = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** Removes those that are older than a day, or than `ageMs`. Rejects as the bucket and the ledger do. */
  async remove(ageMs = LEFT_AFTER_MS): Promise<{ readonly multiparts: number; readonly tails: number }> {
    const before = this.#tools.now() - ageMs
    const multiparts = await this.#abortMultiparts(before)
    return { multiparts, tails: await this.#removeTails(before) }
  }

  async #run(): Promise<void> {
    const { log, unlessTaken } = this.#tools
    try {
      await unlessTaken(async () => {
        const removed = await this.remove()
        if (removed.multiparts + removed.tails > 0)
          log.info(removed, 'what crashes had left in the bucket was removed')
      })
    } catch (error) {
      const isAway = error instanceof UploadError && error.code === 'storage_unavailable'
      log.warn({ err: isAway ? error.message : error }, 'leftovers in the bucket could not be removed')
    }
  }

  async #abortMultiparts(before: number): Promise<number> {
    const { bucket, ledger, prefix } = this.#tools
    let aborted = 0
    for await (const { key, id, begunAtMs } of bucket.multiparts(`${prefix}uploads/`)) {
      if (this.#isEnded) return aborted
      if (begunAtMs > before) continue
      if ((await ledger.find(nameOf(key)))?.multipart?.id === id) continue
      await bucket.abort(key, id)
      aborted += 1
    }
    return aborted
  }

  async #removeTails(before: number): Promise<number> {
    const { bucket, ledger, tails } = this.#tools
    let [removed, left]: [number, string[]] = [0, []]
    for await (const { key, madeAtMs } of bucket.objects(tails)) {
      if (this.#isEnded) return removed
      if (madeAtMs > before) continue
      const id = nameOf(key.slice(0, key.lastIndexOf('/')))
      const kept = await ledger.find(id)
      if (kept?.tails.some((tail) => tail.key === key)) continue
      left.push(key)
      if (left.length < REMOVED_AT_ONCE) continue
      removed += left.length
      await bucket.remove(left)
      left = []
    }
    if (left.length > 0) await bucket.remove(left)
    return removed + left.length
  }
}

/** What stands behind the last slash. */
function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}
