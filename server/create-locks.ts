import type { Sharing } from './storage.js'
import { type LockLimits, UploadLocks } from './tus/locker.js'
import type { LadingStore } from './uploads/store.js'
import { within } from './within.js'

/** Longer than the lease of a node: whoever asks while one has just died sees a slow answer, and no error. */
const SHARED_WAIT_MS = 15_000
/** How long an upload is kept from other nodes for its events. */
const EVENTS_WITHIN_MS = 2_000

/**
 * The locks of uploads: those of this server, or those of all nodes where it shares its uploads with others. An upload is
 * given to another node once `events` says that what happened to it here is kept.
 */
export function createLocks(
  limits: LockLimits,
  sharing: Sharing | null,
  store: () => Pick<LadingStore, 'mayInterrupt' | 'uploads'>,
  events?: { settled(id: string): Promise<void> },
): UploadLocks {
  const mayInterrupt: ConstructorParameters<typeof UploadLocks>[1] = (id, { principal }) =>
    store().mayInterrupt(id, principal)
  if (!sharing) return new UploadLocks(limits, mayInterrupt)
  const shared = sharing.locks({
    isInMemory: (id) => store().uploads.isInMemory(id),
    offsetOf: (id) => store().uploads.offsetOf(id),
    forget: (id) => store().uploads.forget(id),
    // Another node's events of the upload come behind those of this one, unless these cannot be written now.
    saved: (id) =>
      store()
        .uploads.saved(id)
        .finally(() => events && within(EVENTS_WITHIN_MS, events.settled(id))),
  })
  return new UploadLocks({ ...limits, waitMs: SHARED_WAIT_MS }, mayInterrupt, shared)
}
