import { Counter, Gauge, type Registry } from 'prom-client'
import type { RecordStore } from '../model/record-store.js'

interface Limited {
  readonly taken: number
  readonly limit: number
}

/** The parts whose numbers are read. */
export interface Watched {
  readonly version: string
  readonly minFreeBytes: number
  readonly connections: { readonly open: number; readonly limit: number; readonly faults: number }
  readonly slots: Limited & { readonly waiting: number }
  /** `status` is null without a cluster. */
  readonly nodes: { readonly status: (() => Promise<ClusterNumbers>) | null }
  readonly downloads: Limited
  readonly events: Limited
  readonly unfinished: { readonly size: number; readonly limit: number }
  readonly arena: { readonly blocks: number; readonly free: number; readonly blockBytes: number }
  readonly records: Pick<RecordStore, 'stats'>
  readonly engine: {
    readonly space: { readonly freeBytes: number; readonly freeInodes: number | null }
    readonly backlogBytes: number
    isFull(): Promise<boolean>
  }
  /** Null where there are no hooks. */
  readonly deliveries: {
    readonly numbers: {
      readonly pending: number
      readonly failed: number
      readonly stopped: readonly string[]
    }
  } | null
  readonly vitals: {
    eventLoop(): { readonly p50Ms: number; readonly p99Ms: number }
    process(): ProcessNumbers
  }
}

interface ClusterNumbers {
  readonly isMember: boolean
  readonly nodes: readonly object[] | null
  readonly slots: { readonly taken: number | null; readonly limit: number } | null
}

interface ProcessNumbers {
  readonly nodeVersion: string
  readonly userCpuSeconds: number
  readonly systemCpuSeconds: number
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  readonly externalBytes: number
  /** Null where the system does not say. */
  readonly openFiles: number | null
  /** Infinity without a limit. */
  readonly openFilesLimit: number
  /** Since 1970. */
  readonly startedAtSeconds: number
}

/** A number now; null where there is none. */
type Reading = (parts: Watched) => number | null | Promise<number | null>
type Numbers = Readonly<Record<string, readonly [help: string, read: Reading]>>

const GAUGES: Numbers = {
  lading_connections_open: ['Connections that are open', (parts) => parts.connections.open],
  lading_connections_limit: ['Connections that may be open', (parts) => parts.connections.limit],
  lading_slots_taken: ['Uploads that have a slot', (parts) => parts.slots.taken],
  lading_slots_limit: ['Slots', (parts) => parts.slots.limit],
  lading_slots_waiting: ['Requests that wait for a slot', (parts) => parts.slots.waiting],
  lading_downloads_taken: ['Downloads that run', (parts) => parts.downloads.taken],
  lading_downloads_limit: ['Downloads that may run', (parts) => parts.downloads.limit],
  lading_event_streams_open: ['Event streams that are open', (parts) => parts.events.taken],
  lading_uploads_unfinished: ['Uploads that are unfinished', (parts) => parts.unfinished.size],
  lading_uploads_unfinished_limit: ['Uploads that may be unfinished', (parts) => parts.unfinished.limit],
  lading_arena_blocks: ['Blocks of memory for bodies', (parts) => parts.arena.blocks],
  lading_arena_blocks_free: ['Blocks that no body has', (parts) => parts.arena.free],
  lading_arena_block_size_bytes: ['Bytes of a block', (parts) => parts.arena.blockBytes],
  lading_records_queued: ['Records that wait for the database', ({ records }) => records.stats.queued],
  lading_records_queued_bytes: ['Their bytes in memory', ({ records }) => records.stats.queuedBytes],
  lading_records_lag_seconds: [
    'How long the oldest of them has waited',
    ({ records }) => records.stats.lagMs / 1000,
  ],
  lading_digest_backlog_bytes: [
    'Bytes that wait to be written and digested; each upload with an open file counts as one block',
    ({ engine }) => engine.backlogBytes,
  ],
  lading_disk_free_bytes: ['Bytes that the disk of the data folder has free', freeBytes],
  lading_disk_free_inodes: ['Inodes that it has free', ({ engine }) => engine.space.freeInodes],
  lading_disk_min_free_bytes: ['What --min-free keeps free', (parts) => parts.minFreeBytes],
  lading_deliveries_pending: [
    'Uploads with events that an endpoint does not have yet',
    ({ deliveries }) => deliveries?.numbers.pending ?? 0,
  ],
  lading_deliveries_failed: [
    'Deliveries that are not tried any more',
    ({ deliveries }) => deliveries?.numbers.failed ?? 0,
  ],
  lading_deliveries_endpoints_stopped: [
    'Endpoints that answered 410 and are not called any more',
    ({ deliveries }) => deliveries?.numbers.stopped.length ?? 0,
  ],
  process_resident_memory_bytes: ['Resident memory', ({ vitals }) => vitals.process().residentBytes],
  process_open_fds: ['Open files and sockets', ({ vitals }) => vitals.process().openFiles],
  process_max_fds: ['Files and sockets that may be open', ({ vitals }) => vitals.process().openFilesLimit],
  process_start_time_seconds: [
    'When the process began, since 1970',
    ({ vitals }) => vitals.process().startedAtSeconds,
  ],
  nodejs_heap_size_used_bytes: ['Heap that is used', ({ vitals }) => vitals.process().heapUsedBytes],
  nodejs_heap_size_total_bytes: ['Heap', ({ vitals }) => vitals.process().heapTotalBytes],
  nodejs_external_memory_bytes: ['Memory beside the heap', ({ vitals }) => vitals.process().externalBytes],
}

/** Those of a cluster; without one they are left out. */
export const CLUSTER_GAUGES: Numbers = {
  lading_cluster_member: [
    '1 while this node has a lease in the database',
    async (parts) => Number((await clusterOf(parts))?.isMember),
  ],
  lading_cluster_nodes: [
    'Nodes that have leases',
    async (parts) => (await clusterOf(parts))?.nodes?.length ?? null,
  ],
  lading_cluster_slots_taken: [
    'Slots of all nodes together that uploads have',
    async (parts) => (await clusterOf(parts))?.slots?.taken ?? null,
  ],
  lading_cluster_slots_limit: [
    'Slots of all nodes together',
    async (parts) => (await clusterOf(parts))?.slots?.limit ?? null,
  ],
}

/** Numbers that only grow, and that their parts count. */
const TOTALS: Numbers = {
  lading_request_faults_total: [
    'Requests that ended by a fault of the server',
    (parts) => parts.connections.faults,
  ],
  lading_records_dropped_total: [
    'Records that were dropped because their queue was full; a reindex restores them',
    ({ records }) => records.stats.dropped,
  ],
  process_cpu_user_seconds_total: ['CPU time in user mode', ({ vitals }) => vitals.process().userCpuSeconds],
  process_cpu_system_seconds_total: [
    'CPU time in the system',
    ({ vitals }) => vitals.process().systemCpuSeconds,
  ],
  process_cpu_seconds_total: [
    'CPU time',
    ({ vitals }) => vitals.process().userCpuSeconds + vitals.process().systemCpuSeconds,
  ],
}

/** Adds what is read from the parts with each scrape. */
export function addGauges(registry: Registry, parts: Watched): void {
  const registers = [registry]
  const gauges = parts.nodes.status ? { ...GAUGES, ...CLUSTER_GAUGES } : GAUGES
  for (const [name, [help, read]] of Object.entries(gauges)) {
    const gauge: Gauge = new Gauge({
      ...{ name, help, registers },
      async collect() {
        const value = await read(parts)
        // What the cluster does not say now is left out; what a system never says is 0.
        if (value === null && name in CLUSTER_GAUGES) gauge.remove()
        else gauge.set(value ?? 0)
      },
    })
  }
  for (const [name, [help, read]] of Object.entries(TOTALS)) {
    const counter: Counter = new Counter({
      ...{ name, help, registers },
      async collect() {
        const value = await read(parts)
        counter.reset()
        counter.inc(value ?? 0)
      },
    })
  }
  const delay: Gauge<'quantile'> = new Gauge({
    name: 'lading_event_loop_delay_seconds',
    help: 'Delay of the event loop in the last one to two minutes',
    labelNames: ['quantile'],
    registers,
    collect() {
      const { p50Ms, p99Ms } = parts.vitals.eventLoop()
      delay.set({ quantile: '0.5' }, p50Ms / 1000)
      delay.set({ quantile: '0.99' }, p99Ms / 1000)
    },
  })
  const build = new Gauge({
    name: 'lading_build_info',
    help: 'Always 1; the labels are the versions of Lading and of Node',
    labelNames: ['version', 'node'],
    registers,
  })
  build.set({ version: parts.version, node: parts.vitals.process().nodeVersion }, 1)
}

async function clusterOf({ nodes }: Watched): Promise<ClusterNumbers | undefined> {
  return nodes.status?.()
}

/** The disk is asked at most once a second; where it does not answer, its last number counts. */
async function freeBytes({ engine }: Watched): Promise<number> {
  await engine.isFull().catch(() => false)
  return engine.space.freeBytes
}
