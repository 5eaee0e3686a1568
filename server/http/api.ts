import { asUploadError, UploadError } from '../errors.js'
import type { Answer } from '../model/answer.js'
import type { Principal } from '../model/principal.js'
import { type ListedDeliveries, listDeliveries, resendDelivery } from './deliveries-api.js'

interface ApiOptions {
  /** An upload's record with its live progress; undefined where there is none for this principal. */
  readonly findUpload: (id: string, principal: Principal) => Promise<object | undefined>
  readonly status: () => object
  /** Null where there are no hooks. */
  readonly deliveries: ListedDeliveries | null
  /** What `GET /metrics` shows; null with `--no-metrics`. */
  readonly metrics: { scrape(): Promise<{ readonly type: string; readonly text: string }> } | null
  /** Why no uploads can be taken now; undefined while they can. */
  readonly notReady: () => Promise<string | undefined>
  readonly log: { error(fields: object, message: string): void }
}

/** A request to the API. */
export interface ApiRequest {
  /** One of `apiMethods`. */
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
}

const RESEND = /^\/api\/deliveries\/([^/]+)\/resend$/

/** The methods of one of the API's paths, as in Allow. */
export function apiMethods(path: string): string {
  return RESEND.test(path) ? 'POST, OPTIONS' : 'GET, HEAD, OPTIONS'
}

/** What is served beside tus: progress, status, deliveries and the two probes as JSON, and metrics. */
export class Api {
  readonly #options: ApiOptions

  constructor(options: ApiOptions) {
    this.#options = options
  }

  /** Answers a request. Rejects with not_found, query_invalid, upload_unknown, delivery_unknown or internal. */
  async answer(request: ApiRequest, principal: Principal): Promise<Answer> {
    try {
      if (request.path === '/metrics') return await this.#metrics()
      const { status, value } = await this.#value(request, principal)
      const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
      return { status, headers, text: `${JSON.stringify(value)}\n` }
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (error.status >= 500)
        this.#options.log.error({ path: request.path, err: error }, 'an API request failed')
      throw error
    }
  }

  async #metrics(): Promise<Answer> {
    const { metrics } = this.#options
    if (!metrics) throw new UploadError('not_found')
    const { type, text } = await metrics.scrape()
    return { status: 200, headers: { 'Content-Type': type, 'Cache-Control': 'no-store' }, text }
  }

  async #value(
    { path, query }: ApiRequest,
    principal: Principal,
  ): Promise<{ status: number; value: object }> {
    if (path === '/healthz') return { status: 200, value: { status: 'ok' } }
    if (path === '/api/status') return { status: 200, value: this.#options.status() }
    if (path === '/readyz') return this.#ready()
    const { deliveries } = this.#options
    if (path === '/api/deliveries') return { status: 200, value: await listDeliveries(query, deliveries) }
    const resent = RESEND.exec(path)?.[1]
    if (resent !== undefined) return { status: 202, value: await resendDelivery(resent, deliveries) }
    const id = /^\/api\/uploads\/([^/]+)$/.exec(path)?.[1]
    if (id === undefined) throw new UploadError('not_found')
    const upload = await this.#options.findUpload(id, principal)
    if (!upload) throw new UploadError('upload_unknown')
    return { status: 200, value: upload }
  }

  async #ready(): Promise<{ status: number; value: object }> {
    const reason = await this.#options.notReady()
    return reason === undefined
      ? { status: 200, value: { status: 'ready' } }
      : { status: 503, value: { status: 'not ready', reason } }
  }
}
