import { UploadError } from '../errors.js'
import type { ClusterLocks, EndCause, Held } from '../model/cluster.js'
import type { UploadRequest } from '../model/request.js'
import { SqlError } from '../model/sql.js'

/** Who has an upload in this node. */
export interface Holder {
  /** The holder; undefined while that is the server itself. */
  request: UploadRequest | undefined
  /** The lock of all nodes, where there are others. */
  shared: Held | undefined
  /** Another node has asked for the upload. */
  isAsked: boolean
}

/** How long whoever has an upload here waits for the other nodes. */
export interface Waiting {
  readonly shared: ClusterLocks
  /** By `performance.now()`. */
  readonly deadlineMs: number
}

/** Takes the lock of all nodes for a holder; false where another node has it. Rejects with storage_unavailable. */
export async function tryShared(id: string, holder: Holder, shared: ClusterLocks): Promise<boolean> {
  holder.shared = await shared.tryAcquire(id, endingOf(holder)).catch(unavailable)
  return holder.shared !== undefined
}

/** The same, and asks the node that has it. Rejects with upload_locked and storage_unavailable. */
export async function waitShared(id: string, holder: Holder, { shared, deadlineMs }: Waiting): Promise<void> {
  const leftMs = Math.max(0, deadlineMs - performance.now())
  holder.shared = await shared.acquire(id, endingOf(holder), leftMs).catch(unavailable)
  if (!holder.shared) throw new UploadError('upload_locked', { detail: 'another node has the upload' })
}

/** What a request of another node, or the loss of the lease, does to whoever has the upload here. */
function endingOf(holder: Holder): (cause: EndCause) => void {
  const { request } = holder
  return (cause) => {
    holder.isAsked ||= cause === 'asked'
    request?.interrupt()
  }
}

function unavailable(error: unknown): never {
  throw error instanceof SqlError ? new UploadError('storage_unavailable', { cause: error }) : error
}
