import { asUploadError, UploadError } from '../errors.js'
import type { Answer, HeaderFields } from '../model/answer.js'
import type { Principal } from '../model/principal.js'
import type { ListPage, ListPlace, UploadFilter } from '../model/upload-list.js'
import type { AskedToken } from './auth/issue.js'
import { type ListedDeliveries, listDeliveries, resendDelivery } from './deliveries-api.js'
import type { Exchange } from './exchange.js'
import { readJson } from './json-body.js'
import { cursorOf, readListQuery, withinScope } from './list-query.js'
import { openApi } from './openapi/document.js'

interface ApiOptions {
  /** An upload's record with its live progress; undefined where there is none for this principal. */
  readonly findUpload: (id: string, principal: Principal) => Promise<object | undefined>
  /** A page of uploads, and how many there are. Reject with index_unavailable. */
  readonly uploads: {
    page(filter: UploadFilter, after: ListPlace, limit: number): Promise<ListPage<object>>
    count(filter: UploadFilter): Promise<number>
  }
  /** Removes an upload that is there for a principal. Rejects with an UploadError. */
  readonly removeUpload: (id: string, principal: Principal, exchange: Exchange) => Promise<void>
  /** Sends events until their reader leaves. Rejects with an UploadError where nothing was sent. */
  readonly events: { serve(asked: ApiRequest): Promise<void> }
  readonly status: () => Promise<object>
  /** Issues what the server signs. Rejects with an UploadError. */
  readonly issuer: {
    grant(asked: Pick<AskedToken, 'body' | 'origin'>): Promise<object>
    link(id: string, asked: AskedToken): Promise<object>
  }
  /** Null where there are no hooks. */
  readonly deliveries: ListedDeliveries | null
  /** What `GET /metrics` shows; null with `--no-metrics`. */
  readonly metrics: { scrape(): Promise<{ readonly type: string; readonly text: string }> } | null
  /** Why no uploads can be taken now; undefined while they can. */
  readonly notReady: () => Promise<string | undefined>
  readonly log: { error(fields: object, message: string): void }
}

/** A request to an address beside those of uploads. */
export interface ApiRequest {
  readonly exchange: Exchange
  readonly principal: Principal
  readonly query: URLSearchParams
  /** Scheme and host by which the client reached us. */
  readonly origin: string
  /** Headers of every answer, for a route that sends its answer itself. */
  readonly headers: HeaderFields
}

/** What stands at `{id}` in the path of a route; '' where there is no such place. */
type Asked = ApiRequest & { readonly id: string }
type Serve = (asked: Asked) => Promise<Answer | 'sent'>
type Methods = Readonly<Partial<Record<'GET' | 'POST' | 'DELETE', Serve>>>

/** A route that a request's path leads to. */
export interface FoundRoute {
  /** Its methods, as in Allow. */
  readonly allow: string
  /** The upload that its path names; undefined for none. */
  readonly uploadId: string | undefined
  /** Serves a request whose method is one of `allow`; a HEAD is served as GET. Rejects with an UploadError. */
  serve(method: string, asked: ApiRequest): Promise<Answer | 'sent'>
}

/** What is served beside tus, as one table of paths and methods. */
export class Api {
  readonly #options: ApiOptions
  readonly #routes: ReadonlyArray<{
    readonly pattern: RegExp
    readonly path: string
    readonly methods: Methods
  }>

  constructor(options: ApiOptions) {
    this.#options = options
    this.#routes = Object.entries(routesOf(options)).map(([path, methods]) => {
      const pattern = path.replaceAll('.', '\\.').replace('{id}', '([^/]+)')
      return { path, methods, pattern: new RegExp(`^${pattern}$`) }
    })
  }

  /** Every path, with `{id}` where an id stands, and its methods. */
  get routes(): ReadonlyArray<{ readonly path: string; readonly methods: readonly string[] }> {
    return this.#routes.map(({ path, methods }) => ({ path, methods: Object.keys(methods) }))
  }

  /** The route of a path; undefined where nothing is there. */
  find(path: string): FoundRoute | undefined {
    for (const { pattern, methods } of this.#routes) {
      const match = pattern.exec(path)
      if (!match) continue
      const id = match[1] ?? ''
      return {
        allow: allowOf(methods),
        uploadId: path.startsWith('/api/uploads/') ? id : undefined,
        serve: (method, asked) => this.#serve(path, serveOf(methods, method), { ...asked, id }),
      }
    }
    return undefined
  }

  async #serve(path: string, serve: Serve | undefined, asked: Asked): Promise<Answer | 'sent'> {
    try {
      if (!serve) throw new UploadError('method_not_allowed')
      return await serve(asked)
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (error.status >= 500) this.#options.log.error({ path, err: error }, 'an API request failed')
      throw error
    }
  }
}

function routesOf(options: ApiOptions): Readonly<Record<string, Methods>> {
  const { findUpload, removeUpload, events, status, issuer, deliveries, metrics, notReady } = options
  return {
    '/healthz': { GET: async () => json(200, { status: 'ok' }) },
    '/readyz': {
      GET: async () => {
        const reason = await notReady()
        return reason === undefined
          ? json(200, { status: 'ready' })
          : json(503, { status: 'not ready', reason })
      },
    },
    '/metrics': {
      GET: async () => {
        if (!metrics) throw new UploadError('not_found')
        const { type, text } = await metrics.scrape()
        return { status: 200, headers: { 'Content-Type': type, 'Cache-Control': 'no-store' }, text }
      },
    },
    '/api/status': { GET: async () => json(200, await status()) },
    '/api/uploads': { GET: async (asked) => json(200, await listOf(asked, options)) },
    '/api/events': {
      GET: async (asked) => {
        await events.serve(asked)
        return 'sent'
      },
    },
    '/api/uploads/{id}': {
      GET: async ({ id, principal }) => {
        const upload = await findUpload(id, principal)
        if (!upload) throw new UploadError('upload_unknown')
        return json(200, upload)
      },
      DELETE: async ({ id, principal, exchange }) => {
        await removeUpload(id, principal, exchange)
        return { status: 204, headers: { 'Cache-Control': 'no-store' } }
      },
    },
    '/api/uploads/{id}/links': {
      POST: async (asked) => json(201, await issuer.link(asked.id, { ...asked, body: await bodyOf(asked) })),
    },
    '/api/openapi.json': { GET: async () => json(200, openApi()) },
    '/api/grants': {
      POST: async (asked) => json(201, await issuer.grant({ ...asked, body: await bodyOf(asked) })),
    },
    '/api/deliveries': { GET: async ({ query }) => json(200, await listDeliveries(query, deliveries)) },
    '/api/deliveries/{id}/resend': {
      POST: async ({ id }) => json(202, await resendDelivery(id, deliveries)),
    },
  }
}

async function listOf(
  { query, principal }: Asked,
  { uploads }: Pick<ApiOptions, 'uploads'>,
): Promise<object> {
  const { filter, after, limit, isTotalAsked } = readListQuery(query)
  const own = withinScope(filter, principal)
  if (!own) return { uploads: [], cursor: null, ...(isTotalAsked ? { total: 0 } : {}) }
  const { items, next } = await uploads.page(own, after, limit)
  const total = isTotalAsked ? { total: await uploads.count(own) } : {}
  return { uploads: items, cursor: next && cursorOf(next), ...total }
}

function bodyOf({ exchange }: Asked): Promise<unknown> {
  exchange.askForBody()
  return readJson(exchange.request)
}

function json(status: number, value: object): Answer {
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
  return { status, headers, text: `${JSON.stringify(value)}\n` }
}

function allowOf(methods: Methods): string {
  const names = Object.keys(methods).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
  return [...names, 'OPTIONS'].join(', ')
}

function serveOf(methods: Methods, method: string): Serve | undefined {
  if (method === 'POST' || method === 'DELETE') return methods[method]
  return method === 'GET' || method === 'HEAD' ? methods.GET : undefined
}
