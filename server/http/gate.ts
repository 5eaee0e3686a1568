import type { IncomingMessage } from 'node:http'
import type { AccessRule, Principal } from '../model/principal.js'

/** What a request asks for, as far as it matters who is asking. */
export interface Asked {
  /** The method that counts. */
  readonly method: string
  readonly path: string
  /** The query without `?`; '' for none. */
  readonly query: string
  /** The address is that of an upload, or of all uploads. */
  readonly isUploads: boolean
  /** What stands in the place of an upload's id; '' for the address of all uploads, or another. */
  readonly id: string
}

/** Who is asking, and which uploads are there for them. */
export interface Gate {
  /** Throws an UploadError, or rejects with it, where the request may not go on. */
  identify(request: IncomingMessage, asked: Asked): Principal | Promise<Principal>
  readonly mayAccess: AccessRule
}
