import type { IncomingMessage } from 'node:http'
import { asUploadError, UploadError } from '../errors.js'
import type { Answer, HeaderFields } from '../model/answer.js'
import type { Arrival } from '../model/arrival.js'
import type { HookRequest } from '../model/hook.js'
import { ANONYMOUS, type Principal } from '../model/principal.js'
import type { UploadMethod } from '../model/request.js'
import type { FoundRoute } from './api.js'
import { isUnchanged, unchanged } from './conditions.js'
import { type CorsSettings, corsHeaders, preflightHeaders } from './cors.js'
import type { AskedFile } from './downloads.js'
import type { Exchange } from './exchange.js'
import type { Gate } from './gate.js'
import { clientOf, publicOrigin } from './origin.js'
import type { WebPage } from './page.js'
import { readAway } from './surplus.js'
import { pathOf, queryOf } from './target.js'

/** The protocol that is spoken at the addresses of uploads. */
interface UploadProtocol {
  /** Headers of every answer at these addresses. */
  readonly headers: HeaderFields
  /** What the answer to OPTIONS says of this server. */
  readonly optionsHeaders: HeaderFields
  /** Headers of the answer for an error. */
  refusalHeaders(error: UploadError): HeaderFields
  /** The method that counts. */
  methodOf(request: IncomingMessage): string
  /** Throws version_unsupported where a request names another version. */
  checkVersion(request: IncomingMessage): void
  /** Serves one request; null where its connection must end without an answer. Rejects with an UploadError. */
  serve(arrival: Arrival): Promise<Answer | null>
}

export interface RouterOptions extends CorsSettings {
  readonly basePath: string
  readonly behindProxy: boolean
  /** GET of a file is refused. */
  readonly disableDownload: boolean
  readonly isUploadId: (text: string) => boolean
  /** Decides who is asking, but for OPTIONS and probes; see Gate. */
  readonly identify: Gate['identify']
  /** Null where there are no hooks. */
  readonly hooks: {
    describe(from: { request: IncomingMessage; client: string; method: string }): HookRequest
    access(asked: { id: string; principal: Principal; asked: HookRequest }): Promise<void>
  } | null
  readonly protocol: UploadProtocol
  /** Sends a finished file to its end. Rejects with an UploadError where nothing was sent. */
  readonly downloads: { send(exchange: Exchange, asked: AskedFile): Promise<void> }
  /** What is served beside uploads, by its path; undefined where nothing is. */
  readonly api: { find(path: string): FoundRoute | undefined }
  /** The web page; null where there is none. */
  readonly page: Pick<WebPage, 'find'> | null
}

const CREATION_METHODS = 'POST, OPTIONS'
const UPLOAD_METHODS = 'GET, HEAD, PATCH, DELETE, OPTIONS'
const METHODS_WITHOUT_GET = 'HEAD, PATCH, DELETE, OPTIONS'
/** A cache may keep a file, and asks each time whether it is still there. */
const OPEN_FILE = { 'Cache-Control': 'no-cache' }
/** A cache between us would show it to others, and when a link is over. */
const OWNED_FILE = { 'Cache-Control': 'no-store' }

/** A request whose principal is known. */
interface Visit {
  readonly exchange: Exchange
  readonly principal: Principal
}

/** An answer that is still to be sent, or what became of the connection. */
type Outcome = Answer | 'sent' | 'cut'

/** Shows each request to what serves it, by its address and method, and sends the answer. */
export class Router {
  readonly #options: RouterOptions

  constructor(options: RouterOptions) {
    this.#options = options
  }

  /** Serves one request to its end. Rejects only where our own code is at fault. */
  async serve(exchange: Exchange): Promise<void> {
    const outcome = await this.#outcome(exchange)
    if (outcome === 'cut') exchange.cut()
    else if (outcome !== 'sent') exchange.send(this.#withCors(exchange, outcome))
  }

  async #outcome(exchange: Exchange): Promise<Outcome> {
    const { request } = exchange
    const { basePath, identify, protocol } = this.#options
    const invalid = httpErrorOf(exchange)
    if (invalid) return exchange.refusalOf(invalid, protocol.headers)
    const path = pathOf(request.url)
    const isUploads = path === basePath || path.startsWith(`${basePath}/`)
    try {
      const method = isUploads ? protocol.methodOf(request) : (request.method ?? '')
      // Browsers send no credentials with a preflight, and load balancers none with a probe.
      const isOpen = method === 'OPTIONS' || path === '/healthz' || path === '/readyz'
      const id = isUploads ? path.slice(basePath.length + 1) : ''
      const query = queryOf(request.url)
      const asked = isOpen ? ANONYMOUS : identify(request, { method, path, query, isUploads, id })
      // No `await` where the answer is known: without keys a request is not slower by it.
      const visit = { exchange, principal: asked instanceof Promise ? await asked : asked }
      if (!isUploads) return await this.#beside(visit, path)
      return await this.#uploads(visit, id)
    } catch (thrown) {
      const error = asUploadError(thrown)
      // A fault of our own, which ends the connection and is logged.
      if (error.code === 'internal' && !(thrown instanceof UploadError)) throw thrown
      return exchange.refusalOf(error, isUploads ? protocol.refusalHeaders(error) : {})
    }
  }

  async #uploads(visit: Visit, id: string): Promise<Outcome> {
    const { protocol, isUploadId } = this.#options
    const { request } = visit.exchange
    const method = protocol.methodOf(request)
    if (method === 'OPTIONS') return this.#preflight()
    // A client that speaks another version is answered so also where there is no upload (tus 1.0.0, core).
    protocol.checkVersion(request)
    if (id === '' && method === 'POST') return this.#protocol(visit, method, undefined)
    if (id === '') return this.#notAllowed(visit, CREATION_METHODS, protocol.headers)
    if (!isUploadId(id)) throw new UploadError('upload_unknown')
    return this.#upload(visit, method, id)
  }

  async #upload(visit: Visit, method: string, id: string): Promise<Outcome> {
    const { downloads, protocol, disableDownload } = this.#options
    const allowed = disableDownload ? METHODS_WITHOUT_GET : UPLOAD_METHODS
    switch (method) {
      case 'GET': {
        const { exchange, principal } = visit
        if (disableDownload) throw new UploadError('downloads_disabled', { headers: { Allow: allowed } })
        await this.#askHook(visit, method, id)
        const own = principal.kind === 'anonymous' ? OPEN_FILE : OWNED_FILE
        const headers = { ...protocol.headers, ...own, ...this.#cors(exchange) }
        await downloads.send(exchange, { id, principal, headers })
        return 'sent'
      }
      case 'HEAD':
        return this.#head(visit, id)
      case 'PATCH':
      case 'DELETE':
        return this.#protocol(visit, method, id)
      default:
        return this.#notAllowed(visit, allowed, protocol.headers)
    }
  }

  /** Of a finished upload, a HEAD has the conditions of a GET too. */
  async #head(visit: Visit, id: string): Promise<Outcome> {
    const answer = await this.#protocol(visit, 'HEAD', id)
    if (answer === 'cut' || answer.headers.ETag === undefined) return answer
    return isUnchanged(visit.exchange.request.headers, answer.headers) ? unchanged(answer.headers) : answer
  }

  async #protocol({ exchange, principal }: Visit, method: UploadMethod, id: string | undefined) {
    const { protocol, behindProxy } = this.#options
    const { request } = exchange
    const answer = await protocol.serve({
      request,
      method,
      id,
      principal,
      origin: publicOrigin(request, behindProxy),
      client: clientOf(request, behindProxy),
      askForBody: () => exchange.askForBody(),
      readAway: (mostBytes) => readAway(request, mostBytes),
      gone: () => exchange.gone(),
    })
    return answer ?? 'cut'
  }

  async #beside(visit: Visit, path: string): Promise<Outcome> {
    const { behindProxy, api, page } = this.#options
    const { exchange, principal } = visit
    const { method = '', url } = exchange.request
    const route = page?.find(path) ?? api.find(path)
    if (!route && !path.startsWith('/api/')) throw new UploadError('not_found')
    if (method === 'OPTIONS') return this.#preflight()
    if (!route) throw new UploadError('not_found')
    if (!route.allow.split(', ').includes(method)) return this.#notAllowed(visit, route.allow, {})
    if (route.uploadId !== undefined) await this.#askHook(visit, method, route.uploadId)
    return route.serve(method, {
      exchange,
      principal,
      query: new URLSearchParams(queryOf(url)),
      origin: publicOrigin(exchange.request, behindProxy),
      headers: this.#cors(exchange),
    })
  }

  /** Asks `pre-access` for a request that does not go through the protocol. Rejects with the refusal. */
  async #askHook({ exchange, principal }: Visit, method: string, id: string): Promise<void> {
    const { hooks, behindProxy } = this.#options
    const { request } = exchange
    const client = clientOf(request, behindProxy)
    await hooks?.access({ id, principal, asked: hooks.describe({ request, client, method }) })
  }

  #preflight(): Answer {
    return {
      status: 204,
      headers: { ...this.#options.protocol.optionsHeaders, ...preflightHeaders(this.#options) },
    }
  }

  #notAllowed({ exchange }: Visit, allow: string, headers: HeaderFields): Answer {
    return exchange.refusalOf(new UploadError('method_not_allowed'), { ...headers, Allow: allow })
  }

  #withCors(exchange: Exchange, answer: Answer): Answer {
    const cors = this.#cors(exchange)
    const headers: HeaderFields = Object.assign({}, cors, answer.headers)
    const { Vary } = answer.headers
    if (Vary !== undefined && cors.Vary !== undefined) headers.Vary = `${cors.Vary}, ${Vary}`
    return Object.assign({}, answer, { headers })
  }

  #cors({ request }: Exchange): HeaderFields {
    return corsHeaders(request, this.#options)
  }
}

/** The error of a request that is wrong at every address; undefined where there is none. */
function httpErrorOf({ request, expects }: Exchange): UploadError | undefined {
  // RFC 9110, section 10.1.1
  if (expects === 'unknown') return new UploadError('expectation_unknown')
  const hasHost = request.httpVersion !== '1.1' || request.headers.host !== undefined
  return hasHost ? undefined : new UploadError('request_malformed')
}
