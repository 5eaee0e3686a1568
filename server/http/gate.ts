import type { IncomingMessage } from 'node:http'
import { type AccessRule, ANONYMOUS, mayAccess, type Principal } from '../model/principal.js'

/** Who is asking, and which uploads are there for them. */
export interface Gate {
  /** Throws an UploadError where the request may not go on. */
  identify(request: IncomingMessage): Principal
  readonly mayAccess: AccessRule
}

/** The gate of a server without keys: everybody is anonymous. */
export const OPEN_GATE: Gate = { identify: () => ANONYMOUS, mayAccess }
