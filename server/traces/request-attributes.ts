import type { Attributes } from '@opentelemetry/api'
import type { RequestFacts } from '../model/request-facts.js'

/** A request and its response, as far as a span describes them. */
export interface Answered {
  readonly response: { readonly headersSent: boolean; readonly statusCode: number }
  /** The code word of the error that is answered; null for none. */
  readonly refusal: string | null
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PUT'])
const MOST_CHARACTERS = 256

/** The name and attributes of a request's span, by the semantic conventions of OpenTelemetry for HTTP servers. */
export function startAttributes(
  facts: RequestFacts,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): { name: string; attributes: Attributes } {
  const { method, sentMethod, path, route, uploadId, origin, client, httpVersion } = facts
  const isKnown = METHODS.has(method)
  const agent = headers['user-agent']
  const url = URL.canParse(origin) ? new URL(origin) : null
  return {
    // Names have few values: clients choose paths, and other words for methods.
    name: [isKnown ? method : 'HTTP', route].filter((word) => word !== null).join(' '),
    attributes: {
      'http.request.method': isKnown ? method : '_OTHER',
      ...(isKnown && sentMethod === method ? {} : { 'http.request.method_original': cut(sentMethod) }),
      'url.path': cut(path),
      'url.scheme': url?.protocol.slice(0, -1) ?? 'http',
      'network.protocol.version': httpVersion,
      'client.address': client,
      ...(route === null ? {} : { 'http.route': route }),
      ...(url === null ? {} : hostAttributes(url)),
      ...(typeof agent === 'string' ? { 'user_agent.original': cut(agent) } : {}),
      ...(uploadId === null ? {} : { 'lading.upload.id': uploadId }),
    },
  }
}

/** What the answer adds. Only a status from 500 on is a fault of the server. */
export function endAttributes({ response, refusal }: Answered): { attributes: Attributes; isFault: boolean } {
  const { statusCode, headersSent } = response
  const isFault = headersSent && statusCode >= 500
  return {
    isFault,
    attributes: {
      // Without an answer there is no status.
      ...(headersSent ? { 'http.response.status_code': statusCode } : {}),
      ...(isFault ? { 'error.type': refusal ?? String(statusCode) } : {}),
      ...(refusal === null ? {} : { 'lading.refusal': refusal }),
    },
  }
}

/** The host and port of an address. */
export function hostAttributes({ hostname, port, protocol }: URL): Attributes {
  return {
    'server.address': cut(hostname),
    'server.port': Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port),
  }
}

function cut(text: string): string {
  return text.slice(0, MOST_CHARACTERS)
}
