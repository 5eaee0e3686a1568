import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import type { Arrival } from '../model/arrival.js'
import type { Body } from '../model/body.js'
import type { Creation } from '../model/creation.js'
import type { HookRequest } from '../model/hook.js'
import { factsOf, withFixed } from '../model/metadata.js'
import { UploadRequest } from '../model/request.js'
import {
  bringsBody,
  creationHeaders,
  FINAL_HEADERS,
  headerOf,
  isOffsetType,
  MOST_IGNORED_BYTES,
  patchHeaders,
} from './checks.js'
import { checksumOf, unannouncedOf } from './checksum.js'
import { concatOf } from './concat.js'
import { TUS_VERSION } from './version.js'

const VERSION = { 'tus-resumable': TUS_VERSION }

export interface RequestReaderOptions {
  readonly maxSizeBytes: number
  /** The algorithms of Upload-Checksum, in order of preference, and the bytes of each one's digest. */
  readonly digestBytes: Readonly<Record<string, number>>
  /** The body of a request; `begins` is called when its first byte is asked for. */
  readonly makeBody: (request: IncomingMessage, begins: () => void) => Body
  readonly createId: () => string
  readonly isUploadId: (text: string) => boolean
  /** Null where there are no hooks. */
  readonly hooks: { describe(arrival: Arrival): HookRequest } | null
  /** Called with the algorithm of each checksum that counts as none. */
  readonly ignoredChecksum: (algorithm: string) => void
}

/**
 * Reads an UploadRequest from a request's headers. Whatever can be wrong with a request by itself is found here,
 * before a slot is taken and before a byte of the body is read.
 */
export class RequestReader {
  readonly #options: RequestReaderOptions

  constructor(options: RequestReaderOptions) {
    this.#options = options
  }

  /** Throws the UploadError that the client gets for what is wrong with its headers. */
  read(arrival: Arrival): UploadRequest {
    const { request, method, principal } = arrival
    const id = arrival.id ?? this.#options.createId()
    const asked = this.#options.hooks?.describe(arrival) ?? null
    if (method === 'HEAD' || method === 'DELETE') {
      const nothing = { body: null, checksum: null, trailing: null, creation: null }
      return new UploadRequest({ id, method, principal, headers: VERSION, asked, ...nothing })
    }
    const { makeBody, digestBytes, ignoredChecksum } = this.#options
    const { headers, creation } = method === 'POST' ? this.#creation(arrival) : this.#patch(request)
    const takesBody = bringsBody(request) && isOffsetType(request) && !creation?.concat?.parts
    const checksumTools = { digestBytes, ignored: ignoredChecksum }
    const checksum = checksumOf(request, checksumTools)
    const trailing = checksum || !takesBody ? null : unannouncedOf(request, checksumTools)
    const bringsNothing = method === 'POST' && !bringsBody(request)
    if (bringsNothing && checksum?.isOfNothing() === false) throw new UploadError('checksum_mismatch')
    return new UploadRequest({
      id,
      method,
      principal,
      headers: Object.assign({}, VERSION, headers),
      body: takesBody ? makeBody(request, () => arrival.askForBody()) : null,
      checksum,
      trailing,
      creation,
      asked,
    })
  }

  #patch(request: IncomingMessage): { headers: Record<string, string>; creation: null } {
    return { headers: patchHeaders(request, this.#options.maxSizeBytes), creation: null }
  }

  #creation(arrival: Arrival): { headers: Record<string, string>; creation: Creation } {
    const { request } = arrival
    const concat = concatOf(request, { isUploadId: this.#options.isUploadId, client: arrival.client })
    const headers = concat?.parts ? FINAL_HEADERS : creationHeaders(request, this.#options.maxSizeBytes)
    const { principal } = arrival
    const sent = headerOf(request, 'upload-metadata')
    const metadata = principal.kind === 'grant' ? withFixed(sent, principal.grant.metadata) : sent
    return { headers, creation: { concat, expireAfterMs: null, ...factsOf(metadata) } }
  }
}

/**
 * Reads away the body of a creation that is none of its upload: hand-written clients send a form or some JSON with
 * their headers. Resolves with false where the connection ended, or the body did not end in time. Rejects with
 * content_type_wrong where the body is too long to be ignored, and with concat_invalid where it is a final upload's.
 */
export async function ignoreBody(arrival: Arrival): Promise<boolean> {
  const { request, method } = arrival
  if (method !== 'POST' || !bringsBody(request)) return true
  arrival.askForBody()
  // The bytes of a final upload come from its parts alone. The end of the chunks shows that no byte comes.
  const isFinals = isOffsetType(request)
  const mostBytes = isFinals ? 0 : MOST_IGNORED_BYTES
  const bytes = await arrival.readAway(mostBytes)
  if (bytes !== null && bytes > mostBytes)
    throw new UploadError(isFinals ? 'concat_invalid' : 'content_type_wrong')
  return bytes !== null
}
