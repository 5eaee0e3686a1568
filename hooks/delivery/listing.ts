import type {
  Delivery,
  DeliveryPage,
  DeliveryState,
  DeliveryView,
  EndedDelivery,
  PendingDelivery,
} from './delivery.js'
import { uploadOfDelivery } from './delivery.js'
import { byEnd, type History } from './history.js'
import type { Spool } from './spool.js'

/** An endpoint, as far as its deliveries are listed. */
interface Listed {
  readonly name: string
  readonly spool: Pick<Spool, 'ids' | 'look'>
  readonly failed: Pick<History, 'find' | 'newest'>
  readonly done: Pick<History, 'find' | 'newest'>
}

interface Place {
  readonly afterId: string | undefined
  readonly limit: number
}

/**
 * A page of the deliveries of all endpoints: pending ones in the order of their uploads' ids, others the latest
 * first. It reads from the disk and holds no more than a page in memory. Rejects with the system's error.
 */
export async function pageOf(
  endpoints: readonly Listed[],
  state: DeliveryState,
  place: Place,
): Promise<DeliveryPage> {
  const views =
    state === 'pending' ? await pendingViews(endpoints, place) : await endedViews(endpoints, state, place)
  const deliveries = views.slice(0, place.limit)
  return { deliveries, next: views.length > place.limit ? (deliveries.at(-1)?.id ?? null) : null }
}

/** A pending delivery as the API shows it. */
export function viewOfPending(endpoint: string, delivery: Delivery & { nextAtMs?: number }): DeliveryView {
  const { nextAtMs = 0, createdAt } = delivery
  const nextAttemptAt = nextAtMs === 0 ? createdAt : new Date(nextAtMs).toISOString()
  return { ...viewOf(endpoint, delivery), state: 'pending', nextAttemptAt, deliveredAt: null }
}

async function pendingViews(
  endpoints: readonly Listed[],
  { afterId, limit }: Place,
): Promise<DeliveryView[]> {
  const fromUpload = afterId === undefined ? '' : uploadOfDelivery(afterId)
  const uploadIds = new Set<string>()
  for (const { spool } of endpoints)
    for (const id of await lowestIds(spool, fromUpload, limit + 2)) uploadIds.add(id)
  const views: DeliveryView[] = []
  for (const uploadId of [...uploadIds].sort()) {
    if (views.length > limit) break
    const found = await Promise.all(endpoints.map((endpoint) => pendingOf(endpoint, uploadId)))
    // The ids of one upload's deliveries sort by their time.
    const ofUpload = found.flat().sort((one, other) => (one.id < other.id ? -1 : 1))
    views.push(
      ...ofUpload.filter(({ id }) => uploadId !== fromUpload || afterId === undefined || id > afterId),
    )
  }
  return views
}

async function pendingOf({ name, spool }: Listed, uploadId: string): Promise<DeliveryView[]> {
  const pending: PendingDelivery[] = await spool.look(uploadId)
  return pending.map((delivery) => viewOfPending(name, delivery))
}

/** The lowest of the ids from this one on: the folder gives them in no order. */
async function lowestIds(spool: Pick<Spool, 'ids'>, from: string, most: number): Promise<string[]> {
  let lowest: string[] = []
  for await (const id of spool.ids()) {
    if (id < from) continue
    lowest.push(id)
    if (lowest.length >= most * 4) lowest = lowest.sort().slice(0, most)
  }
  return lowest.sort().slice(0, most)
}

async function endedViews(
  endpoints: readonly Listed[],
  state: 'failed' | 'done',
  { afterId, limit }: Place,
): Promise<DeliveryView[]> {
  const before = afterId === undefined ? undefined : await findEnded(endpoints, state, afterId)
  if (afterId !== undefined && !before) return []
  const found = await Promise.all(
    endpoints.map(async (endpoint) => {
      const ended = await endpoint[state].newest(before, limit + 1)
      return ended.map((delivery) => ({ name: endpoint.name, delivery }))
    }),
  )
  const latestFirst = found.flat().sort((one, other) => byEnd(other.delivery, one.delivery))
  return latestFirst.map(({ name, delivery }) => {
    const deliveredAt = state === 'done' ? delivery.endedAt : null
    return { ...viewOf(name, delivery), state, nextAttemptAt: null, deliveredAt }
  })
}

async function findEnded(
  endpoints: readonly Listed[],
  state: 'failed' | 'done',
  id: string,
): Promise<EndedDelivery | undefined> {
  for (const endpoint of endpoints) {
    const found = await endpoint[state].find(id)
    if (found) return found
  }
  return undefined
}

function viewOf(endpoint: string, { id, call, attempts, createdAt, lastError }: Delivery) {
  const { event, upload } = call
  return { id, endpoint, event, uploadId: upload.id, attempts, createdAt, lastError }
}
