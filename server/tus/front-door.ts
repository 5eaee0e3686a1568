import type { IncomingMessage, ServerResponse } from 'node:http'
import { UploadError } from '../errors.js'
import { answerFor, asUploadError, sendAnswer } from '../http/answer.js'
import { corsHeaders, preflightHeaders } from '../http/cors.js'
import { isFault, noteRefusal, type RefusalLog } from '../http/refusal.js'
import { readAway } from '../http/surplus.js'
import type { Body } from '../model/body.js'
import { isTooSlow } from '../model/body.js'
import { type UploadMethod, UploadRequest } from '../model/request.js'
import type { UploadView } from '../model/upload-view.js'
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
import { joined } from './joined.js'
import { factsOf } from './metadata.js'
import { answerHeaders } from './upload-headers.js'

const TUS_VERSION = '1.0.0'
const TUS = { 'Tus-Resumable': TUS_VERSION }

export interface FrontDoorOptions {
  readonly basePath: string
  readonly maxSizeBytes: number
  /** When an unfinished upload expires; milliseconds since 1970. */
  readonly expiresAtMs: (upload: UploadView) => number
  readonly behindProxy: boolean
  readonly corsOrigins: readonly string[]
  readonly extensions: readonly string[]
  /** The algorithms of Upload-Checksum, in order of preference, and the bytes of each one's digest. */
  readonly digestBytes: Readonly<Record<string, number>>
  readonly slots: {
    tryTake(id: string): (() => void) | undefined
    take(id: string, signal: AbortSignal): Promise<() => void>
  }
  readonly protocol: { handle(exchange: UploadRequest): Promise<{ status: number; headers: Headers }> }
  /** Ends what an older request does with an upload. */
  readonly interrupt: (id: string) => void
  /** The intake of a body; `begins` is called when its first byte is wanted. */
  readonly makeBody: (request: IncomingMessage, begins: () => void) => Body
  readonly createId: () => string
  readonly isUploadId: (text: string) => boolean
  readonly log: { info(fields: object, message: string): void }
  readonly refusals: RefusalLog
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
}

/** A request to the tus addresses, once its address and method are known. */
export interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: UploadMethod
  /** The upload in the address; undefined for a creation. */
  readonly id: string | undefined
  /** The sender waits for `100 Continue` before its body. */
  readonly expectsContinue: boolean
}

/** How a request ended: the status of its answer, 0 where it was cut, and why it was refused. */
interface Outcome {
  readonly status: number
  readonly error?: UploadError
}

/**
 * The door to tus: everything that can be wrong with a request by itself is found here, before a slot is
 * taken and before a byte of the body is read.
 */
export class FrontDoor {
  readonly #options: FrontDoorOptions
  readonly #bodies = new Set<Body>()
  /** Requests whose sender waited for a 100 and got it. */
  readonly #continued = new WeakSet<IncomingMessage>()
  readonly #closed = new AbortController()
  #hasIgnoredChecksum = false

  constructor(options: FrontDoorOptions) {
    this.#options = options
  }

  /** Ends every body that is being received, and refuses new ones. */
  close(): void {
    this.#closed.abort()
    for (const body of this.#bodies) body.stop('shutting_down')
  }

  /** Answers OPTIONS (tus 1.0.0, core): what this server speaks, and the preflight's headers. */
  answerOptions(request: IncomingMessage, response: ServerResponse): void {
    const { extensions, maxSizeBytes, digestBytes } = this.#options
    const headers = {
      ...TUS,
      'Tus-Version': TUS_VERSION,
      'Tus-Extension': extensions.join(','),
      'Tus-Checksum-Algorithm': Object.keys(digestBytes).join(','),
      'Tus-Max-Size': String(maxSizeBytes),
      ...preflightHeaders(),
      ...corsHeaders(request, this.#options.corsOrigins),
    }
    sendAnswer(request, response, { status: 204, headers })
  }

  /** Serves one request to its end; never rejects. */
  async serve(arrival: Arrival): Promise<void> {
    const { request, response } = arrival
    const startedAt = this.#options.monotonic()
    let exchange: UploadRequest | undefined
    let outcome: Outcome
    try {
      this.#check(arrival)
      exchange = this.#exchange(arrival)
      const isRead = exchange.body !== null || (await this.#readAway(arrival))
      const answer = isRead ? await this.#pass(exchange, response) : null
      // A sender that fell silent is cut off without an answer: clients give up at a 4xx, but resume after a cut.
      const cut = answer === null || (exchange.bodyEnd !== null && isTooSlow(exchange.bodyEnd))
      outcome = { status: cut ? 0 : answer.status }
      if (cut) request.socket.destroy()
      else {
        const headers = { ...TUS, ...answerHeaders(exchange, request, answer.headers, this.#options) }
        sendAnswer(request, response, { status: answer.status, headers })
      }
    } catch (thrown) {
      outcome = this.#refuse(arrival, this.#forHead(arrival, asUploadError(thrown)))
    }
    this.#note(arrival, exchange, outcome, startedAt)
  }

  /** A HEAD without a version is served, because clients in use send it; it changes nothing. */
  #check({ request, method }: Arrival): void {
    const version = headerOf(request, 'tus-resumable')
    const isServed = version === TUS_VERSION || (version === undefined && method === 'HEAD')
    if (!isServed) throw new UploadError('version_unsupported')
  }

  #exchange(arrival: Arrival): UploadRequest {
    const { request, method } = arrival
    const id = arrival.id ?? this.#options.createId()
    if (method === 'HEAD' || method === 'DELETE') {
      const nothing = { body: null, checksum: null, trailing: null, creation: null }
      return new UploadRequest({ id, method, headers: VERSION, ...nothing })
    }
    if (this.#closed.signal.aborted) throw new UploadError('shutting_down')
    const { makeBody, digestBytes } = this.#options
    const { headers, creation } = method === 'POST' ? this.#creation(request) : this.#patch(request)
    const takesBody = bringsBody(request) && isOffsetType(request) && !creation?.concat?.parts
    const tools = { digestBytes, ignored: (algorithm: string) => this.#noteIgnored(algorithm) }
    const checksum = checksumOf(request, tools)
    const trailing = checksum || !takesBody ? null : unannouncedOf(request, tools)
    const bringsNothing = method === 'POST' && !bringsBody(request)
    if (bringsNothing && checksum?.isOfNothing() === false) throw new UploadError('checksum_mismatch')
    const body = takesBody ? makeBody(request, () => this.#continue(arrival)) : null
    const all = { ...VERSION, ...headers }
    return new UploadRequest({ id, method, headers: all, body, checksum, trailing, creation })
  }

  /** Asks for the body of a sender that waits for that. */
  #continue({ request, response, expectsContinue }: Arrival): void {
    if (!expectsContinue) return
    this.#continued.add(request)
    response.writeContinue()
  }

  /**
   * Reads the body of a creation that is none of its upload: hand-written clients send a form or some JSON with
   * their headers. False where the connection ended, or the body did not end in time.
   */
  async #readAway(arrival: Arrival): Promise<boolean> {
    const { request, method } = arrival
    if (method !== 'POST' || !bringsBody(request)) return true
    this.#continue(arrival)
    // Bytes of a final upload come from its parts alone; that none comes is seen at the end of the chunks.
    const isFinals = isOffsetType(request)
    const most = isFinals ? 0 : MOST_IGNORED_BYTES
    const bytes = await readAway(request, most)
    if (bytes !== null && bytes > most)
      throw new UploadError(isFinals ? 'concat_invalid' : 'content_type_wrong')
    if (this.#closed.signal.aborted) throw new UploadError('shutting_down')
    return bytes !== null
  }

  /** One line a process: such clients send it with each part of each file. */
  #noteIgnored(algorithm: string): void {
    if (this.#hasIgnoredChecksum) return
    this.#hasIgnoredChecksum = true
    const message = 'Upload-Checksum is Base64 of a hex digest: it counts as none; told once'
    this.#options.log.info({ algorithm }, message)
  }

  #patch(request: IncomingMessage) {
    return { headers: patchHeaders(request, this.#options.maxSizeBytes), creation: null }
  }

  #creation(request: IncomingMessage) {
    const { maxSizeBytes } = this.#options
    const concat = concatOf(request, this.#options)
    const headers = concat?.parts ? FINAL_HEADERS : creationHeaders(request, maxSizeBytes)
    return { headers, creation: { ...factsOf(headerOf(request, 'upload-metadata')), concat } }
  }

  async #pass(exchange: UploadRequest, response: ServerResponse) {
    const { protocol, slots, interrupt } = this.#options
    const { body } = exchange
    if (!body) {
      const answer = await protocol.handle(exchange)
      const { upload } = exchange
      if (exchange.method === 'POST' && upload?.joining) await joined(upload, this.#closed.signal)
      if (exchange.method === 'POST') upload?.markLocationSent()
      return answer
    }
    // An older request of this upload gives way before the slots are asked, not after.
    if (exchange.method === 'PATCH') interrupt(exchange.id)
    const giveBack = slots.tryTake(exchange.id) ?? (await this.#awaitSlot(exchange.id, response))
    this.#bodies.add(body)
    if (this.#closed.signal.aborted) body.stop('shutting_down')
    try {
      return await protocol.handle(exchange)
    } finally {
      this.#bodies.delete(body)
      giveBack()
    }
  }

  /** Waits for a slot for as long as the sender is there. */
  async #awaitSlot(id: string, response: ServerResponse): Promise<() => void> {
    const gone = new AbortController()
    const leave = (): void => gone.abort()
    response.on('close', leave)
    return this.#options.slots.take(id, gone.signal).finally(() => response.off('close', leave))
  }

  /** A client that sees HEAD fail begins again at byte 0; told 423 it asks again at the same address. */
  #forHead({ method }: Arrival, error: UploadError): UploadError {
    if (method !== 'HEAD' || error.status < 500) return error
    return new UploadError('upload_locked', { cause: error })
  }

  #refuse(arrival: Arrival, error: UploadError): Outcome {
    const { request, response } = arrival
    const version = error.code === 'version_unsupported' ? { 'Tus-Version': TUS_VERSION } : {}
    // Who waited for a 100 and gets a refusal may not send its body: the connection cannot be used again.
    const unsent = arrival.expectsContinue && !this.#continued.has(request)
    const close = unsent ? { Connection: 'close' } : {}
    const cors = corsHeaders(request, this.#options.corsOrigins)
    const headers = { ...TUS, ...version, ...close, ...cors }
    sendAnswer(request, response, answerFor(error, headers))
    return { status: error.status, error }
  }

  #note(arrival: Arrival, exchange: UploadRequest | undefined, outcome: Outcome, startedAt: number): void {
    const { status, error } = outcome
    // A HEAD changes nothing; only what went wrong here is worth a line.
    if (arrival.method === 'HEAD' && !isFault(error)) return
    const { upload, id = arrival.id, bodyEnd } = exchange ?? {}
    const ms = Math.round(this.#options.monotonic() - startedAt)
    const stored = { offset: upload?.offset, length: upload?.length, sha256: upload?.sha256 ?? undefined }
    const end = bodyEnd === null ? undefined : bodyEnd
    const fields = { id, method: arrival.method, status, ...stored, end, ms }
    if (error) noteRefusal(this.#options.refusals, error, fields)
    else this.#options.log.info(fields, 'request')
  }
}

const VERSION = { 'tus-resumable': TUS_VERSION }
