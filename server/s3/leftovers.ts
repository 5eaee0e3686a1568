import { UploadError } from '../errors.js'
import type { Log } from '../model/log.js'
import { parseSidecar } from '../model/sidecar.js'
import type { S3Bucket } from './bucket.js'
import { isOneObject, type Kept, type Ledger } from './ledger.js'

/**
 * Younger leftovers may be a writer's that is about to record them, unless the upload is one object by now. An upload
 * that is not in the ledger may be another server's, with the wrong database.
 */
const LEFT_AFTER_MS = 24 * 3_600_000
const EVERY_MS = 600_000
const ASKED_AT_ONCE = 1_000

export interface LeftoversTools {
  readonly bucket: S3Bucket
  readonly ledger: Pick<Ledger, 'findAll'>
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

  /** Looks for them now, and then every ten minutes. */
  start(): void {
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (!this.#isEnded) this.#timer = setTimeout(() => this.start(), EVERY_MS).unref()
    })
  }

  /** Ends what runs, after the call to S3 that is under way. Never rejects. */
  async end(): Promise<void> {
    this.#isEnded = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /**
   * Removes those of uploads that are one object, and others that are older than a day, or than `ageMs`. Rejects as the
   * bucket and the ledger do.
   */
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
      if (this.#isEnded) return
      const isAway = error instanceof UploadError && error.code === 'storage_unavailable'
      log.warn({ err: isAway ? error.message : error }, 'leftovers in the bucket could not be removed')
    }
  }

  async #abortMultiparts(before: number): Promise<number> {
    const { bucket, prefix } = this.#tools
    let aborted = 0
    for await (const page of pagesOf(bucket.multiparts(`${prefix}uploads/`))) {
      const known = await this.#known(page.map(({ key }) => nameOf(key)))
      for (const { key, id, begunAtMs } of page) {
        if (this.#isEnded) return aborted
        const kept = known.get(nameOf(key))
        if (kept?.multipart?.id === id || (begunAtMs > before && !isOver(kept))) continue
        await bucket.abort(key, id)
        aborted += 1
      }
    }
    return aborted
  }

  async #removeTails(before: number): Promise<number> {
    const { bucket, tails } = this.#tools
    let removed = 0
    for await (const page of pagesOf(bucket.objects(tails))) {
      if (this.#isEnded) return removed
      const known = await this.#known(page.map(({ key }) => idOfTail(key)))
      const left = page.filter(({ key, madeAtMs }) => {
        const kept = known.get(idOfTail(key))
        return !kept?.tails.some((tail) => tail.key === key) && (madeAtMs <= before || isOver(kept))
      })
      if (left.length === 0) continue
      await bucket.remove(left.map(({ key }) => key))
      removed += left.length
    }
    return removed
  }

  async #known(ids: readonly string[]): Promise<ReadonlyMap<string, Kept>> {
    const found = await this.#tools.ledger.findAll([...new Set(ids)])
    return new Map(found.map((kept) => [kept.id, kept]))
  }
}

/** Nobody will ever need anything else of it. */
function isOver(kept: Kept | undefined): boolean {
  return kept !== undefined && isOneObject(kept, parseSidecar(kept.facts, kept.id)?.length ?? null)
}

async function* pagesOf<T>(all: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let page: T[] = []
  for await (const each of all) {
    page.push(each)
    if (page.length < ASKED_AT_ONCE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

function idOfTail(key: string): string {
  return nameOf(key.slice(0, key.lastIndexOf('/')))
}

/** What stands behind the last slash. */
function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}
