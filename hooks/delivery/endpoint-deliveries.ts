import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { HookCall, HookEndpoint, TellingEvent } from '../../server/model/hook.js'
import type { Log } from '../../server/model/log.js'
import { createDeliveryId, type Delivery, uploadOfDelivery } from './delivery.js'
import { EndpointQueue, type QueueLimits } from './endpoint-queue.js'
import { History } from './history.js'
import type { MemoryBudget } from './memory-budget.js'
import { ProgressNotices } from './progress-notices.js'
import { Spool } from './spool.js'
import { confirmedLine, newLine } from './spool-lines.js'
import { Teller } from './teller.js'
import { walkSpool } from './walk.js'

export interface DeliveryTools {
  /** Where what is undelivered is kept: `<data folder>/deliveries`. */
  readonly folder: string
  /** Tells by its files whether an upload is finished. Rejects where they cannot be read now. */
  readonly isFinished: (uploadId: string) => Promise<boolean>
  /** An endpoint asks to end an upload and to remove it. Never throws. */
  readonly stopUpload: (uploadId: string) => void
  /** Flushes a folder; null where nothing has to survive the loss of power. */
  readonly flushFolder: ((folder: string) => Promise<void>) | null
  /** Between two `post-receive` of one upload. */
  readonly progressIntervalMs: number
  /** Limited in rate: clients can cause its lines. */
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface DeliveryLimits extends QueueLimits {
  /** Calls that are on their way to the disk, of all endpoints together. */
  readonly memoryBytes: number
  /** Of each of two files with deliveries that are done, and of each of two with those that failed for good. */
  readonly doneBytes: number
  readonly failedBytes: number
  /** Between two walks over the disk, at least. */
  readonly walkPauseMs: number
}

interface SharedTools extends DeliveryTools {
  readonly limits: DeliveryLimits
  readonly scheduleMs: readonly number[]
  readonly budget: MemoryBudget
  readonly randomHex: () => string
  readonly isFinishing: (uploadId: string) => boolean
}

/** What one endpoint is told, from the call to the disk and from there to the endpoint. */
export class EndpointDeliveries {
  readonly #endpoint: HookEndpoint
  readonly #tools: SharedTools
  readonly #spool: Spool
  readonly #done: History
  readonly #failed: History
  readonly #progress: ProgressNotices
  readonly #teller: Teller
  readonly #queue: EndpointQueue
  #isWritingHeld = false

  private constructor(endpoint: HookEndpoint, tools: SharedTools, spool: Spool) {
    const { folder } = spool
    const { limits, progressIntervalMs, budget } = tools
    this.#endpoint = endpoint
    this.#tools = tools
    this.#spool = spool
    this.#done = new History({ folder, name: 'done', mostBytes: limits.doneBytes, headers: false })
    this.#failed = new History({ folder, name: 'failed', mostBytes: limits.failedBytes, headers: true })
    this.#progress = new ProgressNotices(progressIntervalMs, budget, (id) => this.#queue.wake(id))
    this.#teller = new Teller({ ...tools, endpoint })
    const [done, failed, progress, teller] = [this.#done, this.#failed, this.#progress, this.#teller]
    this.#queue = new EndpointQueue({ ...tools, name: endpoint.name, teller, spool, done, failed, progress })
  }

  /** Opens the endpoint's folder and begins to send what is in it. Rejects with the system's error. */
  static async open(endpoint: HookEndpoint, tools: SharedTools): Promise<EndpointDeliveries> {
    if (!/^[a-z0-9-]+$/.test(endpoint.name))
      throw new Error('the name of an endpoint is no word for a folder')
    const spool = await Spool.open(join(tools.folder, endpoint.name), tools.flushFolder)
    const opened = new EndpointDeliveries(endpoint, tools, spool)
    void opened.#send()
    return opened
  }

  get name(): string {
    return this.#endpoint.name
  }

  get isGone(): boolean {
    return this.#teller.goneReason !== null
  }

  /** Uploads with events that the endpoint does not have. */
  get pendingUploads(): number {
    return this.#spool.size
  }

  get spool(): Pick<Spool, 'ids' | 'look'> {
    return this.#spool
  }

  get failed(): Pick<History, 'count' | 'find' | 'newest'> {
    return this.#failed
  }

  get done(): Pick<History, 'find' | 'newest'> {
    return this.#done
  }

  listensTo(event: TellingEvent): boolean {
    return this.#endpoint.listensTo(event)
  }

  /** Replaces the notice of an upload's progress. */
  tellProgress(call: HookCall<TellingEvent>): void {
    this.#progress.put(call)
  }

  /** Keeps an event until the endpoint has it. One for which there is no memory is logged and lost. */
  tell(call: HookCall<TellingEvent>): void {
    const { now, randomHex, budget, log } = this.#tools
    const { id } = call.upload
    if (call.event !== 'post-create') this.#progress.forget(id)
    const createdAt = new Date(now()).toISOString()
    const line = newLine({ id: createDeliveryId(id, now(), randomHex()), createdAt, call })
    const bytes = Buffer.byteLength(line)
    if (!budget.take(bytes)) {
      log.error(
        { endpoint: this.name, event: call.event, id },
        'an event is lost: too many wait for the disk',
      )
      return
    }
    void this.#keep(id, line, () => budget.give(bytes))
  }

  /** Writes the line of a `post-finish` before the upload is finished. Rejects with the system's error. */
  async intend(uploadId: string, line: string): Promise<void> {
    this.#progress.forget(uploadId)
    await this.#spool.append(uploadId, line, { flushed: true })
  }

  /** Notes that the upload is finished. Without the line on the disk its files say so. Never rejects. */
  async confirm(uploadId: string, deliveryId: string): Promise<void> {
    this.#progress.forget(uploadId)
    await this.#note(uploadId, this.#spool.append(uploadId, confirmedLine(deliveryId)))
  }

  /** Notes that the upload could not be finished. Where that cannot be written its files say so. Never rejects. */
  async withdraw(uploadId: string, deliveryId: string): Promise<void> {
    await this.#note(uploadId, this.#spool.end(uploadId, [deliveryId]))
  }

  /** Has the events of an upload looked at now. */
  wake(uploadId: string): void {
    this.#queue.wake(uploadId)
  }

  /** Tries a delivery at once; undefined where there is none. Rejects with the system's error. */
  async resend(id: string): Promise<Delivery | undefined> {
    const uploadId = uploadOfDelivery(id)
    const found =
      (await this.#spool.look(uploadId)).find((each) => each.id === id && !each.ifFinished) ??
      (await this.#takeBack(uploadId, id))
    if (!found) return undefined
    this.#teller.resume()
    this.#queue.wake(uploadId, { extra: 'resend' })
    return found
  }

  /** Ends what runs, for at most `withinMs`. Never rejects. */
  async close(withinMs: number): Promise<void> {
    this.#progress.close()
    const ended = this.#queue.close().then(async () => {
      await this.#writeHeld()
      await Promise.all([this.#spool.idle(), this.#done.idle(), this.#failed.idle()])
    })
    const time = new AbortController()
    const late = pause(withinMs, undefined, { signal: time.signal }).catch(() => {})
    await Promise.race([ended, late])
    time.abort()
  }

  async #takeBack(uploadId: string, id: string): Promise<Delivery | undefined> {
    for (const history of [this.#failed, this.#done]) {
      const ended = await history.find(id)
      if (!ended) continue
      const again = { ...ended, attempts: 0 }
      // Written first: a crash between the two leaves it twice, not nowhere.
      await this.#spool.append(uploadId, newLine(again))
      await history.remove(id)
      return again
    }
    return undefined
  }

  async #keep(uploadId: string, line: string, written: () => void): Promise<void> {
    try {
      await this.#spool.keep(uploadId, line, written)
      this.#queue.wake(uploadId)
    } catch (error) {
      this.#tools.log.error(
        { err: error, endpoint: this.name, id: uploadId },
        'an event could not be written yet',
      )
      void this.#writeHeldLater()
    }
  }

  async #note(uploadId: string, noted: Promise<unknown>): Promise<void> {
    try {
      await noted
    } catch (error) {
      this.#tools.log.error(
        { err: error, endpoint: this.name, id: uploadId },
        'the end of a finish could not be noted',
      )
    }
  }

  /** One loop at a time: until every line is written, or the server ends. */
  async #writeHeldLater(): Promise<void> {
    if (this.#isWritingHeld) return
    this.#isWritingHeld = true
    while (this.#spool.heldIds.length > 0 && !this.#queue.isClosed) {
      await pause(this.#tools.limits.faultPauseMs, undefined, { ref: false })
      await this.#writeHeld()
    }
    this.#isWritingHeld = false
  }

  async #writeHeld(): Promise<void> {
    try {
      for (const uploadId of this.#spool.heldIds) {
        await this.#spool.writeHeld(uploadId)
        this.#queue.wake(uploadId)
      }
    } catch (error) {
      this.#tools.log.error({ err: error, endpoint: this.name }, 'events could not be written yet')
    }
  }

  /** Sends what the spool has, and walks over it until the server ends. */
  async #send(): Promise<void> {
    const { log, now, limits } = this.#tools
    const [queue, spool] = [this.#queue, this.#spool]
    const steps = [
      () => spool.count(),
      () => this.#done.open(),
      () => this.#failed.open(),
      async () => queue.open(),
      () => walkSpool({ queue, spool, now, pauseMs: limits.walkPauseMs }),
    ]
    for (let step = steps.shift(); step && !queue.isClosed; ) {
      try {
        await step()
        step = steps.shift()
      } catch (error) {
        log.error({ err: error, endpoint: this.name }, 'the folder of deliveries cannot be read')
        await pause(limits.faultPauseMs, undefined, { ref: false })
      }
    }
  }
}
