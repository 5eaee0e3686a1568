import type { HookCall, HookEndpoint, Notified, TellingEvent } from '../../server/model/hook.js'
import type { Log } from '../../server/model/log.js'
import { shortReason } from './delivery.js'

interface NotifierTools {
  readonly endpoint: HookEndpoint
  readonly stopUpload: (uploadId: string) => void
  readonly log: Log
}

/** Makes single tries to notify an endpoint, and knows whether it takes any. */
export class Notifier {
  readonly #tools: NotifierTools
  #goneReason: string | null = null

  constructor(tools: NotifierTools) {
    this.#tools = tools
  }

  /** Why nothing is sent any more: the endpoint answered 410. Null while it is sent. */
  get goneReason(): string | null {
    return this.#goneReason
  }

  /** Another node knows whether the endpoint takes any. */
  learn(goneReason: string | null): void {
    this.#goneReason = goneReason
  }

  /** Sends again to an endpoint that wanted nothing any more. */
  resume(): void {
    this.#goneReason = null
  }

  /** Notifies the endpoint of an event once. Never rejects. */
  async notify(call: HookCall<TellingEvent>, deliveryId: string, attempt: number): Promise<Notified> {
    const notified = await this.#try(call, deliveryId, attempt)
    const { endpoint, log, stopUpload } = this.#tools
    const fields = { endpoint: endpoint.name, id: call.upload.id, event: call.event }
    if (notified.kind === 'failed')
      log.warn({ ...fields, reason: shortReason(notified.reason) }, 'a hook failed')
    if (notified.kind === 'done' && notified.stop) stopUpload(call.upload.id)
    if (notified.kind === 'gone' && this.#goneReason === null) {
      this.#goneReason = shortReason(notified.reason)
      log.error(
        { ...fields, reason: this.#goneReason },
        'an endpoint answered 410: it is not called any more',
      )
    }
    return notified
  }

  async #try(call: HookCall<TellingEvent>, deliveryId: string, attempt: number): Promise<Notified> {
    try {
      return await this.#tools.endpoint.notify(call, { deliveryId, attempt })
    } catch (error) {
      return { kind: 'failed', reason: String(error), afterMs: null }
    }
  }
}
