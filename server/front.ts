import type { IncomingMessage } from 'node:http'
import type { Config } from './config.js'
import type { Exchange } from './http/exchange.js'
import { LANE_FROM_BYTES } from './http/lane.js'
import { laneWorks } from './http/lane-test.js'
import type { ListenerTools } from './http/listener.js'
import { requestFacts } from './http/request-facts.js'
import type { Router } from './http/router.js'
import { createGarbageKeeper } from './intake/garbage.js'
import type { loadMetrics } from './metrics/load.js'
import { isUploadId } from './model/upload-id.js'
import type { loadTraces } from './traces/load.js'
import type { FrontDoor } from './tus/front-door.js'

/** Takes requests: from sockets of its own, or from the server of an application. */
export type Front<F> = new (serve: (exchange: Exchange) => Promise<void>, tools: ListenerTools) => F

/** The settings, with a limit of connections that the process can have. */
export type Settings = Config & { readonly connections: number }

interface FrontParts {
  readonly config: Settings
  readonly router: Router
  readonly frontDoor: FrontDoor
  readonly metrics: Awaited<ReturnType<typeof loadMetrics>>
  readonly traces: Awaited<ReturnType<typeof loadTraces>>
  /** Long bodies take the lane. */
  readonly lane: boolean
  readonly log: ListenerTools['log']
}

/** Builds what takes requests, and has each of them counted and traced. */
export function createFront<F>(Front: Front<F>, parts: FrontParts): F {
  const { config, router, frontDoor, metrics, traces, lane, log } = parts
  const serve = (exchange: Exchange): Promise<void> => router.serve(exchange)
  const methodOf = (request: IncomingMessage): string => frontDoor.methodOf(request)
  const factsOf = ({ request }: Exchange) => requestFacts(request, { ...config, isUploadId, methodOf })
  const traced = traces?.serving(serve, factsOf) ?? serve
  const anyOrigin = config.corsOrigins.includes('*') ? { 'Access-Control-Allow-Origin': '*' } : {}
  return new Front(metrics?.counting(traced, methodOf) ?? traced, {
    headers: { ...frontDoor.headers, ...anyOrigin },
    limit: config.connections,
    received: createGarbageKeeper(),
    laneFromBytes: lane ? LANE_FROM_BYTES : Infinity,
    keepAliveMs: config.keepAliveMs,
    log,
  })
}

/** Tells whether long bodies take the lane: it is on, and works on this Node. */
export async function mayUseLane(
  { lane }: Pick<Config, 'lane'>,
  log: { warn(message: string): void },
): Promise<boolean> {
  const works = lane && (await laneWorks())
  if (lane && !works) log.warn('the lane failed its self-test on this Node: long bodies take the usual way')
  return works
}
