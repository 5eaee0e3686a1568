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
  readonly config: Pick<Config, 'database' | 'storage'>
  readonly slots: Limited & { readonly waiting: number }
  /** `status` is null without a cluster. */
  readonly nodes: { readonly status: (() => Promise<object>) | null }
  readonly unfinished: { readonly size: number; readonly limit: number }
  readonly vitals: Vitals
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

interface Connections {
  readonly open: number
  readonly limit: number
  /** Requests that ended by a fault of our own. */
  readonly faults: number
}

/** Returns what makes the answer to `GET /api/status`: what is taken of each limit now, and how the process fares. */
export function createStatus(parts: Counted, connectionsOf: () => Connections): () => Promise<object> {
  const startedAtMs = parts.monotonic()
  const version = readVersion()
  return async () => {
    const cluster = parts.nodes.status && (await parts.nodes.status())
    const connections = connectionsOf()
    return {
      version,
      uptimeSeconds: Math.round((parts.monotonic() - startedAtMs) / 1000),
      connections: { open: connections.open, limit: connections.limit },
      faults: { requests: connections.faults },
      ...(cluster ? { cluster } : {}),
      slots: { taken: parts.slots.taken, limit: parts.slots.limit, waiting: parts.slots.waiting },
      active: parts.active(),
      downloads: { taken: parts.downloads.taken, limit: parts.downloads.limit },
      eventStreams: { taken: parts.events.taken, limit: parts.events.limit },
      lane: parts.lane ? 'on' : 'off',
      arena: { blocks: parts.arena.blocks, free: parts.arena.free, blockBytes: parts.arena.blockBytes },
      uploads: { unfinished: parts.unfinished.size, limit: parts.unfinished.limit },
      records: { queued: parts.records.stats.queued, lagMs: parts.records.stats.lagMs },
      ...(parts.config.database === 'sqlite'
        ? {}
        : { database: { kind: 'postgres', trouble: parts.records.stats.trouble } }),
      ...(parts.deliveries ? { deliveries: parts.deliveries.numbers } : {}),
      ...(parts.config.storage === 'files' ? {} : { storage: { kind: 's3', place: parts.config.storage } }),
      eventLoop: parts.vitals.eventLoop(),
      memory: parts.vitals.memory(),
      disk: parts.engine.space,
    }
  }
}
