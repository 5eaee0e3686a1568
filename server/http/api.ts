import { asUploadError, UploadError } from '../errors.js'
import type { Answer } from '../model/answer.js'
import type { Principal } from '../model/principal.js'

interface ApiOptions {
  /** An upload's record with its live progress; undefined where there is none for this principal. */
  readonly findUpload: (id: string, principal: Principal) => Promise<object | undefined>
  readonly status: () => object
  /** What `GET /metrics` shows; null with `--no-metrics`. */
  readonly metrics: { scrape(): Promise<{ readonly type: string; readonly text: string }> } | null
  /** Why no uploads can be taken now; undefined while they can. */
  readonly notReady: () => Promise<string | undefined>
  readonly log: { error(fields: object, message: string): void }
}

/** What is served beside tus: progress, status and the two probes as JSON, and metrics. */
export class Api {
  readonly #options: ApiOptions

  constructor(options: ApiOptions) {
    this.#options = options
  }

  /** Answers a GET or HEAD of one of the API's paths. Rejects with not_found, upload_unknown or internal. */
  async answer(path: string, principal: Principal): Promise<Answer> {
    try {
      if (path === '/metrics') return await this.#metrics()
      const { status, value } = await this.#value(path, principal)
      const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
      return { status, headers, text: `${JSON.stringify(value)}\n` }
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (error.status >= 500) this.#options.log.error({ path, err: error }, 'an API request failed')
      throw error
    }
  }

  async #metrics(): Promise<Answer> {
    const { metrics } = this.#options
    if (!metrics) throw new UploadError('not_found')
    const { type, text } = await metrics.scrape()
    return { status: 200, headers: { 'Content-Type': type, 'Cache-Control': 'no-store' }, text }
  }

  async #value(path: string, principal: Principal): Promise<{ status: number; value: object }> {
    if (path === '/healthz') return { status: 200, value: { status: 'ok' } }
    if (path === '/api/status') return { status: 200, value: this.#options.status() }
    if (path === '/readyz') return this.#ready()
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
