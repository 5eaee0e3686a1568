import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as v from 'valibot'
import {
  type DecidingEvent,
  type HookCall,
  type HookDecision,
  type HookEvent,
  MOST_EXPIRE_AFTER_MS,
  type Notified,
  type TellingEvent,
} from '../server/model/hook.js'
import type { Log } from '../server/model/log.js'
import { BlockedLoop } from './blocked-loop.js'
import { HOOK_NAMES, type Hooks } from './plugin.js'
import { HooksClosed, type HookTransport } from './transport.js'

export interface ModuleOptions {
  /** How long a hook may take, in milliseconds. */
  readonly timeoutMs: number
  readonly log: Pick<Log, 'warn'>
}

/** A hook's answer as a module gives it: any value, because users write in JavaScript. */
const DecisionSchema = v.nullish(
  v.object({
    refuse: v.optional(v.boolean()),
    answer: v.optional(
      v.object({
        status: v.optional(v.number()),
        headers: v.optional(v.record(v.string(), v.string())),
        body: v.optional(v.string()),
      }),
    ),
    metadata: v.optional(v.record(v.string(), v.string())),
    id: v.optional(v.string()),
    expireAfterMs: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_EXPIRE_AFTER_MS)),
    ),
    type: v.optional(v.string()),
  }),
)

const StopSchema = v.object({ stop: v.literal(true) })

/** The functions of a user's module. */
export class ModuleHooks implements HookTransport {
  readonly name = 'module'
  readonly url = null
  readonly #hooks: Hooks
  readonly #options: ModuleOptions
  readonly #loop: BlockedLoop
  readonly #closed = new AbortController()

  constructor(hooks: Hooks, options: ModuleOptions) {
    this.#hooks = hooks
    this.#options = options
    this.#loop = new BlockedLoop((blockedMs, hooksThatRan) => {
      const message = 'the event loop was blocked while hooks ran: every upload waits for that long'
      options.log.warn({ blockedMs, hooks: hooksThatRan }, message)
    })
  }

  listensTo(event: HookEvent): boolean {
    return this.#hooks[HOOK_NAMES[event]] !== undefined
  }

  async decide(call: HookCall<DecidingEvent>): Promise<HookDecision> {
    return v.parse(DecisionSchema, await this.#call(call)) ?? {}
  }

  async notify(call: HookCall<TellingEvent>): Promise<Notified> {
    try {
      const said = await this.#call(call)
      return { kind: 'done', stop: call.event === 'post-receive' && v.is(StopSchema, said) }
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error), afterMs: null }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#loop.close()
  }

  async #call(call: HookCall): Promise<unknown> {
    const name = HOOK_NAMES[call.event]
    // A hook may use any of its events' types; the table pairs each event with its function.
    const hook: unknown = this.#hooks[name]
    if (typeof hook !== 'function') return undefined
    const ended = this.#loop.begin(name)
    try {
      return await this.#inTime(name, Promise.resolve(Reflect.apply(hook, this.#hooks, [call])))
    } finally {
      ended()
    }
  }

  /** Rejects where the hook is not done in time, or the server ends; what the hook does then is not awaited. */
  async #inTime(name: string, said: Promise<unknown>): Promise<unknown> {
    const { timeoutMs } = this.#options
    const { signal } = this.#closed
    const { promise: ended, reject: end } = rejectable()
    const timer = setTimeout(() => end(new Error(`${name} took longer than ${timeoutMs} ms`)), timeoutMs)
    const stop = (): void => end(new HooksClosed())
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      return await Promise.race([said, ended])
    } finally {
      // Also where the hook itself never ends.
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }
}

function rejectable(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject = (_error: Error): void => {}
  const promise = new Promise<never>((_resolve, rejects) => {
    reject = rejects
  })
  return { promise, reject }
}

/** The module of `--hooks` cannot be used; the message completes the sentence "--hooks …". */
export class HookModuleError extends Error {}

/**
 * Loads the module of `--hooks`. Rejects with HookModuleError where it cannot be loaded, or where its default export is
 * not an object of hooks.
 */
export async function loadHooks(path: string): Promise<Hooks> {
  let loaded: unknown
  try {
    loaded = await import(pathToFileURL(resolve(path)).href)
  } catch (error) {
    throw new HookModuleError(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  const hooks: unknown =
    typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined
  if (!isHooks(hooks))
    throw new HookModuleError(`must have a default export: an object of functions, of ${NAMES.join(', ')}`)
  return hooks
}

const NAMES: readonly string[] = Object.values(HOOK_NAMES)

function isHooks(value: unknown): value is Hooks {
  if (typeof value !== 'object' || value === null) return false
  const entries = Object.entries(value)
  return (
    entries.length > 0 && entries.every(([name, hook]) => NAMES.includes(name) && typeof hook === 'function')
  )
}
