import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { HookCall, HookEndpoint, TellingEvent } from '../../server/model/hook.js'
import type { Deliveries, DeliveryNumbers } from './deliveries.js'
import { createDeliveryId, type DeliveryPage, type DeliveryState, type DeliveryView } from './delivery.js'
import { type DeliveryLimits, EndpointDeliveries, type FileDeliveryTools } from './endpoint-deliveries.js'
import { pageOf, viewOfPending } from './listing.js'
import { MemoryBudget } from './memory-budget.js'
import { SCHEDULE_MS } from './schedule.js'

export interface FileDeliveriesOptions extends FileDeliveryTools {
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

/** Deliveries that are kept in files of one server's data folder; see README.md for what holds. */
export class FileDeliveries implements Deliveries {
  readonly #options: FileDeliveriesOptions
  readonly #endpoints: readonly EndpointDeliveries[]
  /** Uploads that this process is finishing. */
  readonly #finishing = new Map<string, Finish>()
  /** Uploads that are finished, and the writing of their events. */
  readonly #writing = new Map<string, Promise<unknown>>()

  private constructor(options: FileDeliveriesOptions, endpoints: readonly EndpointDeliveries[]) {
    this.#options = options
    this.#endpoints = endpoints
  }

  /** Opens the folder and sends what is in it, in the background. Rejects with the system's error. */
  static async start(options: FileDeliveriesOptions): Promise<FileDeliveries> {
    const { folder, flushFolder, scheduleMs = SCHEDULE_MS } = options
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await flushFolder?.(dirname(folder))
    const limits = { ...LIMITS, ...options.limits }
    const budget = new MemoryBudget(limits.memoryBytes)
    const shared = { ...options, limits, scheduleMs, budget, randomHex }
    const opened = options.endpoints.map((endpoint) => EndpointDeliveries.open(endpoint, shared))
    return new FileDeliveries(options, await Promise.all(opened))
  }

  /** See Deliveries, as for each of the others. */
  listensTo(event: TellingEvent): boolean {
    return this.#endpoints.some((each) => each.listensTo(event))
  }

  notify(call: HookCall<TellingEvent>): void {
    for (const each of this.#listeners(call.event)) {
      if (call.event === 'post-receive') each.notifyProgress(call)
      else each.notify(call)
    }
  }

  expect(uploadId: string): void {
    const hasRoom = this.#endpoints.every(({ finishes }) => finishes.hasRoom)
    if (hasRoom && !this.#finishing.has(uploadId)) this.#begin(uploadId)
  }

  withdraw(uploadId: string): void {
    if (this.#finishing.get(uploadId)?.isIntended === false) this.forget(uploadId)
  }

  async intend(uploadId: string): Promise<void> {
    const finish = this.#finishing.get(uploadId) ?? this.#begin(uploadId)
    const marked = await Promise.allSettled(finish.marks.map(({ mark }) => mark))
    finish.isIntended = true
    const failed = marked.find((each) => each.status === 'rejected')
    if (!failed) return
    this.forget(uploadId)
    throw failed.reason
  }

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

  async failed(uploadId: string): Promise<void> {
    const finished = await this.#options.finished(uploadId).catch(() => undefined)
    if (finished === null) this.forget(uploadId)
  }

  forget(uploadId: string): void {
    const finish = this.#finishing.get(uploadId)
    this.#finishing.delete(uploadId)
    for (const { endpoint, mark } of finish?.marks ?? []) endpoint.finishes.unmarkLater(mark)
  }

  async written(uploadId: string): Promise<void> {
    await this.#writing.get(uploadId)
    await Promise.all(this.#endpoints.map(({ finishes }) => finishes.flushed(uploadId)))
  }

  async settled(): Promise<void> {}

  async list(state: DeliveryState, afterId: string | undefined, limit: number): Promise<DeliveryPage> {
    return pageOf(this.#endpoints, state, { afterId, limit })
  }

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
