import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { HookCall, HookEndpoint, TellingEvent } from '../../server/model/hook.js'
import { createDeliveryId, type DeliveryState, type DeliveryView } from './delivery.js'
import { type DeliveryLimits, type DeliveryTools, EndpointDeliveries } from './endpoint-deliveries.js'
import { type DeliveryPage, pageOf, viewOfPending } from './listing.js'
import { MemoryBudget } from './memory-budget.js'
import { SCHEDULE_MS } from './schedule.js'

export interface DeliveriesOptions extends DeliveryTools {
  readonly endpoints: readonly HookEndpoint[]
  /** How long each try waits after the one before it. */
  readonly scheduleMs?: readonly number[]
  readonly limits?: Partial<DeliveryLimits>
}

const MEBIBYTE = 1024 * 1024
const LIMITS: DeliveryLimits = {
  uploads: 1024,
  places: 64,
  retryPlaces: 48,
  walkPauseMs: 5_000,
  faultPauseMs: 5_000,
  memoryBytes: 4 * MEBIBYTE,
  finishes: 128,
  flushPauseMs: 1_000,
  doneBytes: MEBIBYTE,
  failedBytes: 8 * MEBIBYTE,
}

/** What `GET /api/status` shows. */
export interface DeliveryNumbers {
  /** Uploads with events that an endpoint does not have yet. */
  readonly pending: number
  /** Deliveries that are not tried any more. */
  readonly failed: number
  /** The endpoints that answered 410. */
  readonly stopped: readonly string[]
}

/** Tells endpoints what happened to uploads; see README.md for what holds. */
export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #endpoints: readonly EndpointDeliveries[]
  /** Uploads that this process is finishing. */
  readonly #finishing = new Map<string, Finish>()
  /** Uploads that are finished, and the writing of their events. */
  readonly #writing = new Map<string, Promise<unknown>>()

  private constructor(options: DeliveriesOptions, endpoints: readonly EndpointDeliveries[]) {
    this.#options = options
    this.#endpoints = endpoints
  }

  /** Opens the folder and sends what is in it, in the background. Rejects with the system's error. */
  static async start(options: DeliveriesOptions): Promise<Deliveries> {
    const { folder, flushFolder, scheduleMs = SCHEDULE_MS } = options
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await flushFolder?.(dirname(folder))
    const limits = { ...LIMITS, ...options.limits }
    const budget = new MemoryBudget(limits.memoryBytes)
    const shared = { ...options, limits, scheduleMs, budget, randomHex }
    const opened = options.endpoints.map((endpoint) => EndpointDeliveries.open(endpoint, shared))
    return new Deliveries(options, await Promise.all(opened))
  }

  /** Tells whether an endpoint listens to an event; where none does nothing needs to be prepared for it. */
  listensTo(event: TellingEvent): boolean {
    return this.#endpoints.some((each) => each.listensTo(event))
  }

  /** Sends an event to every endpoint that listens to it. Never waits and never throws. */
  notify(call: HookCall<TellingEvent>): void {
    for (const each of this.#listeners(call.event)) {
      if (call.event === 'post-receive') each.notifyProgress(call)
      else each.notify(call)
    }
  }

  /**
   * Begins what `intend` waits for, because the upload will probably be finished soon: `intend` or `withdraw` must
   * follow. Never waits and never throws.
   */
  expect(uploadId: string): void {
    const hasRoom = this.#endpoints.every(({ finishes }) => finishes.hasRoom)
    if (hasRoom && !this.#finishing.has(uploadId)) this.#begin(uploadId)
  }

  /** What was expected did not come. Never waits and never throws. */
  withdraw(uploadId: string): void {
    if (this.#finishing.get(uploadId)?.isIntended === false) this.forget(uploadId)
  }

  /**
   * Marks on the disk that an upload is being finished, before its files say that it is: so its `post-finish` is
   * delivered whatever crashes afterwards, if and only if the upload is finished then. `confirm`, `failed` or `forget`
   * must follow. Rejects with the error of the disk; then it is as if it had not been called.
   */
  async intend(uploadId: string): Promise<void> {
    const finish = this.#finishing.get(uploadId) ?? this.#begin(uploadId)
    const marked = await Promise.allSettled(finish.marks.map(({ mark }) => mark))
    finish.isIntended = true
    const failed = marked.find((each) => each.status === 'rejected')
    if (!failed) return
    this.forget(uploadId)
    throw failed.reason
  }

  /** The upload is finished: its event goes out; false where that was not intended. Never waits and never throws. */
  confirm(call: HookCall<'post-finish'>): boolean {
    const { id } = call.upload
    const finish = this.#finishing.get(id)
    if (!finish?.isIntended) return false
    this.#finishing.delete(id)
    // `intend` has seen that the marks are set.
    const written = finish.marks.map(async ({ endpoint, deliveryId, mark }) =>
      endpoint.notifyFinished(call, deliveryId, await mark),
    )
    const all = Promise.allSettled(written).finally(() => this.#writing.delete(id))
    this.#writing.set(id, all)
    return true
  }

  /**
   * What was intended failed. Where the files say that the upload is finished all the same, or cannot be read, its
   * marks stay: the next try goes on with them, or the next start. Never rejects.
   */
  async failed(uploadId: string): Promise<void> {
    const finished = await this.#options.finished(uploadId).catch(() => undefined)
    if (finished === null) this.forget(uploadId)
  }

  /** The upload is not finished any more: it was removed, or has fallen back. Never waits and never throws. */
  forget(uploadId: string): void {
    const finish = this.#finishing.get(uploadId)
    this.#finishing.delete(uploadId)
    for (const { endpoint, mark } of finish?.marks ?? []) endpoint.finishes.unmarkLater(mark)
  }

  /**
   * Resolves once the event of an upload's finish is on the disk, or waits in memory because the disk takes nothing.
   * Before that nothing but the upload's files says that there is one. Never rejects.
   */
  async written(uploadId: string): Promise<void> {
    await this.#writing.get(uploadId)
    await Promise.all(this.#endpoints.map(({ finishes }) => finishes.flushed(uploadId)))
  }

  /**
   * A page of deliveries: pending ones by their ids, which sort by the days of their uploads; others the latest first.
   * `next` is the `afterId` of the next page. Rejects with the system's error.
   */
  async list(state: DeliveryState, afterId: string | undefined, limit: number): Promise<DeliveryPage> {
    return pageOf(this.#endpoints, state, { afterId, limit })
  }

  /** Tries a delivery again at once, under its id; undefined where there is none. Rejects with the system's error. */
  async resend(id: string): Promise<DeliveryView | undefined> {
    for (const each of this.#endpoints) {
      const found = await each.resend(id)
      if (found) return viewOfPending(each.name, found)
    }
    return undefined
  }

  get numbers(): DeliveryNumbers {
    const sum = (numberOf: (each: EndpointDeliveries) => number): number =>
      this.#endpoints.reduce((total, each) => total + numberOf(each), 0)
    return {
      pending: sum((each) => each.pendingUploads),
      failed: sum((each) => each.failed.count),
      stopped: this.#endpoints.filter((each) => each.isGone).map((each) => each.name),
    }
  }

  /** Ends what runs, for at most `withinMs`. What no endpoint has then stays on the disk. Never rejects. */
  async close(withinMs: number): Promise<void> {
    await Promise.all(this.#endpoints.map((each) => each.close(withinMs)))
  }

  #begin(uploadId: string): Finish {
    const createdAtMs = this.#options.now()
    const marks = this.#listeners('post-finish').map((endpoint) => {
      const deliveryId = createDeliveryId(uploadId, createdAtMs, randomHex())
      const mark = endpoint.finishes.mark(deliveryId)
      // It is looked at by `intend`, which may come later.
      mark.catch(() => {})
      return { endpoint, deliveryId, mark }
    })
    const finish = { marks, isIntended: false }
    this.#finishing.set(uploadId, finish)
    return finish
  }

  #listeners(event: TellingEvent): EndpointDeliveries[] {
    return this.#endpoints.filter((each) => each.listensTo(event))
  }
}

/** The deliveries that wait for a finish, and their marks on the disk. */
interface Finish {
  readonly marks: readonly {
    readonly endpoint: EndpointDeliveries
    readonly deliveryId: string
    readonly mark: Promise<number>
  }[]
  /** The marks are set, and the upload's files may say that it is finished. */
  isIntended: boolean
}

function randomHex(): string {
  return randomBytes(4).toString('hex')
}
