import type { Status } from './api.js'

/** The slots of all nodes, and the uploads that have them. All nodes have the same settings. */
export function slotsOfAllNodes({ slots, active, cluster }: Status): Pick<Status, 'slots' | 'active'> {
  if (!cluster) return { slots, active }
  const all = [...active, ...cluster.active]
  const limit = cluster.slots?.limit ?? slots.limit * Math.max(1, cluster.nodes?.length ?? 1)
  // What the other nodes say of their uploads comes a moment later than what they have taken.
  const taken = Math.max(cluster.slots?.taken ?? 0, slots.taken + cluster.active.length)
  return { slots: { ...slots, taken: Math.min(taken, limit), limit }, active: all }
}
