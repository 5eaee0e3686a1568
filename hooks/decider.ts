import { type ErrorCode, UploadError } from '../server/errors.js'
import type { Decider, DecidingEvent, HookAnswer, HookCall, HookDecision } from '../server/model/hook.js'
import type { Log } from '../server/model/log.js'
import { checkedAnswer, checkedType } from './checked-answer.js'
import { HookStatus, HooksClosed, type HookTransport } from './transport.js'

interface DeciderTools {
  readonly transports: readonly HookTransport[]
  /** What happens where a hook fails. */
  readonly onFailure: 'refuse' | 'accept'
  readonly log: Pick<Log, 'warn' | 'error'>
}

const REFUSALS: Readonly<Record<DecidingEvent, ErrorCode>> = {
  'pre-access': 'access_rejected',
  'pre-create': 'upload_rejected',
  'pre-accept': 'upload_rejected',
  'pre-finish': 'upload_rejected',
  'pre-terminate': 'termination_rejected',
}

/** Asks the user's hooks, one transport after the other. */
export class HookDecider implements Decider {
  readonly #tools: DeciderTools

  constructor(tools: DeciderTools) {
    this.#tools = tools
  }

  listensTo(event: DecidingEvent): boolean {
    return this.#tools.transports.some((transport) => transport.listensTo(event))
  }

  async decide(call: HookCall<DecidingEvent>): Promise<HookDecision> {
    let decided: HookDecision = {}
    for (const transport of this.#tools.transports) {
      if (!transport.listensTo(call.event)) continue
      const decision = await this.#ask(transport, call)
      decided = merged(decided, decision)
    }
    return decided
  }

  async #ask(transport: HookTransport, call: HookCall<DecidingEvent>): Promise<HookDecision> {
    const { log } = this.#tools
    const { event } = call
    let decision: HookDecision
    try {
      decision = await transport.decide(call)
    } catch (error) {
      return this.#failed(transport, call, error)
    }
    const unusable = (problem: string): void =>
      log.warn(
        { event, id: call.upload.id, hooks: transport.name, problem },
        'a part of what a hook answered is left out',
      )
    const answer = checkedAnswer(decision.answer, decision.refuse === true, unusable)
    if (decision.refuse) throw new UploadError(REFUSALS[event], { answer, detail: `by ${event}` })
    return { ...decision, answer, type: checkedType(decision.type, unusable) }
  }

  #failed(transport: HookTransport, { event, upload }: HookCall, error: unknown): HookDecision {
    const { log, onFailure } = this.#tools
    log.error({ event, id: upload.id, hooks: transport.name, err: error, onFailure }, 'a hook failed')
    // Nothing is accepted unasked, whatever the setting says: the client asks again after the start.
    if (isEnding(error)) throw new UploadError('shutting_down', { cause: error })
    if (error instanceof HookStatus)
      throw new UploadError('hook_failed', { answer: error.answer, cause: error })
    if (onFailure === 'refuse') throw new UploadError('hook_failed', { cause: error })
    return {}
  }
}

function isEnding(error: unknown): boolean {
  return error instanceof HooksClosed || (error instanceof Error && error.cause instanceof HooksClosed)
}

/** What two hooks say together; where both say something, the later one counts. */
function merged(first: HookDecision, later: HookDecision): HookDecision {
  return {
    metadata: later.metadata ?? first.metadata,
    id: later.id ?? first.id,
    expireAfterMs: later.expireAfterMs ?? first.expireAfterMs,
    type: later.type ?? first.type,
    answer: mergedAnswer(first.answer, later.answer),
  }
}

/** Both hooks' answers; where both say something, the later one counts. */
function mergedAnswer(first: HookAnswer = {}, later: HookAnswer = {}): HookAnswer {
  return {
    status: later.status ?? first.status,
    headers: { ...first.headers, ...later.headers },
    body: later.body ?? first.body,
  }
}
