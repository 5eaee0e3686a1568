import type { HookCall, TellingEvent } from '../../server/model/hook.js'
import { TELLING_EVENTS } from '../../server/model/hook.js'
import type { Delivery, EndedDelivery, PendingDelivery } from './delivery.js'

/** What a failed try leaves in the spool. */
export interface Tried {
  readonly attempts: number
  readonly step: number
  readonly nextAtMs: number
  readonly lastError: string
}

type Kept = Pick<Delivery, 'id' | 'createdAt' | 'call'>

/** The line of a new delivery. */
export function newLine({ id, createdAt, call }: Kept): string {
  const { event, upload, request } = call
  return JSON.stringify({ id, createdAt, call: { event, upload, request } })
}

/** A call as it is kept. Without `headers` those of the client's request are left out. */
export function callText({ event, upload, request }: HookCall<TellingEvent>, headers = true): string {
  return JSON.stringify({
    event,
    upload,
    request: headers || !request ? request : { ...request, headers: {} },
  })
}

/** The call in a text of `callText`; undefined where it is none. */
export function readCall(text: string): HookCall<TellingEvent> | undefined {
  const call: unknown = fieldsOf(text)
  return isCall(call) ? { ...call, firstBytes: new Uint8Array(0) } : undefined
}

/** The line of a `post-finish` whose id is older than the finish. */
export function finishLine(id: string, call: HookCall<'post-finish'>): string {
  return newLine({ id, createdAt: finishedAtOf(call), call })
}

/** When the upload of a `post-finish` was finished; ISO 8601. */
export function finishedAtOf({ upload }: HookCall<'post-finish'>): string {
  return upload.finishedAt ?? upload.updatedAt
}

/** The line that says that a try failed. */
export function triedLine(id: string, tried: Tried): string {
  return JSON.stringify({ tried: id, ...tried })
}

/** The line that says that a delivery is not pending any more. */
export function overLine(id: string): string {
  return JSON.stringify({ over: id })
}

/** The line of a delivery that ended. Without `headers` those of the client's request are left out. */
export function endedLine(
  { id, createdAt, endedAt, attempts, lastError, call }: EndedDelivery,
  { headers }: { headers: boolean },
): string {
  const { event, upload, request } = call
  const kept = headers || !request ? request : { ...request, headers: {} }
  return JSON.stringify({
    id,
    createdAt,
    endedAt,
    attempts,
    lastError,
    call: { event, upload, request: kept },
  })
}

/** The pending deliveries that a spool file has, in their order. Lines that a crash has torn are left out. */
export function readPending(text: string): PendingDelivery[] {
  const pending = new Map<string, PendingDelivery>()
  for (const line of text.split('\n')) {
    const fields = fieldsOf(line)
    if (!fields) continue
    if ('call' in fields) addNew(pending, fields)
    else if (typeof fields.over === 'string') pending.delete(fields.over)
    else if (typeof fields.tried === 'string') change(pending, fields.tried, triedIn(fields))
  }
  return [...pending.values()]
}

/** A line of a history: a delivery that ended, or the id of one that was taken out; undefined where it is torn. */
export function readEnded(line: string): EndedDelivery | string | undefined {
  const fields = fieldsOf(line)
  if (!fields) return undefined
  if (typeof fields.over === 'string') return fields.over
  const kept = keptIn(fields)
  if (!kept) return undefined
  const { attempts, lastError, endedAt } = fields
  return {
    ...kept,
    attempts: numberIn(attempts),
    lastError: textIn(lastError),
    endedAt: textIn(endedAt) ?? '',
  }
}

function addNew(pending: Map<string, PendingDelivery>, fields: Fields): void {
  const kept = keptIn(fields)
  if (!kept || pending.has(kept.id)) return
  pending.set(kept.id, { ...kept, attempts: 0, step: 0, nextAtMs: 0, lastError: null })
}

function change(pending: Map<string, PendingDelivery>, id: string, changes: Partial<PendingDelivery>): void {
  const known = pending.get(id)
  if (known) pending.set(id, { ...known, ...changes })
}

function triedIn({ attempts, step, nextAtMs, lastError }: Fields): Tried {
  return {
    attempts: numberIn(attempts),
    step: numberIn(step),
    nextAtMs: numberIn(nextAtMs),
    lastError: textIn(lastError) ?? '',
  }
}

type Fields = Readonly<Record<string, unknown>>

function keptIn({ id, createdAt, call }: Fields): Kept | undefined {
  if (typeof id !== 'string' || typeof createdAt !== 'string' || !isCall(call)) return undefined
  return { id, createdAt, call: { ...call, firstBytes: new Uint8Array(0) } }
}

/** Lines are written by this program alone: enough is looked at to tell one from another. */
function isCall(value: unknown): value is HookCall<TellingEvent> {
  if (!isFields(value) || !isFields(value.upload)) return false
  return TELLING_EVENTS.some((event) => event === value.event) && typeof value.upload.id === 'string'
}

function fieldsOf(line: string): Fields | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isFields(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function numberIn(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function textIn(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
