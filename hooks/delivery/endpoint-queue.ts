import type { Log } from '../../server/model/log.js'
import { Agenda, type Appointment, type Extra } from './agenda.js'
import { createDeliveryId, type Delivery, type PendingDelivery, shortReason } from './delivery.js'
import type { History } from './history.js'
import type { Notifier } from './notifier.js'
import type { ProgressNotices } from './progress-notices.js'
import { waitAfter } from './schedule.js'
import type { Spool } from './spool.js'
import { triedLine } from './spool-lines.js'

export interface QueueLimits {
  /** Uploads whose next try is known in memory; the others are found on the disk. */
  readonly uploads: number
  /** Uploads whose events are sent at once; of these so many whose last try failed. */
  readonly places: number
  readonly retryPlaces: number
  /** After a fault of the disk. */
  readonly faultPauseMs: number
}

export interface QueueTools {
  /** The endpoint's name. */
  readonly name: string
  readonly notifier: Pick<Notifier, 'notify' | 'goneReason'>
  readonly spool: Spool
  readonly done: History
  readonly failed: History
  readonly progress: Pick<ProgressNotices, 'take'>
  readonly log: Log
  readonly now: () => number
  readonly randomHex: () => string
  readonly scheduleMs: readonly number[]
  readonly limits: QueueLimits
}

const LONGEST_TIMER_MS = 3_600_000

/** What is pending of an upload after a step; `later` where the first of it must wait. */
type Rest = readonly PendingDelivery[] | 'later'

/**
 * Tells one endpoint what its spool has: the deliveries of one upload one after the other, those of others side by
 * side. The spool is the truth; what is here says only when to look at it.
 */
export class EndpointQueue {
  readonly #tools: QueueTools
  readonly #agenda: Agenda
  readonly #runs = new Set<Promise<void>>()
  #retries = 0
  #isOpen = false
  #isClosed = false
  #timer: NodeJS.Timeout | undefined

  constructor(tools: QueueTools) {
    this.#tools = tools
    this.#agenda = new Agenda(tools.limits.uploads)
  }

  /** Which uploads it looks at, for the walk over the disk. */
  get agenda(): Agenda {
    return this.#agenda
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Sends from now on; before, what comes only gets into the agenda. */
  open(): void {
    this.#isOpen = true
    this.#pump()
  }

  /** Has an upload looked at now, or at `dueMs`. */
  wake(uploadId: string, waking: { extra?: Extra; isRetry?: boolean; dueMs?: number } = {}): void {
    this.#agenda.wake(uploadId, waking.dueMs ?? this.#tools.now(), waking)
    this.#pump()
  }

  /** Begins no try any more; resolves when those under way are over. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await Promise.all(this.#runs)
  }

  #pump(): void {
    if (!this.#isOpen || this.#isClosed) return
    const { now, limits } = this.#tools
    let nowMs = now()
    for (; this.#runs.size < limits.places; nowMs = now()) {
      const next = this.#agenda.next(nowMs, { retries: this.#retries < limits.retryPlaces })
      if (!next) break
      this.#begin(next)
    }
    clearTimeout(this.#timer)
    // The end of a run comes back here.
    if (this.#runs.size >= limits.places) return
    // As of the same moment: what has become due since then would be in neither.
    const waitMs = Math.min(this.#agenda.nextMs(nowMs) - now(), LONGEST_TIMER_MS)
    this.#timer = setTimeout(() => this.#pump(), Math.max(1, waitMs)).unref()
  }

  #begin(appointment: Appointment): void {
    const { isRetry } = appointment
    appointment.isRunning = true
    if (isRetry) this.#retries += 1
    const run = this.#run(appointment).finally(() => {
      appointment.isRunning = false
      if (isRetry) this.#retries -= 1
      this.#runs.delete(run)
      this.#pump()
    })
    this.#runs.add(run)
  }

  async #run(appointment: Appointment): Promise<void> {
    const { name, log, now, limits } = this.#tools
    try {
      await this.#serve(appointment)
    } catch (error) {
      const { uploadId } = appointment
      log.error({ err: error, endpoint: name, id: uploadId }, 'the deliveries of an upload are stuck')
      appointment.dueMs = now() + limits.faultPauseMs
    }
  }

  async #serve(appointment: Appointment): Promise<void> {
    const { uploadId } = appointment
    let rest: Rest = []
    do {
      appointment.isWoken = false
      appointment.dueMs = Number.POSITIVE_INFINITY
      rest = await this.#pending(appointment)
      while (rest !== 'later' && rest[0] && !this.#isClosed) rest = await this.#step(appointment, rest[0])
      if (rest.length === 0) await this.#notifyProgress(uploadId)
    } while (appointment.isWoken && !this.#isClosed)
    if (rest.length === 0) this.#agenda.delete(uploadId)
  }

  async #pending(appointment: Appointment): Promise<readonly PendingDelivery[]> {
    if (appointment.ended.size > 0) return this.#writeEnded(appointment)
    return this.#tools.spool.read(appointment.uploadId)
  }

  /** Goes on with the first delivery of an upload; gives what is pending then, or `later` where it must wait. */
  async #step(appointment: Appointment, first: PendingDelivery): Promise<Rest> {
    const { now, notifier } = this.#tools
    const { extra } = appointment
    const { goneReason } = notifier
    const isEarly = first.nextAtMs > now()
    appointment.isRetry = first.attempts > 0
    if (goneReason !== null) return this.#giveUp(appointment, { ...first, lastError: goneReason })
    if (isEarly && extra === null) return this.#later(appointment, first.nextAtMs)
    appointment.extra = null
    const notified = await notifier.notify(first.call, first.id, first.attempts + 1)
    if (notified.kind === 'failed') return this.#retry(appointment, first, notified, isEarly ? extra : null)
    const tried = { ...first, attempts: first.attempts + 1 }
    if (notified.kind === 'done') return this.#end(appointment, tried)
    this.#agenda.wakeAll(now())
    return this.#giveUp(appointment, { ...tried, lastError: shortReason(notified.reason) })
  }

  async #retry(
    appointment: Appointment,
    first: PendingDelivery,
    { reason, afterMs }: { reason: string; afterMs: number | null },
    extra: Extra | null,
  ): Promise<Rest> {
    const { spool, scheduleMs, now } = this.#tools
    const { uploadId } = appointment
    const [attempts, lastError] = [first.attempts + 1, shortReason(reason)]
    const step = extra === null ? first.step + 1 : first.step
    const waitMs = waitAfter(step, { scheduleMs, afterMs, random: Math.random() })
    if (waitMs === null) return this.#giveUp(appointment, { ...first, attempts, lastError })
    // A try out of turn leaves the schedule as it is.
    const nextAtMs = Math.round(extra === null ? now() + waitMs : first.nextAtMs)
    appointment.isRetry = true
    // Each restart would add a line.
    if (extra !== 'restart') {
      await spool.append(uploadId, triedLine(first.id, { attempts, step, nextAtMs, lastError }))
      await spool.noteDue(uploadId, nextAtMs)
    }
    return this.#later(appointment, nextAtMs)
  }

  #later(appointment: Appointment, dueMs: number): 'later' {
    appointment.dueMs = dueMs
    return 'later'
  }

  async #end(appointment: Appointment, delivery: PendingDelivery): Promise<Rest> {
    appointment.ended.add(delivery.id)
    // At once: after a crash, a mark that is left is compared with the deliveries that have ended.
    this.#remember(delivery)
    return this.#writeEnded(appointment)
  }

  async #giveUp(appointment: Appointment, delivery: PendingDelivery): Promise<Rest> {
    const { failed, now, log, name, notifier } = this.#tools
    await failed.add({ ...delivery, endedAt: new Date(now()).toISOString() })
    if (notifier.goneReason === null) {
      const { id, lastError, attempts } = delivery
      log.error({ endpoint: name, delivery: id, attempts, reason: lastError }, 'a hook failed for good')
    }
    appointment.ended.add(delivery.id)
    return this.#writeEnded(appointment)
  }

  async #writeEnded({ uploadId, ended }: Appointment): Promise<readonly PendingDelivery[]> {
    const pending = await this.#tools.spool.end(uploadId, [...ended])
    ended.clear()
    return pending
  }

  /** Keeps a delivery to be looked at or sent again. Nobody waits for it. */
  #remember(delivery: Delivery): void {
    const { done, now, log } = this.#tools
    done.add({ ...delivery, endedAt: new Date(now()).toISOString() }).catch((error: unknown) => {
      log.error({ err: error, delivery: delivery.id }, 'a delivery that is done could not be noted')
    })
  }

  async #notifyProgress(uploadId: string): Promise<void> {
    const { progress, notifier, now, randomHex } = this.#tools
    const call = notifier.goneReason === null ? progress.take(uploadId) : undefined
    if (!call) return
    const { kind } = await notifier.notify(call, createDeliveryId(uploadId, now(), randomHex()), 1)
    if (kind === 'gone') this.#agenda.wakeAll(now())
  }
}
