import type { Config } from './config.js'
import type { RecordStore } from './model/record-store.js'
import { readVersion } from './version.js'
import type { Vitals } from './vitals.js'

interface Limited {
  readonly taken: number
  readonly limit: number
}

/** The parts whose numbers are shown. */
interface Counted {
  readonly arena: { readonly blocks: number; readonly free: number; readonly blockBytes: number }
  readonly downloads: Limited
  readonly events: Limited
  /** The uploads that receive now. */
  readonly active: () => readonly object[]
  readonly engine: { readonly space: object }
  /** Null where there are no hooks. */
  readonly deliveries: { readonly numbers: object } | null
  /** Long bodies take the lane. */
  readonly lane: boolean
  readonly records: Pick<RecordStore, 'stats'>
  readonly config: Pick<Config, 'database'>
  readonly slots: Limited & { readonly waiting: number }
  readonly unfinished: { readonly size: number; readonly limit: number }
  readonly vitals: Vitals
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
}

interface Connections {
  readonly open: number
  readonly limit: number
  /** Requests that ended by a fault of our own. */
  readonly faults: number
}

/** Returns what makes the answer to `GET /api/status`: what is taken of each limit now, and how the process fares. */
export function createStatus(parts: Counted, connectionsOf: () => Connections): () => object {
  const {
    active,
    arena,
    config,
    deliveries,
    downloads,
    events,
    engine,
    lane,
    records,
    slots,
    unfinished,
    vitals,
    monotonic,
  } = parts
  const startedAtMs = monotonic()
  const version = readVersion()
  return () => {
    const connections = connectionsOf()
    return {
      version,
      uptimeSeconds: Math.round((monotonic() - startedAtMs) / 1000),
      connections: { open: connections.open, limit: connections.limit },
      faults: { requests: connections.faults },
      slots: { taken: slots.taken, limit: slots.limit, waiting: slots.waiting },
      active: active(),
      downloads: { taken: downloads.taken, limit: downloads.limit },
      eventStreams: { taken: events.taken, limit: events.limit },
      lane: lane ? 'on' : 'off',
      arena: { blocks: arena.blocks, free: arena.free, blockBytes: arena.blockBytes },
      uploads: { unfinished: unfinished.size, limit: unfinished.limit },
      records: { queued: records.stats.queued, lagMs: records.stats.lagMs },
      ...(config.database === 'sqlite'
        ? {}
        : { database: { kind: 'postgres', trouble: records.stats.trouble } }),
      ...(deliveries ? { deliveries: deliveries.numbers } : {}),
      eventLoop: vitals.eventLoop(),
      memory: vitals.memory(),
      disk: engine.space,
    }
  }
}
