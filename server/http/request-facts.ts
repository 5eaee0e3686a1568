import type { IncomingMessage } from 'node:http'
import type { RequestFacts } from '../model/request-facts.js'
import { clientOf, publicOrigin } from './origin.js'
import { pathOf } from './target.js'

interface FactsTools {
  readonly basePath: string
  readonly behindProxy: boolean
  readonly methodOf: (request: IncomingMessage) => string
  readonly isUploadId: (text: string) => boolean
}

/** Addresses that are served beside those of uploads. */
const BESIDE = new Set([
  ...['/healthz', '/readyz', '/metrics', '/', '/drop/{token}', '/api/openapi.json'],
  ...['/api/status', '/api/uploads', '/api/events', '/api/grants', '/api/deliveries'],
])
const WITH_ID = /^(\/api\/(?:uploads|deliveries)\/)[^/]+(\/links|\/resend)?$/

/** What is known of a request before it is served. */
export function requestFacts(request: IncomingMessage, tools: FactsTools): RequestFacts {
  const { methodOf, behindProxy, basePath, isUploadId } = tools
  const { method: sentMethod = '', httpVersion, url } = request
  // The token of a drop link is as good as a key.
  const path = pathOf(url).replace(/^\/drop\/.*/s, '/drop/{token}')
  return {
    method: methodOf(request),
    sentMethod,
    path,
    route: routeOf(path, basePath),
    uploadId: [uploadIdIn(path, basePath), uploadIdIn(path, '/api/uploads')].find(isUploadId) ?? null,
    origin: publicOrigin(request, behindProxy),
    client: clientOf(request, behindProxy),
    httpVersion,
  }
}

function routeOf(path: string, basePath: string): string | null {
  if (BESIDE.has(path)) return path
  if (path === basePath || path === `${basePath}/`) return basePath
  if (path.startsWith(`${basePath}/`)) return `${basePath}/{id}`
  const [, before, after = ''] = WITH_ID.exec(path) ?? []
  return before === undefined ? null : `${before}{id}${after}`
}

/** What stands in the place of an id; '' for nothing. */
function uploadIdIn(path: string, folder: string): string {
  return path.startsWith(`${folder}/`) ? (path.slice(folder.length + 1).split('/', 1)[0] ?? '') : ''
}
