import type { HookEndpoint, TellingEvent } from '../../../server/model/hook.js'
import type { Log } from '../../../server/model/log.js'
import type { Sql } from '../../../server/model/sql.js'
import type { MemoryBudget } from '../memory-budget.js'
import { Notifier } from '../notifier.js'
import { ProgressNotices } from '../progress-notices.js'
import { EndpointSender, type SenderLimits } from './endpoint-sender.js'
import type { EventCounts, EventTable } from './event-table.js'
import { QueueTable } from './queue-table.js'

interface EndpointTools {
  readonly sql: Sql
  readonly events: Pick<EventTable, 'counts' | 'purge'>
  readonly budget: MemoryBudget
  readonly stopUpload: (uploadId: string) => void
  readonly progressIntervalMs: number
  readonly nodeId: () => string | undefined
  readonly log: Log
  readonly now: () => number
  readonly randomHex: () => string
  readonly scheduleMs: readonly number[]
  readonly limits: SenderLimits & { readonly doneBytes: number; readonly failedBytes: number }
}

/** The pause is so many times as long as the work before it. */
const SHARE_OF_TIME = 5

/** One endpoint of this node: its events are in PostgreSQL, its notices of progress in memory. */
export class SharedEndpoint {
  readonly name: string
  readonly progress: ProgressNotices
  readonly #endpoint: HookEndpoint
  readonly #tools: EndpointTools
  readonly #queues: QueueTable
  readonly #notifier: Notifier
  readonly #sender: EndpointSender
  #counts: EventCounts = { pending: 0, failed: 0, done: 0 }
  #timer: NodeJS.Timeout | undefined
  #counting: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(endpoint: HookEndpoint, tools: EndpointTools) {
    this.name = endpoint.name
    this.#endpoint = endpoint
    this.#tools = tools
    this.#queues = new QueueTable(tools.sql)
    this.#notifier = new Notifier({ ...tools, endpoint })
    this.progress = new ProgressNotices(tools.progressIntervalMs, tools.budget, (id) =>
      this.#sender.lookIdle(id),
    )
    const [queues, notifier, progress] = [this.#queues, this.#notifier, this.progress]
    this.#sender = new EndpointSender({ ...tools, name: this.name, queues, notifier, progress })
  }

  get isGone(): boolean {
    return this.#notifier.goneReason !== null
  }

  /** Uploads of all nodes with pending events, and events that have failed, when they were last counted. */
  get counts(): EventCounts {
    return this.#counts
  }

  listensTo(event: TellingEvent): boolean {
    return this.#endpoint.listensTo(event)
  }

  /** Begins to send. An endpoint that was stopped is tried again. Rejects with SqlError. */
  async start(): Promise<void> {
    await this.#queues.resume([this.name])
    this.#sender.look()
    this.#count()
  }

  /** Looks for what is due. Never waits. */
  look(): void {
    this.#sender.look()
  }

  /** Begins no try any more; resolves when those under way are over. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.progress.close()
    await Promise.all([this.#sender.close(), this.#counting])
  }

  #count(): void {
    const beganMs = performance.now()
    const { log, limits } = this.#tools
    this.#counting = this.#recount()
      .catch((error: unknown) =>
        log.error({ err: error, endpoint: this.name }, 'deliveries cannot be counted'),
      )
      .then(() => {
        const tookMs = performance.now() - beganMs
        const pauseMs = Math.max(limits.pollMs, tookMs * SHARE_OF_TIME)
        if (!this.#isClosed) this.#timer = setTimeout(() => this.#count(), pauseMs).unref()
      })
  }

  async #recount(): Promise<void> {
    const { events, limits } = this.#tools
    const { failed, done } = this.#counts
    const found = (await events.counts(this.name)) ?? this.#counts
    this.#counts = found
    if (found.failed === failed && found.done === done) return
    await events.purge(this.name, 'done', limits.doneBytes)
    await events.purge(this.name, 'failed', limits.failedBytes)
    this.#counts = (await events.counts(this.name)) ?? found
  }
}
