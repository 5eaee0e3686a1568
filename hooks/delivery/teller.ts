import type { HookCall, HookEndpoint, TellingEvent, Told } from '../../server/model/hook.js'
import type { Log } from '../../server/model/log.js'
import { shortReason } from './delivery.js'

interface TellerTools {
  readonly endpoint: HookEndpoint
  readonly stopUpload: (uploadId: string) => void
  readonly log: Log
}

/** Makes single tries to tell an endpoint, and knows whether it wants any. */
export class Teller {
  readonly #tools: TellerTools
  #goneReason: string | null = null

  constructor(tools: TellerTools) {
    this.#tools = tools
  }

  /** Why nothing is sent any more: the endpoint answered 410. Null while it is sent. */
  get goneReason(): string | null {
    return this.#goneReason
  }

  /** Sends again to an endpoint that wanted nothing any more. */
  resume(): void {
    this.#goneReason = null
  }

  /** Tells the endpoint of an event once. Never rejects. */
  async tell(call: HookCall<TellingEvent>, deliveryId: string, attempt: number): Promise<Told> {
    const told = await this.#told(call, deliveryId, attempt)
    const { endpoint, log, stopUpload } = this.#tools
    const fields = { endpoint: endpoint.name, id: call.upload.id, event: call.event }
    if (told.kind === 'failed') log.warn({ ...fields, reason: shortReason(told.reason) }, 'a hook failed')
    if (told.kind === 'done' && told.stop) stopUpload(call.upload.id)
    if (told.kind === 'gone' && this.#goneReason === null) {
      this.#goneReason = shortReason(told.reason)
      log.error(
        { ...fields, reason: this.#goneReason },
        'an endpoint answered 410: it is not called any more',
      )
    }
    return told
  }

  async #told(call: HookCall<TellingEvent>, deliveryId: string, attempt: number): Promise<Told> {
    try {
      return await this.#tools.endpoint.tell(call, { deliveryId, attempt })
    } catch (error) {
      return { kind: 'failed', reason: String(error), afterMs: null }
    }
  }
}
