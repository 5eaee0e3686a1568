import { join, resolve } from 'node:path'
import type { Config } from '../server/config.js'
import type { EventListener } from '../server/model/event.js'
import { type Decider, type HookCall, type HookUpload, isHookEvent } from '../server/model/hook.js'
import type { Log } from '../server/model/log.js'
import { HookDecider } from './decider.js'
import type { Deliveries, DeliveryCluster } from './delivery/deliveries.js'
import { FileDeliveries } from './delivery/file-deliveries.js'
import { listenerOf } from './event-listener.js'
import { HttpHooks } from './http/http-hooks.js'
import { loadHooks, ModuleHooks } from './module.js'
import type { HookTransport } from './transport.js'
import { type Watch, WatchedTransport } from './watched-transport.js'

const CLOSE_WITHIN_MS = 1_000

export interface HooksTools extends Watch {
  /** Limited in rate: clients can cause its lines. */
  readonly faults: Log
  /** Writes one line of a kind, and counts those that follow. */
  readonly refusals: Pick<Log, 'warn'>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** An upload by its files; null where it is not finished. Rejects where they cannot be read now. */
  readonly finished: (uploadId: string) => Promise<HookUpload | null>
  /** Ends an upload and removes it. Never throws. */
  readonly stopUpload: (uploadId: string) => void
  readonly flushFolder: (folder: string) => Promise<void>
  /** Null where this server is alone. */
  readonly cluster: DeliveryCluster | null
}

/** The user's hooks as the settings name them. */
export interface UserHooks {
  readonly decider: Decider
  readonly deliveries: Deliveries
  /** Notifies the endpoints of events. */
  readonly listener: EventListener
  /** Notifies the endpoints that bytes came; never waits. Null where nobody listens. */
  readonly received: ((call: HookCall<'post-receive'>) => void) | null
  readonly progressIntervalMs: number
  /** See Deliveries. Null where nobody listens. */
  readonly finishing: Pick<
    Deliveries,
    'expect' | 'withdraw' | 'intend' | 'confirm' | 'failed' | 'forget' | 'written'
  > | null
  /** Ends the calls that run. */
  close(): Promise<void>
}

/**
 * Makes the hooks of the settings and begins to deliver what was left undelivered; null where there are none.
 * Rejects with HookModuleError, with the system's error where the folder cannot be made, and with SqlError.
 */
export async function createHooks(config: Config, tools: HooksTools): Promise<UserHooks | null> {
  const { faults } = tools
  const endpoints = (await endpointsOf(config, tools)).map((each) => new WatchedTransport(each, tools))
  if (endpoints.length === 0) return null
  const deliveries = await startDeliveries(config, endpoints, tools)
  return {
    decider: new HookDecider({ transports: endpoints, onFailure: config.hooksOnFailure, log: faults }),
    deliveries,
    listener: listenerOf(deliveries),
    received: deliveries.listensTo('post-receive') ? (call) => deliveries.notify(call) : null,
    progressIntervalMs: config.progressHooksIntervalMs,
    finishing: deliveries.listensTo('post-finish') ? deliveries : null,
    async close() {
      await deliveries.close(CLOSE_WITHIN_MS)
      await Promise.all(endpoints.map((endpoint) => endpoint.close()))
    },
  }
}

/** Loads what keeps deliveries in PostgreSQL only where it is used. */
async function startDeliveries(
  config: Config,
  endpoints: readonly HookTransport[],
  { finished, stopUpload, flushFolder, cluster, faults, now }: HooksTools,
): Promise<Deliveries> {
  const { dataDir, durability, progressHooksIntervalMs: progressIntervalMs } = config
  const shared = { endpoints, finished, stopUpload, progressIntervalMs, log: faults, now }
  if (cluster) {
    const { SqlDeliveries } = await import('./delivery/postgres/sql-deliveries.js')
    return SqlDeliveries.start({ ...shared, cluster })
  }
  return FileDeliveries.start({
    ...shared,
    folder: join(dataDir, 'deliveries'),
    flushFolder: durability === 'off' ? null : flushFolder,
  })
}

async function endpointsOf(config: Config, tools: HooksTools): Promise<HookTransport[]> {
  const endpoints: HookTransport[] = []
  if (config.hooksModule !== null) {
    const hooks = await loadHooks(config.hooksModule)
    endpoints.push(new ModuleHooks(hooks, { timeoutMs: config.hooksTimeoutMs, log: tools.refusals }))
  }
  if (config.hooksHttp !== null) endpoints.push(receiver(config, config.hooksHttp, tools))
  return endpoints
}

function receiver(config: Config, url: string, { traces, now }: HooksTools): HttpHooks {
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
    traces,
    now,
  })
}
