import type { IncomingMessage } from 'node:http'

const HOST = /^[A-Za-z0-9._~%:[\]-]+$/

/**
 * The scheme and host a client reached us by, e.g. `https://up.example`; '' where it named no host, which
 * makes a Location relative. Forwarded (RFC 7239) and X-Forwarded-* count only behind a proxy that is
 * trusted; of a list the first, which is the client's side.
 */
export function publicOrigin(request: IncomingMessage, behindProxy: boolean): string {
  const forwarded = behindProxy ? forwardedBy(request) : {}
  const host = [forwarded.host, request.headers.host].find((name) => name !== undefined && HOST.test(name))
  if (host === undefined) return ''
  const proto = forwarded.proto?.toLowerCase()
  return `${proto === 'https' || proto === 'http' ? proto : 'http'}://${host}`
}

function forwardedBy(request: IncomingMessage): { proto?: string | undefined; host?: string | undefined } {
  const forwarded = first(request.headers.forwarded)
  return {
    proto: parameter(forwarded, 'proto') ?? first(request.headers['x-forwarded-proto']),
    host: parameter(forwarded, 'host') ?? first(request.headers['x-forwarded-host']),
  }
}

function first(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header.join(',') : header
  return text?.split(',')[0]?.trim()
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
