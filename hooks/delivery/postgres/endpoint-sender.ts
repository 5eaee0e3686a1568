import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../../server/model/log.js'
import { createDeliveryId, shortReason } from '../delivery.js'
import type { Notifier } from '../notifier.js'
import type { ProgressNotices } from '../progress-notices.js'
import { waitAfter } from '../schedule.js'
import type { FirstEvent, Head, QueueTable, Taken } from './queue-table.js'

export interface SenderLimits {
  /** Uploads whose events are sent at once; of these so many whose last try failed. */
  readonly places: number
  readonly retryPlaces: number
  /** Between two looks for what other nodes have left. */
  readonly pollMs: number
  /** After a fault of the database. */
  readonly faultPauseMs: number
}

interface SenderTools {
  /** The endpoint's name. */
  readonly name: string
  readonly notifier: Pick<Notifier, 'notify' | 'learn'>
  readonly queues: QueueTable
  readonly progress: Pick<ProgressNotices, 'take' | 'hasDue' | 'forget'>
  /** This node's id while it has a lease. */
  readonly nodeId: () => string | undefined
  readonly log: Log
  readonly now: () => number
  readonly randomHex: () => string
  readonly scheduleMs: readonly number[]
  readonly limits: SenderLimits
}

type Ended = Parameters<QueueTable['end']>[1]

const LEAST_WAIT_MS = 20
/** After this time PostgreSQL has ended every query that was given up. */
const QUERIES_END_WITHIN_MS = 6_000

/**
 * Sends one endpoint what PostgreSQL has for it: the events of one upload one after the other, those of others side by
 * side. An upload is taken by one node at a time. What is here of it is only which ones this node sends.
 */
export class EndpointSender {
  readonly #tools: SenderTools
  readonly #running = new Map<string, Promise<void>>()
  #retries = 0
  #looking: Promise<void> | undefined
  #mustLook = false
  /** When the last answer was lost that says what was taken; undefined while everything that this node has is known. */
  #lostAtMs: number | undefined
  #isClosed = false
  #timer: NodeJS.Timeout | undefined

  constructor(tools: SenderTools) {
    this.#tools = tools
  }

  /** Looks for uploads that are due. Never waits. */
  look(): void {
    this.#mustLook = true
    if (this.#isClosed) return
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
      // Asked for after the last look.
      if (this.#mustLook) this.look()
    })
  }

  /** The notice of an upload's progress may go out, where nothing is pending of it. Never waits. */
  lookIdle(uploadId: string): void {
    const { name, queues, progress, nodeId, limits } = this.#tools
    const node = nodeId()
    if (node === undefined || this.#isClosed) return
    // Who sends its events now sends the notice at their end; else the next interval comes back here.
    if (this.#running.has(uploadId) || this.#running.size >= limits.places) return
    // What is unknown is about to be freed.
    if (this.#lostAtMs !== undefined) return
    const idle = { endpoint: name, uploadId, node }
    this.#begin(idle, false, async () => {
      const said = await this.#known(queues.takeIdle(idle))
      if (said === 'over') progress.forget(uploadId)
      if (said === 'taken') await this.#serve(idle)
    })
  }

  /** Begins no try any more; resolves when those under way are over. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await Promise.all([this.#looking, ...this.#running.values()])
  }

  async #look(): Promise<void> {
    const { log, name, limits } = this.#tools
    while (this.#mustLook && !this.#isClosed) {
      this.#mustLook = false
      clearTimeout(this.#timer)
      let waitMs = limits.faultPauseMs
      try {
        waitMs = await this.#takeDue()
      } catch (error) {
        log.error({ err: error, endpoint: name }, 'the deliveries of an endpoint cannot be read')
      }
      if (!this.#isClosed) this.#timer = setTimeout(() => this.look(), waitMs).unref()
    }
  }

  /** Takes what is due; gives how long until the next look. When a sending ends, it looks earlier. */
  async #takeDue(): Promise<number> {
    const { name, queues, notifier, nodeId, limits } = this.#tools
    const node = nodeId()
    if (node === undefined) return limits.pollMs
    await this.#freeUnknown(node)
    const most = limits.places - this.#running.size
    if (most <= 0) return limits.pollMs
    const except = [...this.#running.keys()]
    const retries = Math.min(most, limits.retryPlaces - this.#retries)
    notifier.learn(await queues.stopped(name))
    const taken = await this.#known(queues.take({ endpoint: name, node, except }, { most, retries }))
    for (const each of taken) this.#begin(each.taken, each.isRetry, () => this.#serve(each.taken))
    if (taken.length > 0) {
      this.#mustLook = true
      return limits.pollMs
    }
    const nextMs = (await queues.nextMs(name, except, retries > 0)) ?? limits.pollMs
    return Math.max(LEAST_WAIT_MS, Math.min(nextMs, limits.pollMs))
  }

  /** Settles as the answer does, and notes where it is lost. */
  async #known<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      this.#lostAtMs = performance.now()
      throw error
    }
  }

  /** Where an answer was lost PostgreSQL may have taken something all the same, or do it yet: no node would send it. */
  async #freeUnknown(node: string): Promise<void> {
    if (this.#lostAtMs === undefined) return
    const { name, queues } = this.#tools
    const beganMs = performance.now()
    await queues.free(name, node, [...this.#running.keys()])
    if (beganMs - this.#lostAtMs > QUERIES_END_WITHIN_MS) this.#lostAtMs = undefined
  }

  #begin(taken: Taken, isRetry: boolean, work: () => Promise<void>): void {
    const { uploadId } = taken
    if (isRetry) this.#retries += 1
    const { log, name } = this.#tools
    const run = work()
      .catch((error: unknown) => {
        log.error({ err: error, endpoint: name, id: uploadId }, 'the deliveries of an upload are stuck')
      })
      .finally(() => {
        if (isRetry) this.#retries -= 1
        if (this.#running.get(uploadId) === run) this.#running.delete(uploadId)
        this.look()
      })
    this.#running.set(uploadId, run)
  }

  /** Sends what is pending of an upload. It keeps its place while PostgreSQL does not answer. Rejects where the server ends. */
  async #serve(taken: Taken): Promise<void> {
    const { log, name, limits } = this.#tools
    const unwritten: Ended[] = []
    for (let isOver = false; !isOver; ) {
      try {
        isOver = await this.#step(taken, unwritten)
      } catch (error) {
        if (this.#isClosed) throw error
        const fields = { err: error, endpoint: name, id: taken.uploadId }
        log.error(fields, 'the deliveries of an upload cannot be written or read yet')
        await pause(limits.faultPauseMs, undefined, { ref: false })
      }
    }
  }

  /** Goes on with an upload; true where this node has it no more. */
  async #step(taken: Taken, unwritten: Ended[]): Promise<boolean> {
    const { queues, notifier, progress } = this.#tools
    const [ended] = unwritten
    if (ended) {
      const isLeft = await queues.end(taken, ended)
      unwritten.length = 0
      return isLeft
    }
    if (this.#isClosed) return true
    const head = await queues.head(taken)
    if (!head) return true
    notifier.learn(head.stopped)
    // Another node may have added the end; it has forgotten its own notice alone.
    if (head.isOver) progress.forget(taken.uploadId)
    if (!head.first) return this.#finishUpload(taken, head)
    const isOver = await this.#send(taken, head, head.first, unwritten)
    return isOver || (unwritten.length > 0 && this.#step(taken, unwritten))
  }

  /** Tries the first event; true where the upload waits. An event that is over goes to `unwritten`. */
  async #send(taken: Taken, head: Head, first: FirstEvent, unwritten: Ended[]): Promise<boolean> {
    const { queues, notifier } = this.#tools
    const { id, call, attempts } = first
    const isLast = first.isOnly && !this.#tools.progress.hasDue(taken.uploadId)
    const over = (state: 'done' | 'failed', tries: number, lastError: string | null): false => {
      unwritten.push({ id, call, state, attempts: tries, lastError, wakes: isLast ? head.wakes : null })
      return false
    }
    if (head.stopped !== null) return over('failed', attempts, head.stopped)
    if (!call) return over('failed', attempts, 'the event cannot be read')
    if (first.isEarly && !head.isAsked) {
      await queues.leaveEarly(taken, head.wakes, id)
      return true
    }
    const notified = await notifier.notify(call, id, attempts + 1)
    if (notified.kind === 'done') return over('done', attempts + 1, null)
    const reason = shortReason(notified.reason).replaceAll('\0', ' ')
    if (notified.kind === 'failed') {
      const failure = this.#failure(first, reason, notified.afterMs)
      if (!failure) {
        this.#logGivenUp(id, attempts + 1, reason)
        return over('failed', attempts + 1, reason)
      }
      await queues.fail(taken, head.wakes, id, failure)
      return true
    }
    await queues.stop(taken.endpoint, reason)
    // What is pending of other uploads has failed too.
    this.look()
    return over('failed', attempts + 1, reason)
  }

  /** How a try that failed goes on; undefined where the schedule is over. A try out of turn leaves the schedule as it is. */
  #failure({ attempts, step, isEarly }: FirstEvent, lastError: string, afterMs: number | null) {
    if (isEarly) return { attempts: attempts + 1, step, lastError, waitMs: null }
    const { scheduleMs } = this.#tools
    const waitMs = waitAfter(step + 1, { scheduleMs, afterMs, random: Math.random() })
    return waitMs === null ? undefined : { attempts: attempts + 1, step: step + 1, lastError, waitMs }
  }

  #logGivenUp(id: string, attempts: number, reason: string): void {
    const { log, name } = this.#tools
    log.error({ endpoint: name, delivery: id, attempts, reason }, 'a hook failed for good')
  }

  /** Nothing is pending of an upload: sends the notice of its progress, and leaves it. */
  async #finishUpload(taken: Taken, { wakes, stopped }: Head): Promise<boolean> {
    const { queues, progress, notifier, now, randomHex, name } = this.#tools
    const { uploadId } = taken
    const call = progress.take(uploadId)
    if (call && stopped === null) {
      const notified = await notifier.notify(call, createDeliveryId(uploadId, now(), randomHex()), 1)
      if (notified.kind === 'gone') await queues.stop(name, shortReason(notified.reason))
    }
    return queues.leave(taken, wakes)
  }
}
