import type { IncomingMessage, ServerResponse } from 'node:http'
import { UploadError } from '../errors.js'
import { headerOf } from '../tus/checks.js'
import type { Arrival, FrontDoor } from '../tus/front-door.js'
import { answerFor, sendAnswer } from './answer.js'
import type { Api } from './api.js'
import { corsHeaders } from './cors.js'
import type { Downloads } from './downloads.js'

export interface Doors {
  readonly basePath: string
  readonly corsOrigins: readonly string[]
  readonly isUploadId: (text: string) => boolean
  readonly frontDoor: FrontDoor
  readonly downloads: Downloads
  readonly api: Api
}

const CREATION_METHODS = 'POST, OPTIONS'
const UPLOAD_METHODS = 'GET, HEAD, PATCH, DELETE, OPTIONS'
const READ_METHODS = 'GET, HEAD, OPTIONS'
const TUS_VERSION = '1.0.0'
const TUS_HEADERS = { 'Tus-Resumable': TUS_VERSION }

/** A request whose address and method are still to be looked at. */
type Asked = Omit<Arrival, 'method' | 'id'>

/** Shows each request to its door by its address and method. */
export class Router {
  readonly #doors: Doors

  constructor(doors: Doors) {
    this.#doors = doors
  }

  /** Serves one request to its end; never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const path = pathOf(request.url)
    const { basePath, isUploadId, frontDoor } = this.#doors
    if (request.httpVersion === '1.1' && request.headers.host === undefined) {
      this.#refuse(request, response, new UploadError('request_malformed'), TUS_HEADERS)
      return
    }
    const isTus = path === basePath || path.startsWith(`${basePath}/`)
    if (!isTus) return this.#beside(request, response, path)
    const method = methodOf(request)
    if (method === 'OPTIONS') return frontDoor.answerOptions(request, response)
    // Another version is told so also where there is no upload (tus 1.0.0, core).
    if ((headerOf(request, 'tus-resumable') ?? TUS_VERSION) !== TUS_VERSION) {
      const headers = { ...TUS_HEADERS, 'Tus-Version': TUS_VERSION }
      return this.#refuse(request, response, new UploadError('version_unsupported'), headers)
    }
    const id = path.slice(basePath.length + 1)
    const arrival = { request, response, expectsContinue }
    if (id === '') return this.#creation(arrival, method)
    if (isUploadId(id)) return this.#upload(arrival, method, id)
    this.#refuse(request, response, new UploadError('upload_unknown'), TUS_HEADERS)
  }

  /** Answers a request that expects what no server here does (RFC 9110, section 10.1.1). */
  refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
    const headers = { ...TUS_HEADERS, Connection: 'close' }
    this.#refuse(request, response, new UploadError('expectation_unknown'), headers)
  }

  async #creation(arrival: Asked, method: string): Promise<void> {
    const { request, response } = arrival
    if (method !== 'POST') return this.#notAllowed(request, response, CREATION_METHODS, TUS_HEADERS)
    return this.#doors.frontDoor.serve({ ...arrival, method, id: undefined })
  }

  async #upload(arrival: Asked, method: string, id: string): Promise<void> {
    const { frontDoor, downloads } = this.#doors
    const { request, response } = arrival
    switch (method) {
      case 'GET':
        return downloads.serve(request, response, id)
      case 'HEAD':
      case 'PATCH':
      case 'DELETE':
        return frontDoor.serve({ ...arrival, method, id })
      default:
        return this.#notAllowed(request, response, UPLOAD_METHODS, TUS_HEADERS)
    }
  }

  async #beside(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const known = path === '/healthz' || path === '/readyz' || path.startsWith('/api/')
    if (!known) return this.#refuse(request, response, new UploadError('not_found'), {})
    if (request.method === 'OPTIONS') return this.#doors.frontDoor.answerOptions(request, response)
    if (request.method === 'GET' || request.method === 'HEAD') {
      return this.#doors.api.serve(request, response, path)
    }
    this.#notAllowed(request, response, READ_METHODS, {})
  }

  #notAllowed(request: IncomingMessage, response: ServerResponse, allow: string, headers: object): void {
    this.#refuse(request, response, new UploadError('method_not_allowed'), { ...headers, Allow: allow })
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: UploadError, headers: object): void {
    const cors = corsHeaders(request, this.#doors.corsOrigins)
    // Who waited for a 100 and gets a refusal may not send its body: the connection cannot be used again.
    const close = request.headers.expect === undefined ? {} : { Connection: 'close' }
    sendAnswer(request, response, answerFor(error, { ...headers, ...close, ...cors }))
  }
}

/** The path without its query, from both forms a request may have; '' where there is none. */
function pathOf(target = ''): string {
  if (target.startsWith('/')) return target.split('?', 1)[0] ?? ''
  return URL.canParse(target) ? new URL(target).pathname : ''
}

/**
 * X-HTTP-Method-Override names the method that counts, and the actual one is ignored (tus 1.0.0, core); a
 * preflight names the header in Access-Control-Request-Headers and never has it.
 */
function methodOf(request: IncomingMessage): string {
  const override = headerOf(request, 'x-http-method-override')
  return override === undefined ? (request.method ?? '') : override.trim().toUpperCase()
}
