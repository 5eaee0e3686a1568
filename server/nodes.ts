import type { OwnerSlots } from '../hooks/owner-slots.js'
import type { Cluster } from './cluster/cluster.js'
import type { ClusterEvents } from './cluster/events.js'
import type { ClusterStatus } from './model/cluster.js'
import type { EventKind } from './model/event.js'
import { isUnfinished, type UploadRecord } from './model/record.js'
import { type LiveUploads, restView, type UploadState } from './model/upload-state.js'
import { onceASecond } from './once-a-second.js'
import type { FrontDoorOptions } from './tus/front-door.js'
import { activeElsewhere } from './uploads/active-uploads.js'
import type { Elsewhere } from './uploads/elsewhere.js'
import { uploadsInMemory } from './uploads/live-view.js'
import type { Unfinished } from './uploads/unfinished.js'
import type { Uploads } from './uploads/uploads.js'

/** How often this node sends the progress of its uploads to the other nodes; less often where they are many. */
const PROGRESS_MS = 500
const MOST_PROGRESS_MS = 2_000
const PROGRESS_MS_PER_UPLOAD = 5
/** How long `GET /api/status` waits for PostgreSQL. */
const STATUS_WITHIN_MS = 1_000

type ClusterParts = Pick<Cluster, 'isMember' | 'name' | 'nodes' | 'slots' | 'sql' | 'tokens'> & {
  readonly events: Pick<ClusterEvents, 'listen' | 'send'>
}

interface NodesParts {
  /** Null where the storage belongs to this server alone. */
  readonly cluster: ClusterParts | null
  readonly slots: Pick<OwnerSlots, 'take' | 'tryTake'>
  readonly slotWaitMs: number
  readonly uploads: Pick<Uploads, 'peek' | 'receiving'>
  readonly unfinished: Unfinished
  /** Takes what happened to an upload on another node. */
  readonly take: (kind: EventKind, state: UploadState) => void
  /** Something happened on another node, and nobody knows what. */
  readonly reset: () => void
  readonly monotonic: () => number
  readonly log: { error(fields: object, message: string): void }
}

/** What this server and the other nodes know of each other. */
export interface Nodes {
  /** The uploads of all nodes whose state is newer than the index has it. */
  readonly live: LiveUploads
  /** What a request with a body needs. */
  readonly slots: FrontDoorOptions['slots']
  /** Takes what happens to uploads here. */
  readonly note: (event: { readonly kind: EventKind; readonly record: UploadRecord }) => void
  /** Null without a cluster. */
  readonly status: (() => Promise<ClusterStatus>) | null
  /** Stops sending progress to other nodes, and counting. */
  readonly stop: () => void
}

/** Connects a server to the other nodes, where there may be any. What is needed for them is loaded then. */
export async function createNodes(parts: NodesParts): Promise<Nodes> {
  const { cluster, slots, uploads, monotonic } = parts
  const live = uploadsInMemory(uploads, monotonic)
  if (!cluster) return { live, slots, note: () => {}, status: null, stop: () => {} }
  return amongNodes(cluster, live, parts)
}

async function amongNodes(
  cluster: ClusterParts,
  own: LiveUploads,
  { slots, slotWaitMs, take, reset, unfinished, monotonic, log }: NodesParts,
): Promise<Nodes> {
  const { Elsewhere, uploadsOfAllNodes } = await import('./uploads/elsewhere.js')
  const { SharedSlots } = await import('../hooks/shared-slots.js')
  const { countAllUnfinished } = await import('./uploads/unfinished-elsewhere.js')
  const { countUnfinished } = await import('./records/postgres/unfinished-count.js')
  const elsewhere = new Elsewhere(monotonic)
  const tokenOf = (id: string): number | null => cluster.tokens.of(id) ?? null
  const send = (kind: EventKind, state: UploadState): void => {
    // Without a lease another node may have taken the upload: what this one knows of it is old.
    if (cluster.isMember) cluster.events.send({ kind, state, token: tokenOf(state.id) })
  }
  cluster.events.listen({
    heard: (event) => {
      // It may have been received here before. Where the event is missed, the upload stays until it is due.
      if (!isUnfinished(event.state.state)) unfinished.delete(event.state.id)
      if (elsewhere.hear(event)) take(event.kind, event.state)
    },
    missed: () => {
      elsewhere.clear()
      reset()
    },
  })
  const stop = repeated(log, () => {
    if (elsewhere.sweep()) reset()
    const receiving = own.receiving()
    for (const state of receiving) send('progress', state)
    return Math.max(PROGRESS_MS, Math.min(MOST_PROGRESS_MS, PROGRESS_MS_PER_UPLOAD * receiving.length))
  })
  const count = () => countUnfinished(cluster.sql)
  const stopCounting = countAllUnfinished({ count, unfinished, monotonic, log })
  const shared = { own: slots, waitMs: slotWaitMs, monotonic }
  return {
    live: uploadsOfAllNodes(own, elsewhere),
    slots: cluster.slots ? new SharedSlots({ ...shared, cluster: cluster.slots }) : slots,
    note: ({ kind, record }) => {
      // Nothing has happened to the upload: its record is made right.
      if (kind === 'restated') return
      const token = tokenOf(record.id)
      // The lock was lost while bytes came: the node has a new lease, perhaps, and not this upload.
      if (kind === 'progress' && token === null) return
      elsewhere.note(record, token)
      send(kind, restView(record))
    },
    status: createClusterStatus(cluster, { elsewhere, monotonic }),
    stop: () => {
      stop()
      stopCounting()
    },
  }
}

function createClusterStatus(
  cluster: ClusterParts,
  { elsewhere, monotonic }: { elsewhere: Elsewhere; monotonic: () => number },
): () => Promise<ClusterStatus> {
  const nodesNow = onceASecond(() => cluster.nodes().catch(() => null), {
    ...{ withinMs: STATUS_WITHIN_MS, late: null, monotonic },
  })
  return async () => {
    const nodes = await nodesNow()
    const taken = nodes?.reduce((sum, node) => sum + node.slots, 0) ?? null
    return {
      name: cluster.name,
      isMember: cluster.isMember,
      nodes,
      slots: cluster.slots ? { taken, limit: cluster.slots.limit } : null,
      active: activeElsewhere(elsewhere.states()),
    }
  }
}

/** Calls `work` again and again, each time as many milliseconds later as it returns. Returns what ends it. */
function repeated(log: NodesParts['log'], work: () => number): () => void {
  let timer: NodeJS.Timeout | undefined
  const run = (): void => {
    let pauseMs = MOST_PROGRESS_MS
    try {
      pauseMs = work()
    } catch (error) {
      log.error({ err: error }, 'other nodes could not be told how far uploads are')
    }
    timer = setTimeout(run, pauseMs)
  }
  timer = setTimeout(run, PROGRESS_MS)
  return () => clearTimeout(timer)
}
