import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { HookCall, HookEndpoint, TellingEvent } from '../../server/model/hook.js'
import { createDeliveryId, type DeliveryState, type DeliveryView } from './delivery.js'
import { type DeliveryLimits, type DeliveryTools, EndpointDeliveries } from './endpoint-deliveries.js'
import { type DeliveryPage, pageOf, viewOfPending } from './listing.js'
import { MemoryBudget } from './memory-budget.js'
import { SCHEDULE_MS } from './schedule.js'
import { newLine } from './spool-lines.js'

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
  /** Uploads that this process is finishing, and the deliveries that wait for it. */
  readonly #finishing: Map<string, Finishing>

  private constructor(
    options: DeliveriesOptions,
    endpoints: readonly EndpointDeliveries[],
    finishing: Map<string, Finishing>,
  ) {
    this.#options = options
    this.#endpoints = endpoints
    this.#finishing = finishing
  }

  /** Opens the folder and sends what is in it, in the background. Rejects with the system's error. */
  static async start(options: DeliveriesOptions): Promise<Deliveries> {
    const { folder, flushFolder, scheduleMs = SCHEDULE_MS } = options
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await flushFolder?.(dirname(folder))
    const limits = { ...LIMITS, ...options.limits }
    const budget = new MemoryBudget(limits.memoryBytes)
    const finishing = new Map<string, Finishing>()
    const shared = {
      ...{ ...options, limits, scheduleMs, budget, randomHex },
      isFinishing: (uploadId: string) => finishing.has(uploadId),
    }
    const opened = options.endpoints.map((endpoint) => EndpointDeliveries.open(endpoint, shared))
    return new Deliveries(options, await Promise.all(opened), finishing)
  }

  /** Tells whether an endpoint listens to an event; where none does nothing needs to be prepared for it. */
  listensTo(event: TellingEvent): boolean {
    return this.#endpoints.some((each) => each.listensTo(event))
  }

  /** Sends an event to every endpoint that listens to it. Never waits and never throws. */
  tell(call: HookCall<TellingEvent>): void {
    for (const each of this.#listeners(call.event)) {
      if (call.event === 'post-receive') each.tellProgress(call)
      else each.tell(call)
    }
  }

  /**
   * Writes the `post-finish` of an upload to the disk before its sidecar says that it is finished: so it is delivered
   * whatever crashes afterwards, if and only if the upload is finished then. Rejects with the system's error; then
   * it is as if it had not been called. `confirm` or `withdraw` must follow.
   */
  async intend(call: HookCall<'post-finish'>): Promise<void> {
    const { id } = call.upload
    const [listeners, createdAtMs] = [this.#listeners('post-finish'), this.#options.now()]
    if (listeners.length === 0) return
    const createdAt = new Date(createdAtMs).toISOString()
    const finishing = new Map(
      listeners.map((each) => [each, createDeliveryId(id, createdAtMs, randomHex())] as const),
    )
    this.#finishing.set(id, finishing)
    const lines = [...finishing].map(([each, deliveryId]) => {
      return each.intend(id, newLine({ id: deliveryId, createdAt, call }, true))
    })
    const failed = (await Promise.allSettled(lines)).find((each) => each.status === 'rejected')
    if (!failed) return
    this.withdraw(id)
    throw failed.reason
  }

  /** The upload is finished: what was intended goes out. Never waits and never throws. */
  confirm(uploadId: string): void {
    void this.#endFinish(uploadId, (each, deliveryId) => each.confirm(uploadId, deliveryId))
  }

  /** The upload could not be finished: what was intended is left out. Never waits and never throws. */
  withdraw(uploadId: string): void {
    void this.#endFinish(uploadId, (each, deliveryId) => each.withdraw(uploadId, deliveryId))
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

  /** Until the end of a finish is written, nothing but this process knows it. */
  async #endFinish(
    uploadId: string,
    end: (each: EndpointDeliveries, deliveryId: string) => Promise<void>,
  ): Promise<void> {
    const finishing = this.#finishing.get(uploadId)
    if (!finishing) return
    await Promise.all([...finishing].map(([each, deliveryId]) => end(each, deliveryId)))
    // Another finish may have begun meanwhile.
    if (this.#finishing.get(uploadId) === finishing) this.#finishing.delete(uploadId)
    for (const each of finishing.keys()) each.wake(uploadId)
  }

  #listeners(event: TellingEvent): EndpointDeliveries[] {
    return this.#endpoints.filter((each) => each.listensTo(event))
  }
}

/** The ids of the deliveries that wait for a finish, by their endpoint. */
type Finishing = ReadonlyMap<EndpointDeliveries, string>

function randomHex(): string {
  return randomBytes(4).toString('hex')
}
