import type { EventKind } from './event.js'
import type { ActiveUpload, UploadState } from './upload-state.js'

/**
 * Why a holder must end what it does: another node asks for it, or its lease is nearly over and cannot be renewed. After
 * `lost` nobody waits for the holder: another node takes over when the lease is over.
 */
export type EndCause = 'asked' | 'lost'

/** What a node holds for a while: an upload's lock, or a slot. */
export interface Held {
  /**
   * Grows with each holder. What is written under it names it, so that PostgreSQL refuses what a holder sends that was
   * stopped for longer than its lease.
   */
  readonly token: number
  /** False once the lease is lost, by this process's own clock; ask before each step that others must not see twice. */
  readonly isValid: boolean
  /** Gives it back; a second call does nothing. Never rejects: what PostgreSQL does not hear of ends with the lease. */
  release(): Promise<void>
}

/** Work that one node at a time does is this node's. */
export type Turn = Pick<Held, 'isValid'>

/** One writer for each upload, in all nodes together. */
export interface ClusterLocks {
  /**
   * Takes an upload's lock, and asks the node that holds it to end what it does.
   *
   * @param end called when the holder must end; `asked` perhaps more than once
   * @param waitMs how long the lock is waited for, in milliseconds
   * @returns undefined where it did not come free in time
   * @throws SqlError (rejects) where PostgreSQL cannot be asked until then
   */
  acquire(id: string, end: (cause: EndCause) => void, waitMs: number): Promise<Held | undefined>
  /** Takes an upload's lock where it is free, and asks nobody for it: for a node's work beside requests. Rejects as `acquire`. */
  tryAcquire(id: string, end: (cause: EndCause) => void): Promise<Held | undefined>
}

/** Who takes a slot. */
export interface SlotHolder {
  /** Called when the holder must end. */
  end(cause: EndCause): void
  /** Asked where another node has a slot for the same upload: may this holder end what is done there? May reject. */
  mayInterrupt(): boolean | Promise<boolean>
}

/** Slots of all nodes together: there are never more holders than slots. */
export interface ClusterSlots {
  readonly limit: number
  /**
   * Takes a slot for an upload, or waits for one in the order of this node's calls. Where a node has a slot for the same
   * upload, and `holder` may interrupt it, that node is asked to end what it does, and its slot is kept for the upload.
   *
   * @param waitMs how long a slot is waited for, in milliseconds; 0 tries once, and waits for two seconds where a node was
   *   asked to end what it does with the same upload
   * @param gone aborts the waiting
   * @returns undefined where none came free in time, or `gone` aborted
   * @throws SqlError (rejects) where PostgreSQL cannot be asked until then, and as `mayInterrupt` does
   */
  take(uploadId: string, holder: SlotHolder, waitMs: number, gone: AbortSignal): Promise<Held | undefined>
}

/** What happened to an upload on another node, or how far it is while it is received there. */
export interface ClusterEvent {
  readonly kind: EventKind
  readonly state: UploadState
  /**
   * Of the upload's lock under which it happened, so that of two nodes' events the newer is known; null where its node
   * did not hold the lock.
   */
  readonly token: number | null
  /** Names the process in which it happened. */
  readonly origin: string
}

/** Active uploads of each owner on all nodes together: no owner ever has more than its limit. */
export interface ClusterOwnerSlots {
  /**
   * Takes one of an owner's slots for an upload, or waits for one. Requests for one upload share its slot.
   *
   * @param waitMs how long a slot is waited for, in milliseconds; 0 tries once
   * @param gone aborts the waiting
   * @returns undefined where none came free in time, or `gone` aborted
   * @throws SqlError (rejects) where PostgreSQL cannot be asked until then
   */
  take(owner: string, uploadId: string, waitMs: number, gone: AbortSignal): Promise<Held | undefined>
}

/** One node, as `GET /api/status` shows it. */
export interface ClusterNodeView {
  readonly name: string
  readonly startedAt: Date
  /** How long its lease still lasts, in milliseconds; below zero where it is over. */
  readonly leaseMs: number
  readonly locks: number
  readonly slots: number
}

/** The cluster as `GET /api/status` shows it. */
export interface ClusterStatus {
  /** The name of this node. */
  readonly name: string
  /** This node has a lease: it may hold locks and slots. */
  readonly isMember: boolean
  /** Null where PostgreSQL does not say. */
  readonly nodes: readonly ClusterNodeView[] | null
  /** The slots of all nodes together; null without `--cluster-slots`. `taken` is null where PostgreSQL does not say. */
  readonly slots: { readonly taken: number | null; readonly limit: number } | null
  /** What the other nodes receive now. */
  readonly active: readonly ActiveUpload[]
}
