import { randomUUID } from 'node:crypto'
import type { Config } from './config.js'
import { streamLimit } from './connection-limit.js'
import { Api } from './http/api.js'
import { Downloads } from './http/downloads.js'
import { EventStreams } from './http/events/event-streams.js'
import type { Gate } from './http/gate.js'
import { clientOf } from './http/origin.js'
import type { Engine } from './model/engine.js'
import type { Principal } from './model/principal.js'
import type { RecordStore } from './model/record-store.js'
import { isUploadId } from './model/upload-id.js'
import type { LiveUploads } from './model/upload-state.js'
import type { RequestHooks } from './tus/request-hooks.js'
import { findFinished } from './uploads/find-finished.js'
import { findUpload } from './uploads/find-upload.js'
import { UploadList } from './uploads/list-uploads.js'
import type { LadingStore } from './uploads/store.js'
import type { StorageTools } from './uploads/tools.js'

type ApiOptions = ConstructorParameters<typeof Api>[0]
type StreamTools = ConstructorParameters<typeof EventStreams>[0]

interface ApiParts extends Omit<ApiOptions, 'uploads' | 'findUpload' | 'issuer' | 'removeUpload'> {
  readonly config: Pick<Config, 'behindProxy'>
  readonly records: RecordStore
  readonly store: LadingStore
  readonly hooks: Pick<RequestHooks, 'describe'> | null
  readonly live: LiveUploads
  readonly tools: Pick<StorageTools, 'engine' | 'mayAccess' | 'row'>
  readonly issuerFor: (find: ApiOptions['findUpload']) => ApiOptions['issuer']
  readonly log: ApiOptions['log'] & { warn(fields: object, message: string): void }
}

/** Builds what answers beside tus. */
export function createApi(parts: ApiParts): Api {
  const { config, hooks, issuerFor, live, log, records, store, tools } = parts
  const find = (id: string, principal: Principal) => findUpload(id, principal, { ...tools, live, log })
  return new Api({
    ...{ ...parts, findUpload: find, issuer: issuerFor(find) },
    uploads: new UploadList({ live, records }),
    removeUpload: (id, principal, { request }) => {
      const client = clientOf(request, config.behindProxy)
      const asked = hooks?.describe({ request, client, method: 'DELETE' }) ?? null
      return store.removals.removeFor(id, principal, asked)
    },
  })
}

interface EventParts extends Pick<StreamTools, 'now' | 'monotonic' | 'log'> {
  readonly config: Parameters<typeof streamLimit>[0] & Pick<Config, 'behindProxy'>
  readonly live: LiveUploads
}

/** Builds the event streams. */
export function createEvents({ config, live, now, monotonic, log }: EventParts): EventStreams {
  return new EventStreams({
    ...{ now, monotonic, log, isUploadId, limit: streamLimit(config) },
    clientOf: (request) => clientOf(request, config.behindProxy),
    boot: randomUUID().slice(0, 8),
    ...{ receiving: live.receiving, peek: live.peek },
  })
}

interface DownloadParts extends Pick<ConstructorParameters<typeof Downloads>[0], 'log'> {
  readonly config: Pick<Config, 'downloads' | 'idleTimeoutMs'>
  readonly engine: Engine
  readonly gate: Pick<Gate, 'mayAccess'>
}

/** Builds what sends finished uploads. */
export function createDownloads({ config, engine, gate, log }: DownloadParts): Downloads {
  return new Downloads({
    ...{ log, limit: config.downloads, idleTimeoutMs: config.idleTimeoutMs },
    find: (id, principal) =>
      findFinished(id, { engine, isThere: (upload) => gate.mayAccess(principal, upload) }),
    read: (id, range) => engine.read(id, range),
  })
}
