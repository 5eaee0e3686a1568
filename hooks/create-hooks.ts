import { resolve } from 'node:path'
import type { Config } from '../server/config.js'
import { type Decider, type DecidingEvent, isHookEvent } from '../server/model/hook.js'
import type { Log } from '../server/model/log.js'
import { HookDecider } from './decider.js'
import { HttpHooks } from './http/http-hooks.js'
import { loadHooks, ModuleHooks } from './module.js'
import type { HookTransport } from './transport.js'

export interface HooksTools {
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Called with each deciding hook that was asked and what became of it. */
  readonly asked: (event: DecidingEvent, outcome: 'accepted' | 'refused' | 'failed') => void
}

/** The user's hooks as the settings name them. */
export interface UserHooks {
  readonly decider: Decider
  /** Who is told of what happened. */
  readonly endpoints: readonly HookTransport[]
  /** Ends what is being asked and told. */
  close(): Promise<void>
}

/** Makes the hooks of the settings; null where there are none. Rejects with one line where the module is not usable. */
export async function createHooks(
  config: Config,
  { log, now, asked }: HooksTools,
): Promise<UserHooks | null> {
  const endpoints: HookTransport[] = []
  if (config.hooksModule !== null) {
    const hooks = await loadHooks(config.hooksModule)
    endpoints.push(new ModuleHooks(hooks, { timeoutMs: config.hooksTimeoutMs, log }))
  }
  if (config.hooksHttp !== null) endpoints.push(receiver(config, config.hooksHttp, now))
  if (endpoints.length === 0) return null
  return {
    decider: new HookDecider({ transports: endpoints, onFailure: config.hooksOnFailure, log, asked }),
    endpoints,
    async close() {
      await Promise.all(endpoints.map((endpoint) => endpoint.close()))
    },
  }
}

function receiver(config: Config, url: string, now: () => number): HttpHooks {
  return new HttpHooks({
    url,
    dataDir: resolve(config.dataDir),
    events: config.hooksEnabledEvents.filter(isHookEvent),
    secrets: config.hooksHttpSecret?.split(/[\s,]+/) ?? [],
    forwardHeaders: config.hooksHttpForwardHeaders,
    retries: config.hooksHttpRetry,
    backoffMs: config.hooksHttpBackoffMs,
    timeoutMs: config.hooksHttpTimeoutMs,
    sizeLimit: config.hooksHttpSizeLimit,
    passes4xx: config.hooksHttpPass4xx,
    now,
  })
}
