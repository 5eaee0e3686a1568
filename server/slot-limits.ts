import type { Config } from './config.js'

/** The slots of the server and of each owner, and how long a request waits for one, as the settings say. */
export function slotLimits({ slots, slotsPerOwner, slotWaitMs }: Config) {
  return { limit: slots, limitPerOwner: slotsPerOwner === 'auto' ? slots : slotsPerOwner, waitMs: slotWaitMs }
}
