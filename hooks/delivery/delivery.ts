import type { HookCall, TellingEvent } from '../../server/model/hook.js'

/** What is kept of one event for one endpoint until the endpoint has it, and for some time afterwards. */
export interface Delivery {
  /** The same in each try: `msg_<upload id>_<time and random digits>`. Ids of one upload sort by their time. */
  readonly id: string
  /** ISO 8601 in UTC. */
  readonly createdAt: string
  readonly call: HookCall<TellingEvent>
  /** How often it was sent so far. */
  readonly attempts: number
  /** Why the last try failed; null where none did. */
  readonly lastError: string | null
}

/** A delivery that waits to be sent. */
export interface PendingDelivery extends Delivery {
  /** How many of the schedule's tries are over. */
  readonly step: number
  /** When the schedule tries it next, in milliseconds since 1970; 0: at once. */
  readonly nextAtMs: number
}

/** A delivery that is over: the endpoint has it, or it is not tried any more. */
export interface EndedDelivery extends Delivery {
  /** ISO 8601 in UTC. */
  readonly endedAt: string
}

/** The states of deliveries, as the API names them. */
export const DELIVERY_STATES = ['pending', 'failed', 'done'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** A delivery as the API shows it; times are ISO 8601 in UTC. */
export interface DeliveryView {
  readonly id: string
  readonly endpoint: string
  readonly event: TellingEvent
  readonly uploadId: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly createdAt: string
  readonly nextAttemptAt: string | null
  readonly lastError: string | null
  readonly deliveredAt: string | null
}

/** A page of deliveries. */
export interface DeliveryPage {
  readonly deliveries: readonly DeliveryView[]
  /** The `afterId` of the next page; null where there is none. */
  readonly next: string | null
}

const PREFIX = 'msg_'
const MOST_ERROR_CHARACTERS = 300
let made = 0

/** Makes the id of a delivery of this upload. `randomHex` makes it one that nobody can guess. */
export function createDeliveryId(uploadId: string, nowMs: number, randomHex: string): string {
  made = (made + 1) % 0x10000
  const order = nowMs.toString(16).padStart(12, '0') + made.toString(16).padStart(4, '0')
  return `${PREFIX}${uploadId}_${order}${randomHex}`
}

/** When the id of a delivery was made; ISO 8601 in UTC. */
export function createdAtOf(id: string): string {
  const order = id.slice(id.lastIndexOf('_') + 1)
  return new Date(Number.parseInt(order.slice(0, 12), 16)).toISOString()
}

/** The upload that the id of a delivery names; '' where a text is no such id. */
export function uploadOfDelivery(id: string): string {
  if (!id.startsWith(PREFIX)) return ''
  return id.slice(PREFIX.length, Math.max(PREFIX.length, id.lastIndexOf('_')))
}

/** A reason with a bounded length, in one line. */
export function shortReason(reason: string): string {
  return reason.replaceAll(/\s+/g, ' ').slice(0, MOST_ERROR_CHARACTERS)
}
