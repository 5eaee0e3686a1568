import { DayBytes } from '../hooks/day-bytes.js'
import type { OwnerSlots } from '../hooks/owner-slots.js'
import type { Slots } from '../hooks/slots.js'
import type { Cluster } from './cluster/cluster.js'
import type { Config } from './config.js'
import type { Log } from './model/log.js'
import type { FrontDoorOptions } from './tus/front-door.js'

interface LimitParts {
  /** Null where the storage belongs to this server alone. */
  readonly cluster: Cluster | null
  readonly slots: Slots
  readonly faults: Log
  readonly now: () => number
  readonly monotonic: () => number
}

/** What one owner may have and send. */
export interface OwnerLimits {
  readonly slots: Pick<OwnerSlots, 'take' | 'tryTake'>
  readonly dayBytes: FrontDoorOptions['dayBytes']
}

/**
 * The limits of each owner: counted here, or on all nodes together where there may be any. What that needs is loaded
 * only where a limit is set: without one no request asks the database.
 */
export async function createOwnerLimits(
  { slotsPerOwner, slotWaitMs, maxBytesPerOwnerPerDay }: Config,
  { cluster, slots: own, faults, now, monotonic }: LimitParts,
): Promise<OwnerLimits> {
  let slots: OwnerLimits['slots'] = own
  if (cluster && slotsPerOwner !== 'auto') {
    const { OwnerSlots } = await import('../hooks/owner-slots.js')
    slots = new OwnerSlots({ own, cluster: cluster.ownerSlots(slotsPerOwner), waitMs: slotWaitMs, monotonic })
  }
  if (!cluster || maxBytesPerOwnerPerDay === 'off')
    return { slots, dayBytes: new DayBytes(maxBytesPerOwnerPerDay, now) }
  const { SharedDayBytes } = await import('../hooks/shared-day-bytes.js')
  return { slots, dayBytes: new SharedDayBytes(maxBytesPerOwnerPerDay, cluster.sql, faults) }
}
