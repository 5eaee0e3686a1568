import type { EventListener } from '../server/model/event.js'
import { hookCall, hookUpload } from '../server/model/hook-call.js'
import type { Deliveries } from './delivery/deliveries.js'

/**
 * Passes events on to the deliveries. That an upload is finished was noted before its sidecar said so, and is
 * confirmed here. A part that has all its bytes is announced as in tusd: by `post-finish`.
 */
export function listenerOf(deliveries: Pick<Deliveries, 'notify' | 'confirm' | 'listensTo'>): EventListener {
  return ({ kind, record, parts, request }) => {
    const event =
      kind === 'progress' && record.concat === 'partial' && record.offset === record.length
        ? 'post-finish'
        : HOOKS[kind]
    if (kind === 'finished') deliveries.confirm(record.id)
    else if (event && deliveries.listensTo(event))
      deliveries.notify(hookCall(event, hookUpload(record, parts), request))
  }
}

const HOOKS = {
  created: 'post-create',
  terminated: 'post-terminate',
  finished: null,
  progress: null,
  refused: null,
  expired: null,
  restated: null,
} as const
