import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { HookCall, HookEndpoint, TellingEvent } from '../../server/model/hook.js'
import type { DeliveryTools } from './deliveries.js'
import { createDeliveryId, createdAtOf, type Delivery, uploadOfDelivery } from './delivery.js'
import { EndpointQueue, type QueueLimits } from './endpoint-queue.js'
import { FinishKeeper } from './finish-keeper.js'
import { FinishMarks } from './finish-marks.js'
import { History } from './history.js'
import type { MemoryBudget } from './memory-budget.js'
import { Notifier } from './notifier.js'
import { ProgressNotices } from './progress-notices.js'
import { recoverFinishes } from './recover-finishes.js'
import { Spool } from './spool.js'
import { finishLine, newLine } from './spool-lines.js'
import { walkSpool } from './walk.js'

export interface FileDeliveryTools extends DeliveryTools {
  /** Where what is undelivered is kept: `<data folder>/deliveries`. */
  readonly folder: string
  /** Flushes a folder; null where nothing has to survive the loss of power. */
  readonly flushFolder: ((folder: string) => Promise<void>) | null
}

export interface DeliveryLimits extends QueueLimits {
  /** Calls that are on their way to the disk, of all endpoints together. */
  readonly memoryBytes: number
  /** Uploads that are finished at once; others wait. */
  readonly finishes: number
  /** How long the event of a finish waits to be flushed; a quarter of the finishes do not. */
  readonly flushPauseMs: number
  /** Of each of two files with deliveries that are done, and of each of two with those that failed for good. */
  readonly doneBytes: number
  readonly failedBytes: number
  /** Between two walks over the disk, at least. */
  readonly walkPauseMs: number
}

interface SharedTools extends FileDeliveryTools {
  readonly limits: DeliveryLimits
  readonly scheduleMs: readonly number[]
  readonly budget: MemoryBudget
  readonly randomHex: () => string
}

/** The events of one endpoint, from the call to the disk and from there to the endpoint. */
export class EndpointDeliveries {
  readonly #endpoint: HookEndpoint
  readonly #tools: SharedTools
  readonly #spool: Spool
  readonly #marks: FinishMarks
  /** The marks of uploads that are being finished. */
  readonly finishes: FinishKeeper
  readonly #done: History
  readonly #failed: History
  readonly #progress: ProgressNotices
  readonly #notifier: Notifier
  readonly #queue: EndpointQueue
  #isWritingHeld = false

  private constructor(endpoint: HookEndpoint, tools: SharedTools, spool: Spool, marks: FinishMarks) {
    const { folder } = spool
    const { limits, progressIntervalMs, budget } = tools
    this.#endpoint = endpoint
    this.#tools = tools
    this.#spool = spool
    this.#marks = marks
    this.#done = new History({ folder, name: 'done', mostBytes: limits.doneBytes, headers: false })
    this.#failed = new History({ folder, name: 'failed', mostBytes: limits.failedBytes, headers: true })
    this.#progress = new ProgressNotices(progressIntervalMs, budget, (id) => this.#queue.wake(id))
    this.#notifier = new Notifier({ ...tools, endpoint })
    const mostUnflushed = limits.finishes / 4
    this.finishes = new FinishKeeper({
      ...{ ...tools, name: endpoint.name, marks, spool },
      limits: { ...limits, mostUnflushed },
    })
    const [done, failed, progress, notifier] = [this.#done, this.#failed, this.#progress, this.#notifier]
    this.#queue = new EndpointQueue({
      ...tools,
      name: endpoint.name,
      notifier,
      spool,
      done,
      failed,
      progress,
    })
  }

  /** Opens the endpoint's folder and begins to send what is in it. Rejects with the system's error. */
  static async open(endpoint: HookEndpoint, tools: SharedTools): Promise<EndpointDeliveries> {
    if (!/^[a-z0-9-]+$/.test(endpoint.name))
      throw new Error('the name of an endpoint is no word for a folder')
    const { folder, flushFolder, limits } = tools
    const spool = await Spool.open(join(folder, endpoint.name), flushFolder)
    const marks = await FinishMarks.open(spool.folder, limits.finishes, flushFolder)
    const opened = new EndpointDeliveries(endpoint, tools, spool, marks)
    // Before a client can remove one of these uploads. What cannot be read now is asked again in the background.
    await opened.#recover()
    void opened.#send()
    return opened
  }

  get name(): string {
    return this.#endpoint.name
  }

  get isGone(): boolean {
    return this.#notifier.goneReason !== null
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
  notifyProgress(call: HookCall<TellingEvent>): void {
    this.#progress.put(call)
  }

  /** Keeps an event until the endpoint has it. One for which there is no memory is logged and lost. */
  notify(call: HookCall<TellingEvent>): void {
    const { now, randomHex, budget, log } = this.#tools
    const { id } = call.upload
    if (call.event !== 'post-create') this.#progress.forget(id)
    const deliveryId = createDeliveryId(id, now(), randomHex())
    const line = newLine({ id: deliveryId, createdAt: createdAtOf(deliveryId), call })
    const bytes = Buffer.byteLength(line)
    if (!budget.take(bytes)) {
      log.error(
        { endpoint: this.name, event: call.event, id },
        'an event is lost: too many wait for the disk',
      )
      return
    }
    void this.#keep(id, { line, written: () => budget.give(bytes) })
  }

  /** The upload is finished: keeps the event, in whose place its mark stands until it is written. Never rejects. */
  notifyFinished(call: HookCall<'post-finish'>, deliveryId: string, mark: number): Promise<void> {
    this.#progress.forget(call.upload.id)
    const { id } = call.upload
    const line = finishLine(deliveryId, call)
    return this.#keep(id, { line, written: () => this.finishes.written(id, mark) })
  }

  /** Tries a delivery at once; undefined where there is none. Rejects with the system's error. */
  async resend(id: string): Promise<Delivery | undefined> {
    const uploadId = uploadOfDelivery(id)
    const found =
      (await this.#spool.look(uploadId)).find((each) => each.id === id) ??
      (await this.#takeBack(uploadId, id))
    if (!found) return undefined
    this.#notifier.resume()
    this.#queue.wake(uploadId, { extra: 'resend' })
    return found
  }

  /** Ends what runs, for at most `withinMs`. Never rejects. */
  async close(withinMs: number): Promise<void> {
    this.#progress.close()
    const ended = this.#queue.close().then(async () => {
      await this.#writeHeld()
      await Promise.all([this.#spool.idle(), this.#done.idle(), this.#failed.idle(), this.finishes.idle()])
    })
    const time = new AbortController()
    const late = pause(withinMs, undefined, { signal: time.signal }).catch(() => {})
    await Promise.race([ended, late])
    time.abort()
    this.finishes.close()
    this.#spool.close()
    await this.#marks.close().catch(() => {})
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

  async #keep(uploadId: string, kept: Parameters<Spool['keep']>[1]): Promise<void> {
    try {
      await this.#spool.keep(uploadId, kept)
      this.#queue.wake(uploadId)
    } catch (error) {
      this.finishes.fail(error)
      const fields = { err: error, endpoint: this.name, id: uploadId }
      this.#tools.log.error(fields, 'an event could not be written yet')
      void this.#writeHeldLater()
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

  #recover(): Promise<void> {
    const { finished, log, limits } = this.#tools
    return recoverFinishes({
      ...{ left: this.#marks.left, finishes: this.finishes, spool: this.#spool, queue: this.#queue },
      ...{ histories: [this.#done, this.#failed], finished, log, pauseMs: limits.faultPauseMs },
      keep: (uploadId, kept) => this.#keep(uploadId, kept),
    })
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
