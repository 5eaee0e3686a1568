import type {
  DecidingEvent,
  HookAnswer,
  HookCall,
  HookDecision,
  HookEndpoint,
  HookEvent,
} from '../server/model/hook.js'

/** A way to the user's hooks: a module, or a receiver behind a URL. */
export interface HookTransport extends HookEndpoint {
  /** Where the receiver is; null where there is none. */
  readonly url: URL | null
  listensTo(event: HookEvent): boolean
  /**
   * Asks one hook. Rejects where it fails or takes longer than its time-out, and with HookStatus where a receiver
   * answers with a status of its own.
   */
  decide(call: HookCall<DecidingEvent>): Promise<HookDecision>
  /** Ends what runs. */
  close(): Promise<void>
}

/** The server ends: what a hook would have said is not known. */
export class HooksClosed extends Error {
  constructor() {
    super('the server ended')
  }
}

/** A receiver answered with a 4xx that is passed on to the client: this refuses the request, and removes nothing. */
export class HookStatus extends Error {
  readonly answer: HookAnswer

  constructor(answer: HookAnswer) {
    super(`the receiver answered ${answer.status}`)
    this.answer = answer
  }
}
