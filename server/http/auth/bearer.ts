import type { IncomingMessage } from 'node:http'

/** Longer ones are not looked at. */
const MOST_TOKEN_LENGTH = 8_192

/** The token in `Authorization: Bearer` (RFC 6750, section 2.1); undefined where there is none. */
export function bearerOf(request: IncomingMessage): string | undefined {
  const { authorization } = request.headers
  if (authorization === undefined || authorization.length > MOST_TOKEN_LENGTH) return undefined
  return /^Bearer +([!-~]+)$/i.exec(authorization)?.[1]
}
