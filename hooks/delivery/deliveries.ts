import type { HookCall, HookUpload, TellingEvent } from '../../server/model/hook.js'
import type { Log } from '../../server/model/log.js'
import type { Sql } from '../../server/model/sql.js'
import type { DeliveryPage, DeliveryState, DeliveryView } from './delivery.js'

/** What both ways to keep deliveries need. */
export interface DeliveryTools {
  /** An upload by what is stored of it; null where it is not finished. Rejects where that cannot be read now. */
  readonly finished: (uploadId: string) => Promise<HookUpload | null>
  /** An endpoint asks to end an upload and to remove it. Never throws. */
  readonly stopUpload: (uploadId: string) => void
  /** Between two `post-receive` of one upload. */
  readonly progressIntervalMs: number
  /** Limited in rate: clients can cause its lines. */
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** What deliveries need of the cluster that this node has joined. */
export interface DeliveryCluster {
  readonly sql: Sql
  /** The id of this node's row in `nodes`; undefined while it has no lease. */
  readonly nodeId: string | undefined
}

/** What `GET /api/status` shows. */
export interface DeliveryNumbers {
  /** Uploads with events that an endpoint does not have yet. */
  readonly pending: number
  /** Deliveries that are not tried any more. */
  readonly failed: number
  /** The endpoints that answered 410. */
  readonly stopped: readonly string[]
}

/**
 * Keeps what happened to uploads until endpoints have it; README.md says what holds. What is kept lies in files of the
 * data folder (file-deliveries.ts), or in PostgreSQL where several nodes serve the same uploads (postgres/).
 */
export interface Deliveries {
  /** Tells whether an endpoint listens to an event; where none does nothing needs to be prepared for it. */
  listensTo(event: TellingEvent): boolean
  /** Sends an event to every endpoint that listens to it. Never waits and never throws. */
  notify(call: HookCall<TellingEvent>): void
  /**
   * Begins what `intend` waits for, because the upload will probably be finished soon: `intend` or `withdraw` must
   * follow. Never waits and never throws.
   */
  expect(uploadId: string): void
  /** What was expected did not come. Never waits and never throws. */
  withdraw(uploadId: string): void
  /**
   * Marks that an upload is being finished, before what is stored of it says that it is: so its `post-finish` is
   * delivered whatever crashes afterwards, if and only if the upload is finished then. `confirm`, `failed` or `forget`
   * must follow. Rejects where the mark cannot be written; then it is as if it had not been called.
   */
  intend(uploadId: string): Promise<void>
  /** The upload is finished: its event goes out; false where that was not intended. Never waits and never throws. */
  confirm(call: HookCall<'post-finish'>): boolean
  /**
   * What was intended failed. Where the upload may be finished all the same its mark stays: it is looked at later, or the
   * next try goes on with it. Never rejects.
   */
  failed(uploadId: string): Promise<void>
  /** The upload is not finished any more: it was removed, or has fallen back. Never waits and never throws. */
  forget(uploadId: string): void
  /**
   * Resolves once the event of an upload's finish is kept. In files also once it waits in memory because the disk takes
   * nothing. Before that nothing but what is stored of the upload says that there is one. Never rejects.
   */
  written(uploadId: string): Promise<void>
  /** Another node may go on with an upload once this resolves: its events stay in order. Never rejects. */
  settled(uploadId: string): Promise<void>
  /**
   * A page of deliveries: pending ones by their ids, which sort by the days of their uploads; others the latest first.
   * `next` is the `afterId` of the next page. Rejects where they cannot be read now.
   */
  list(state: DeliveryState, afterId: string | undefined, limit: number): Promise<DeliveryPage>
  /** Tries a delivery again at once, under its id; undefined where there is none. Rejects where that cannot be noted. */
  resend(id: string): Promise<DeliveryView | undefined>
  readonly numbers: DeliveryNumbers
  /** Ends what runs, for at most `withinMs`. What no endpoint has then stays kept. Never rejects. */
  close(withinMs: number): Promise<void>
}
