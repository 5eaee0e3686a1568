import type { DecidingEvent, HookCall, HookDecision, HookEvent, Told } from '../server/model/hook.js'
import type { HookTransport } from './transport.js'

/** What became of a call: of a hook that decides, or of one that is told. */
export type HookOutcome = 'accepted' | 'refused' | Told['kind']

/** Called after each call of a hook, with the milliseconds that it took. */
export type HookCalled = (event: HookEvent, outcome: HookOutcome, ms: number) => void

/** A transport whose calls are counted. */
export class WatchedTransport implements HookTransport {
  readonly name: string
  readonly #transport: HookTransport
  readonly #called: HookCalled

  constructor(transport: HookTransport, called: HookCalled) {
    this.name = transport.name
    this.#transport = transport
    this.#called = called
  }

  listensTo(event: HookEvent): boolean {
    return this.#transport.listensTo(event)
  }

  decide(call: HookCall<DecidingEvent>): Promise<HookDecision> {
    const work = (): Promise<HookDecision> => this.#transport.decide(call)
    return this.#watch(call.event, work, ({ refuse }) => (refuse ? 'refused' : 'accepted'))
  }

  tell(...[call, delivery]: Parameters<HookTransport['tell']>): Promise<Told> {
    return this.#watch(
      call.event,
      () => this.#transport.tell(call, delivery),
      ({ kind }) => kind,
    )
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  async #watch<T>(
    event: HookEvent,
    work: () => Promise<T>,
    outcomeOf: (result: T) => HookOutcome,
  ): Promise<T> {
    const startedAtMs = performance.now()
    let outcome: HookOutcome = 'failed'
    try {
      const result = await work()
      outcome = outcomeOf(result)
      return result
    } finally {
      this.#called(event, outcome, performance.now() - startedAtMs)
    }
  }
}
