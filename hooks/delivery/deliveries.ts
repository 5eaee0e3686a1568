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
    const hasRoom = this.#endpoints.every((each) => each.hasRoomToMark)
    if (hasRoom && !this.#finishing.has(uploadId)) this.#begin(uploadId)
  }

  /**
   * Marks on the disk that an upload is being finished, before its sidecar says that it is: so its `post-finish` is
   * delivered whatever crashes afterwards, if and only if the upload is finished then. Rejects with the error of the
   * disk; then it is as if it had not been called. `confirm` or `withdraw` must follow.
   */
  async intend(call: HookCall<'post-finish'>): Promise<void> {
    const { id } = call.upload
    const finish = this.#finishing.get(id) ?? this.#begin(id)
    const marked = await Promise.allSettled(finish.marks.map(({ mark }) => mark))
    finish.call = call
    const failed = marked.find((each) => each.status === 'rejected')
    if (!failed) return
    this.withdraw(id)
    throw failed.reason
  }

  /** The upload is finished: what was intended goes out. Never waits and never throws. */
  confirm(uploadId: string): void {
    const { marks = [], call = null } = this.#end(uploadId) ?? {}
    if (call === null) return
    // `intend` has seen that the marks are set.
    const written = marks.map(async ({ endpoint, deliveryId, mark }) =>
      endpoint.notifyFinished(call, deliveryId, await mark),
    )
    const all = Promise.allSettled(written).finally(() => this.#writing.delete(uploadId))
    this.#writing.set(uploadId, all)
  }

  /**
   * Resolves once the event of an upload's finish is on the disk, or waits in memory because the disk takes nothing.
   * Before that nothing but the upload's files says that there is one. Never rejects.
   */
  async written(uploadId: string): Promise<void> {
    await this.#writing.get(uploadId)
  }

  /** The upload could not be finished: what was intended is left out. Never waits and never throws. */
  withdraw(uploadId: string): void {
    for (const { endpoint, mark } of this.#end(uploadId)?.marks ?? [])
      void mark.then(
        (set) => endpoint.unmark(set),
        () => {},
      )
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
      const mark = endpoint.mark(deliveryId)
      // It is looked at by `intend`, which may come later.
      mark.catch(() => {})
      return { endpoint, deliveryId, mark }
    })
    const finish = { marks, call: null }
    this.#finishing.set(uploadId, finish)
    return finish
  }

  #end(uploadId: string): Finish | undefined {
    const finish = this.#finishing.get(uploadId)
    this.#finishing.delete(uploadId)
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
  call: HookCall<'post-finish'> | null
}

function randomHex(): string {
  return randomBytes(4).toString('hex')
}
