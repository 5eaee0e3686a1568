import { randomUUID } from 'node:crypto'
import type { Config } from './config.js'
import { streamLimit } from './connection-limit.js'
import { Api } from './http/api.js'
import { EventStreams } from './http/events/event-streams.js'
import { clientOf } from './http/origin.js'
import type { RecordStore } from './model/record-store.js'
import { isUploadId } from './model/upload-id.js'
import type { RequestHooks } from './tus/request-hooks.js'
import { UploadList } from './uploads/list-uploads.js'
import { liveView } from './uploads/live-view.js'
import type { LadingStore } from './uploads/store.js'

type ApiOptions = ConstructorParameters<typeof Api>[0]
type StreamTools = ConstructorParameters<typeof EventStreams>[0]

interface ApiParts extends Omit<ApiOptions, 'uploads' | 'removeUpload'> {
  readonly config: Pick<Config, 'behindProxy'>
  readonly records: RecordStore
  readonly store: LadingStore
  readonly hooks: Pick<RequestHooks, 'describe'> | null
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
}

/** Builds what answers beside tus. */
export function createApi(parts: ApiParts): Api {
  const { config, hooks, records, store, monotonic } = parts
  return new Api({
    ...parts,
    uploads: new UploadList({ uploads: store.uploads, records, monotonic }),
    removeUpload: (id, principal, { request }) => {
      const client = clientOf(request, config.behindProxy)
      const asked = hooks?.describe({ request, client, method: 'DELETE' }) ?? null
      return store.removals.removeFor(id, principal, asked)
    },
  })
}

interface EventParts extends Pick<StreamTools, 'now' | 'monotonic' | 'log'> {
  readonly config: Parameters<typeof streamLimit>[0] & Pick<Config, 'behindProxy'>
  readonly uploads: LadingStore['uploads']
}

/** Builds the event streams. */
export function createEvents({ config, uploads, now, monotonic, log }: EventParts): EventStreams {
  return new EventStreams({
    ...{ now, monotonic, log, isUploadId, limit: streamLimit(config) },
    clientOf: (request) => clientOf(request, config.behindProxy),
    boot: randomUUID().slice(0, 8),
    receiving: () => uploads.receiving().map((upload) => liveView(upload, monotonic())),
    peek: (id) => {
      const upload = uploads.peek(id)
      return upload && liveView(upload, monotonic())
    },
  })
}
