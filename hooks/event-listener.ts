import type { EventKind, EventListener } from '../server/model/event.js'
import { hookCall, hookUpload } from '../server/model/hook-call.js'
import type { Deliveries } from './delivery/deliveries.js'

/**
 * Passes events on to the deliveries. That an upload is finished was noted before its files said so, and is confirmed
 * here. A part that has all its bytes is announced as in tusd: by `post-finish`.
 */
export function listenerOf(
  deliveries: Pick<Deliveries, 'notify' | 'confirm' | 'forget' | 'listensTo'>,
): EventListener {
  return ({ kind, record, parts, request }) => {
    if (ENDS.has(kind)) deliveries.forget(record.id)
    const isWholePart = kind === 'progress' && record.concat === 'partial' && record.offset === record.length
    const event = isWholePart ? 'post-finish' : HOOKS[kind]
    if (!event || !deliveries.listensTo(event)) return
    const upload = hookUpload(record, parts)
    // A finish that nobody intended was announced by the process before: its event is due by its mark, if at all.
    if (event === 'post-finish' && (deliveries.confirm(hookCall(event, upload, request)) || !isWholePart))
      return
    deliveries.notify(hookCall(event, upload, request))
  }
}

/** After these an upload is not finished any more. */
const ENDS: ReadonlySet<EventKind> = new Set(['refused', 'expired', 'terminated'])

const HOOKS = {
  created: 'post-create',
  terminated: 'post-terminate',
  finished: 'post-finish',
  progress: null,
  refused: null,
  expired: null,
  restated: null,
} as const
