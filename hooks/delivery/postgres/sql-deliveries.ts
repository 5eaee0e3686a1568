import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { HookCall, HookEndpoint, TellingEvent } from '../../../server/model/hook.js'
import type { Deliveries, DeliveryCluster, DeliveryNumbers, DeliveryTools } from '../deliveries.js'
import {
  createDeliveryId,
  createdAtOf,
  type DeliveryPage,
  type DeliveryState,
  type DeliveryView,
  uploadOfDelivery,
} from '../delivery.js'
import { MemoryBudget } from '../memory-budget.js'
import { SCHEDULE_MS } from '../schedule.js'
import { callText, finishedAtOf } from '../spool-lines.js'
import type { SenderLimits } from './endpoint-sender.js'
import { EventTable } from './event-table.js'
import { MarkRecovery } from './mark-recovery.js'
import { type Mark, MarkTable } from './mark-table.js'
import { Outbox } from './outbox.js'
import { DELIVERY_STEPS } from './schema.js'
import { SharedEndpoint } from './shared-endpoint.js'
import { SharedFinishes } from './shared-finishes.js'

export interface SharedLimits extends SenderLimits {
  /** Events that wait for PostgreSQL, of all endpoints together. */
  readonly memoryBytes: number
  /** Uploads that are finished at once; others wait. */
  readonly finishes: number
  /** How long a mark without a node waits to be looked at again. */
  readonly markAgainMs: number
  /** What is kept of deliveries that are done, and of those that failed for good, of each endpoint. */
  readonly doneBytes: number
  readonly failedBytes: number
}

export interface SqlDeliveriesOptions extends DeliveryTools {
  readonly endpoints: readonly HookEndpoint[]
  readonly cluster: DeliveryCluster
  /** How long each try waits after the one before it. */
  readonly scheduleMs?: readonly number[]
  readonly limits?: Partial<SharedLimits>
}

const MEBIBYTE = 1024 * 1024
const LIMITS: SharedLimits = {
  places: 64,
  retryPlaces: 48,
  pollMs: 5_000,
  faultPauseMs: 1_000,
  memoryBytes: 4 * MEBIBYTE,
  finishes: 128,
  markAgainMs: 60_000,
  doneBytes: 2 * MEBIBYTE,
  failedBytes: 16 * MEBIBYTE,
}

/** Deliveries that are kept in PostgreSQL, for all nodes; see README.md for what holds. */
export class SqlDeliveries implements Deliveries {
  readonly #options: SqlDeliveriesOptions
  readonly #events: EventTable
  readonly #endpoints: readonly SharedEndpoint[]
  readonly #outbox: Outbox
  readonly #finishes: SharedFinishes
  readonly #recovery: MarkRecovery
  readonly #budget: MemoryBudget

  private constructor(options: SqlDeliveriesOptions) {
    const { cluster, log, now, scheduleMs = SCHEDULE_MS } = options
    const { sql } = cluster
    const limits = { ...LIMITS, ...options.limits }
    const { faultPauseMs } = limits
    const nodeId = (): string | undefined => cluster.nodeId
    this.#options = options
    this.#events = new EventTable(sql)
    this.#budget = new MemoryBudget(limits.memoryBytes)
    const shared = { ...options, sql, limits, scheduleMs, nodeId, randomHex }
    const parts = { ...shared, budget: this.#budget, events: this.#events }
    this.#endpoints = options.endpoints.map((endpoint) => new SharedEndpoint(endpoint, parts))
    const marks = new MarkTable(
      sql,
      this.#endpoints.map(({ name }) => name),
    )
    this.#outbox = new Outbox({
      ...{ events: this.#events, log, faultPauseMs },
      written: (names) => {
        for (const each of this.#endpoints) if (names.has(each.name)) each.look()
      },
      failing: (error) => this.#finishes.fail(error),
    })
    this.#finishes = new SharedFinishes({
      ...{ marks, nodeId, log, faultPauseMs, most: limits.finishes },
      endpoints: this.#listeners('post-finish').map(({ name }) => name),
      newId: (uploadId) => createDeliveryId(uploadId, now(), randomHex()),
    })
    this.#recovery = new MarkRecovery({
      ...{ marks, log, faultPauseMs, finished: options.finished },
      ...{ pollMs: limits.pollMs, againMs: limits.markAgainMs },
      keep: (mark, call) => this.#keepFinish(mark, call),
    })
  }

  /** Makes the tables and sends what is in them, in the background. The node has joined the cluster. Rejects with SqlError. */
  static async start(options: SqlDeliveriesOptions): Promise<SqlDeliveries> {
    const deliveries = new SqlDeliveries(options)
    await options.cluster.sql.migrate('deliveries', DELIVERY_STEPS)
    for (const each of deliveries.#endpoints) await each.start()
    deliveries.#recovery.start()
    return deliveries
  }

  /** See Deliveries, as for each of the others. */
  listensTo(event: TellingEvent): boolean {
    return this.#endpoints.some((each) => each.listensTo(event))
  }

  notify(call: HookCall<TellingEvent>): void {
    for (const each of this.#listeners(call.event)) {
      if (call.event === 'post-receive') each.progress.put(call)
      else this.#notify(each, call)
    }
  }

  expect(uploadId: string): void {
    this.#finishes.expect(uploadId)
  }

  withdraw(uploadId: string): void {
    this.#finishes.withdraw(uploadId)
  }

  async intend(uploadId: string): Promise<void> {
    await this.#finishes.intend(uploadId)
  }

  confirm(call: HookCall<'post-finish'>): boolean {
    const { id } = call.upload
    const finish = this.#finishes.take(id)
    if (!finish) return false
    for (const each of this.#listeners('post-finish')) each.progress.forget(id)
    // `intend` has seen that the marks are set.
    void finish.marks
      .then((marks) => Promise.all(marks.map((mark) => this.#keepFinish(mark, call))))
      .finally(finish.leave)
    return true
  }

  async failed(uploadId: string): Promise<void> {
    // PostgreSQL may have done it, or do it yet. The next try may be on another node, which would then say nothing.
    this.#finishes.giveUp(uploadId)
  }

  forget(uploadId: string): void {
    this.#finishes.forget(uploadId)
  }

  async written(uploadId: string): Promise<void> {
    await this.#outbox.settled(uploadId)
    await this.#recovery.ofUpload(uploadId)
  }

  async settled(uploadId: string): Promise<void> {
    await this.#outbox.settled(uploadId)
  }

  async list(state: DeliveryState, afterId: string | undefined, limit: number): Promise<DeliveryPage> {
    return this.#events.list(state, afterId, limit)
  }

  async resend(id: string): Promise<DeliveryView | undefined> {
    if (uploadOfDelivery(id) === '' || id.includes('\0')) return undefined
    const found = await this.#events.resend(id)
    if (found) this.#endpoints.find(({ name }) => name === found.endpoint)?.look()
    return found
  }

  /** As of a few seconds ago: they are counted for all nodes. */
  get numbers(): DeliveryNumbers {
    const sum = (field: 'pending' | 'failed'): number =>
      this.#endpoints.reduce((total, { counts }) => total + counts[field], 0)
    const stopped = this.#endpoints.filter((each) => each.isGone).map(({ name }) => name)
    return { pending: sum('pending'), failed: sum('failed'), stopped }
  }

  async close(withinMs: number): Promise<void> {
    const ended = Promise.all([...this.#endpoints.map((each) => each.close()), this.#recovery.close()])
    const time = new AbortController()
    const late = pause(withinMs, undefined, { signal: time.signal }).catch(() => {})
    const kept = async () => Promise.all([this.#outbox.idle(), this.#finishes.idle()])
    await Promise.race([ended.then(kept), late])
    time.abort()
    this.#finishes.close()
    const lost = this.#outbox.close()
    if (lost > 0) this.#options.log.error({ events: lost }, 'events are lost: the database took none')
  }

  #notify(endpoint: SharedEndpoint, call: HookCall<TellingEvent>): void {
    const { log, now } = this.#options
    const uploadId = call.upload.id
    const { event } = call
    if (event !== 'post-create') endpoint.progress.forget(uploadId)
    const id = createDeliveryId(uploadId, now(), randomHex())
    const text = callText(call)
    const bytes = Buffer.byteLength(text)
    if (!this.#budget.take(bytes)) {
      const fields = { endpoint: endpoint.name, event, id: uploadId }
      log.error(fields, 'an event is lost: too many wait for the database')
      return
    }
    const kept = { endpoint: endpoint.name, id, uploadId, event, createdAt: createdAtOf(id), call: text }
    void this.#outbox.add(kept).finally(() => this.#budget.give(bytes))
  }

  #keepFinish({ endpoint, uploadId, id }: Mark, call: HookCall<'post-finish'>): Promise<void> {
    const { event } = call
    return this.#outbox.add({
      ...{ endpoint, id, uploadId, event, createdAt: finishedAtOf(call), call: callText(call) },
    })
  }

  #listeners(event: TellingEvent): SharedEndpoint[] {
    return this.#endpoints.filter((each) => each.listensTo(event))
  }
}

function randomHex(): string {
  return randomBytes(4).toString('hex')
}
