import type { IncomingMessage } from 'node:http'
import { isIP, isIPv4 } from 'node:net'

const HOST = /^[A-Za-z0-9._~%:[\]-]+$/
const WITHOUT_PORT = /^(?:\[[^\]]*\]|[^:]*)$/
const STANDARD_PORTS = { http: '80', https: '443' }

/**
 * The scheme and host a client reached us by, e.g. `https://up.example`; '' where it named no host, which
 * makes a Location relative. Forwarded (RFC 7239) and X-Forwarded-* count only behind a proxy that is
 * trusted; of a list the first, which is the client's side. X-Forwarded-Port counts where the host has no port.
 */
export function publicOrigin(request: IncomingMessage, behindProxy: boolean): string {
  const forwarded = behindProxy ? forwardedBy(request) : {}
  const host = [forwarded.host, request.headers.host].find((name) => name !== undefined && HOST.test(name))
  if (host === undefined) return ''
  const proto = (forwarded.proto?.toLowerCase() ?? ownSchemeOf(request)) === 'https' ? 'https' : 'http'
  const isPortNeeded = WITHOUT_PORT.test(host) && forwarded.port !== STANDARD_PORTS[proto]
  return `${proto}://${host}${isPortNeeded ? portOf(forwarded.port) : ''}`
}

/** The server of an application may take TLS itself. */
function ownSchemeOf({ socket }: IncomingMessage): string {
  return Reflect.get(socket, 'encrypted') === true ? 'https' : 'http'
}

/** `:8443`; '' for what is no port. */
function portOf(text = ''): string {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) < 65_536 ? `:${text}` : ''
}

interface Forwarded {
  readonly proto?: string | undefined
  readonly host?: string | undefined
  readonly port?: string | undefined
}

function forwardedBy(request: IncomingMessage): Forwarded {
  const forwarded = first(request.headers.forwarded)
  return {
    proto: parameter(forwarded, 'proto') ?? first(request.headers['x-forwarded-proto']),
    host: parameter(forwarded, 'host') ?? first(request.headers['x-forwarded-host']),
    port: first(request.headers['x-forwarded-port']),
  }
}

const LOOPBACK_ADDRESS = /^(?:::ffff:)?127\.\d+\.\d+\.\d+$|^::1$/i
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i
const PROXY_HEADER =
  /^(?:forwarded|x-(?:original-)?forwarded(?:-.*)?|x-real-ip|(?:x-|x-cluster-|true-)?client-ip|cf-.*|via)$/

/**
 * Tells whether a request was made on this machine itself. A proxy's connection comes from here too, but its requests
 * come from anywhere. So do those that a web page of elsewhere makes in a browser on this machine: they have its origin,
 * or its own name for this machine as their host. nginx passes requests on by HTTP/1.0 with our own name and no
 * header of a proxy, where its `proxy_pass` stands alone; no client on this machine speaks that any more.
 */
export function isOwnMachine(request: ClientRequest & Pick<IncomingMessage, 'httpVersion'>): boolean {
  const { headers, socket, httpVersion } = request
  if (httpVersion === '1.0' || !LOOPBACK_ADDRESS.test(socket.remoteAddress ?? '')) return false
  if (Object.keys(headers).some((name) => PROXY_HEADER.test(name))) return false
  const { host = '', origin } = headers
  return LOOPBACK_HOST.test(host) && (origin === undefined || isLoopbackOrigin(origin))
}

function isLoopbackOrigin(origin: string): boolean {
  return URL.canParse(origin) && LOOPBACK_HOST.test(new URL(origin).hostname)
}

interface ClientRequest extends Pick<IncomingMessage, 'headers'> {
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/**
 * The network address a request comes from; of IPv6 the first 64 bits, which is what one customer has. Behind a
 * proxy that is trusted it is the last one in Forwarded or X-Forwarded-For: that one our own proxy wrote, while
 * those before it may be made up.
 */
export function clientOf(request: ClientRequest, behindProxy: boolean): string {
  const own = request.socket.remoteAddress ?? ''
  if (!behindProxy) return networkOf(own)
  const forwarded = last(request.headers.forwarded)
  const text = parameter(forwarded, 'for') ?? last(request.headers['x-forwarded-for']) ?? ''
  const address = /^\[([^\]]*)\]/.exec(text)?.[1] ?? (isIP(text) ? text : text.replace(/:\d+$/, ''))
  return networkOf(isIP(address) ? address : own)
}

function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%', 1)[0] ?? ''
  if (isIPv4(plain) || !isIP(plain)) return plain
  const [head = '', tail = ''] = plain.split('::')
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '')
  const zeros = Array(Math.max(0, 8 - groups(head).length - groups(tail).length)).fill('0')
  const all = [...groups(head), ...zeros, ...groups(tail)]
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}

function first(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header.join(',') : header
  return text?.split(',')[0]?.trim()
}

function last(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header.join(',') : header
  return text?.split(',').at(-1)?.trim()
}

function parameter(element: string | undefined, name: string): string | undefined {
  for (const pair of element?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (pair.slice(0, at).trim().toLowerCase() === name)
      return pair
        .slice(at + 1)
        .trim()
        .replaceAll('"', '')
  }
  return undefined
}
