import type {
  DecidingEvent,
  HookCall,
  HookDecision,
  HookEvent,
  HookTraces,
  Notified,
} from '../server/model/hook.js'
import type { HookTransport } from './transport.js'

/** What became of a call: of a hook that decides, or of a notification. */
export type HookOutcome = 'accepted' | 'refused' | Notified['kind']

/** Called after each call of a hook, with the milliseconds that it took. */
export type HookCalled = (event: HookEvent, outcome: HookOutcome, ms: number) => void

export interface Watch {
  readonly called: HookCalled
  /** Null where there are no traces. */
  readonly traces: HookTraces | null
}

/** A transport whose calls are counted, and traced. */
export class WatchedTransport implements HookTransport {
  readonly name: string
  readonly #transport: HookTransport
  readonly #watch: Watch

  constructor(transport: HookTransport, watch: Watch) {
    this.name = transport.name
    this.#transport = transport
    this.#watch = watch
  }

  get url(): URL | null {
    return this.#transport.url
  }

  listensTo(event: HookEvent): boolean {
    return this.#transport.listensTo(event)
  }

  decide(call: HookCall<DecidingEvent>): Promise<HookDecision> {
    const work = (): Promise<HookDecision> => this.#transport.decide(call)
    return this.#run(call, work, ({ refuse }) => (refuse ? 'refused' : 'accepted'))
  }

  notify(...[call, delivery]: Parameters<HookTransport['notify']>): Promise<Notified> {
    return this.#run(
      call,
      () => this.#transport.notify(call, delivery),
      ({ kind }) => kind,
    )
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  #run<T>(call: HookCall, work: () => Promise<T>, outcomeOf: (result: T) => HookOutcome): Promise<T> {
    const { traces } = this.#watch
    const counted = (): Promise<T> => this.#count(call.event, work, outcomeOf)
    if (!traces) return counted()
    const run = { event: call.event, endpoint: this.name, uploadId: call.upload.id, url: this.url }
    return traces.hook(run, counted, outcomeOf)
  }

  async #count<T>(
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
      this.#watch.called(event, outcome, performance.now() - startedAtMs)
    }
  }
}
