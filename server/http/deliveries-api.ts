import { UploadError } from '../errors.js'

const STATES = ['pending', 'failed', 'done'] as const
type State = (typeof STATES)[number]

/** The events that endpoints have, and those that are still to be delivered. */
export interface ListedDeliveries {
  list(state: State, afterId: string | undefined, limit: number): Promise<object>
  /** Tries one again at once; undefined where there is none with this id. */
  resend(id: string): Promise<object | undefined>
}

const MOST_A_PAGE = 256
const USUAL_PAGE = 64

/** A page of deliveries: `state`, `afterId` and `limit`. Rejects with query_invalid. */
export async function listDeliveries(
  query: URLSearchParams,
  deliveries: ListedDeliveries | null,
): Promise<object> {
  const state = STATES.find((each) => each === (query.get('state') ?? 'pending'))
  const limit = query.get('limit') ?? String(USUAL_PAGE)
  if (!state || !/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MOST_A_PAGE)
    throw new UploadError('query_invalid')
  if (!deliveries) return { deliveries: [], next: null }
  return deliveries.list(state, query.get('afterId') ?? undefined, Number(limit))
}

/** Tries a delivery again. Rejects with delivery_unknown. */
export async function resendDelivery(id: string, deliveries: ListedDeliveries | null): Promise<object> {
  const delivery = await deliveries?.resend(id)
  if (!delivery) throw new UploadError('delivery_unknown')
  return delivery
}
