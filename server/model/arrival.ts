import type { IncomingMessage } from 'node:http'
import type { Principal } from './principal.js'
import type { UploadMethod } from './request.js'

/** A request to the address of an upload, or of all uploads, before its headers are checked. */
export interface Arrival {
  readonly request: IncomingMessage
  readonly method: UploadMethod
  /** The upload in the address; undefined for a creation. */
  readonly id: string | undefined
  readonly principal: Principal
  /** Scheme and host by which the client reached us; '' where it named no host. */
  readonly origin: string
  /** The network address of the client. */
  readonly client: string
  /** Sends `100 Continue` to a sender that waits for it before its body. */
  askForBody(): void
  /**
   * Reads the body away and resolves with its bytes, or as soon as they are more than `mostBytes`. Resolves with
   * null where the connection ends first, or the body does not end in time.
   */
  readAway(mostBytes: number): Promise<number | null>
  /** Aborts when the connection ends. */
  gone(): AbortSignal
}
