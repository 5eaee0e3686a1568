import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { UploadError } from '../errors.js'
import { answerFor, asUploadError, sendAnswer } from './answer.js'
import { bringsBody, creationHeaders, FINAL_HEADERS, headerOf, patchHeaders } from './checks.js'
import { checksumOf } from './checksum.js'
import { concatOf } from './concat.js'
import { corsHeaders, type HeaderFields, preflightHeaders } from './cors.js'
import { Exchange, type Stoppable, type TusMethod, type UploadView } from './exchange.js'
import { parseMetadata, textOf } from './metadata.js'
import { publicOrigin } from './origin.js'
import { reprDigest } from './repr-digest.js'

const TUS_VERSION = '1.0.0'
/** How long the answer to a final upload waits for its joining: proxies give up after a minute. */
const JOINED_WITHIN_MS = 20_000

export interface FrontDoorOptions<B extends Stoppable> {
  readonly basePath: string
  readonly maxSizeBytes: number
  readonly expireAfterMs: number
  readonly behindProxy: boolean
  readonly corsOrigins: readonly string[]
  readonly extensions: readonly string[]
  /** The algorithms of Upload-Checksum, in order of preference, and the bytes of each one's digest. */
  readonly digestBytes: Readonly<Record<string, number>>
  readonly slots: {
    tryTake(id: string): (() => void) | undefined
    take(id: string, signal: AbortSignal): Promise<() => void>
  }
  readonly protocol: { handle(exchange: Exchange<B>): Promise<{ status: number; headers: Headers }> }
  /** Ends what an older request does with an upload. */
  readonly interrupt: (id: string) => void
  /** The intake of a body; `begins` is called when its first byte is wanted. */
  readonly makeBody: (request: IncomingMessage, begins: () => void) => B
  readonly createId: () => string
  readonly isUploadId: (text: string) => boolean
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void }
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
}

/** A request to the tus addresses, once its address and method are known. */
export interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: TusMethod
  /** The upload in the address; undefined for a creation. */
  readonly id: string | undefined
  /** The sender waits for `100 Continue` before its body. */
  readonly expectsContinue: boolean
}

/**
 * The door to tus: everything that can be wrong with a request by itself is found here, before a slot is
 * taken and before a byte of the body is read.
 */
export class FrontDoor<B extends Stoppable> {
  readonly #options: FrontDoorOptions<B>
  readonly #bodies = new Set<B>()
  /** Requests whose sender waited for a 100 and got it. */
  readonly #continued = new WeakSet<IncomingMessage>()
  readonly #closed = new AbortController()

  constructor(options: FrontDoorOptions<B>) {
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
    let exchange: Exchange<B> | undefined
    let outcome: { status: number; code?: string }
    try {
      this.#check(request)
      exchange = this.#exchange(arrival)
      const { status, headers } = await this.#pass(exchange, response)
      const cut = isSilence(exchange.bodyEnd)
      outcome = { status: cut ? 0 : status }
      if (cut) request.socket.destroy()
      else sendAnswer(request, response, { status, headers: this.#headers(exchange, request, headers) })
    } catch (thrown) {
      outcome = this.#refuse(arrival, this.#forHead(arrival, asUploadError(thrown)))
    }
    this.#note(arrival, exchange, outcome, startedAt)
  }

  #check(request: IncomingMessage): void {
    if (headerOf(request, 'tus-resumable') !== TUS_VERSION) throw new UploadError('version_unsupported')
  }

  #exchange(arrival: Arrival): Exchange<B> {
    const { request, response, method, expectsContinue } = arrival
    const id = arrival.id ?? this.#options.createId()
    if (method === 'HEAD' || method === 'DELETE') {
      return new Exchange<B>({ id, method, headers: VERSION, body: null, checksum: null, creation: null })
    }
    if (this.#closed.signal.aborted) throw new UploadError('shutting_down')
    const { makeBody, digestBytes } = this.#options
    const { headers, creation } = method === 'POST' ? this.#creation(request) : this.#patch(request)
    const checksum = checksumOf(request, digestBytes)
    const bringsNothing = method === 'POST' && !bringsBody(request)
    if (bringsNothing && checksum?.isOfNothing() === false) throw new UploadError('checksum_mismatch')
    const begins = (): void => {
      if (!expectsContinue) return
      this.#continued.add(request)
      response.writeContinue()
    }
    const body = bringsBody(request) ? makeBody(request, begins) : null
    return new Exchange<B>({ id, method, headers: { ...VERSION, ...headers }, body, checksum, creation })
  }

  #patch(request: IncomingMessage) {
    return { headers: patchHeaders(request, this.#options.maxSizeBytes), creation: null }
  }

  #creation(request: IncomingMessage) {
    const { maxSizeBytes } = this.#options
    const concat = concatOf(request, this.#options)
    const headers = concat?.parts ? FINAL_HEADERS : creationHeaders(request, maxSizeBytes)
    return { headers, creation: { ...toldOf(request), concat } }
  }

  async #pass(exchange: Exchange<B>, response: ServerResponse) {
    const { protocol, slots, interrupt } = this.#options
    const { body } = exchange
    if (!body) {
      const answer = await protocol.handle(exchange)
      const { upload } = exchange
      if (exchange.method === 'POST' && upload?.joining) await joined(upload, this.#closed.signal)
      if (exchange.method === 'POST') upload?.told()
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

  #headers(exchange: Exchange<B>, request: IncomingMessage, answered: Headers): HeaderFields {
    const { expireAfterMs, basePath, behindProxy, corsOrigins } = this.#options
    const { upload, method } = exchange
    const id = upload?.id ?? exchange.id
    const headers: HeaderFields = { 'Tus-Resumable': TUS_VERSION, ...corsHeaders(request, corsOrigins) }
    const passed = upload?.kind === 'final' ? PASSED_OF_FINAL : PASSED
    for (const [name, value] of Object.entries(passed)) {
      const text = answered.get(name)
      if (text !== null) headers[value] = text
    }
    if (method === 'POST') headers.Location = `${publicOrigin(request, behindProxy)}${basePath}/${id}`
    if (!upload || method === 'DELETE') return headers
    if (upload.kind === 'final') Object.assign(headers, finalHeaders(upload))
    if (method === 'HEAD' && upload.concat !== null) headers['Upload-Concat'] = upload.concat
    if (method === 'HEAD' && upload.metadata !== null) headers['Upload-Metadata'] = upload.metadata
    if (upload.sha256 !== null) headers['Repr-Digest'] = reprDigest(upload.sha256)
    else headers['Upload-Expires'] = new Date(upload.touchedAtMs + expireAfterMs).toUTCString()
    return headers
  }

  /** A client that sees HEAD fail begins again at byte 0; told 423 it asks again at the same address. */
  #forHead({ method, id }: Arrival, error: UploadError): UploadError {
    if (method !== 'HEAD' || error.status < 500) return error
    this.#options.log.error({ id, method, code: error.code, err: error }, 'request failed')
    return new UploadError('upload_locked', { cause: error })
  }

  #refuse(arrival: Arrival, error: UploadError): { status: number; code: string } {
    const { request, response, method, id } = arrival
    if (error.status >= 500)
      this.#options.log.error({ id, method, code: error.code, err: error }, 'request failed')
    const version = error.code === 'version_unsupported' ? { 'Tus-Version': TUS_VERSION } : {}
    // Who waited for a 100 and gets a refusal may not send its body: the connection cannot be used again.
    const unsent = arrival.expectsContinue && !this.#continued.has(request)
    const close = unsent ? { Connection: 'close' } : {}
    const cors = corsHeaders(request, this.#options.corsOrigins)
    const headers = { 'Tus-Resumable': TUS_VERSION, ...version, ...close, ...cors }
    sendAnswer(request, response, answerFor(error, headers))
    return { status: error.status, code: error.code }
  }

  #note(arrival: Arrival, exchange: Exchange<B> | undefined, outcome: object, startedAt: number): void {
    if (arrival.method === 'HEAD') return
    const { upload, id = arrival.id, bodyEnd } = exchange ?? {}
    const ms = Math.round(this.#options.monotonic() - startedAt)
    const stored = { offset: upload?.offset, length: upload?.length, sha256: upload?.sha256 ?? undefined }
    const end = bodyEnd === null ? undefined : bodyEnd
    this.#options.log.info({ id, method: arrival.method, ...outcome, ...stored, end, ms }, 'request')
  }
}

const VERSION = { 'tus-resumable': TUS_VERSION }

/** What @tus/server answers and a client needs, by the names it is sent under. */
const PASSED = {
  'upload-offset': 'Upload-Offset',
  'upload-length': 'Upload-Length',
  'upload-defer-length': 'Upload-Defer-Length',
  'cache-control': 'Cache-Control',
}
const PASSED_OF_FINAL = { 'cache-control': 'Cache-Control' }

/** Waits until a final upload is joined, for so long as a client will. Rejects with why it is refused. */
async function joined(upload: UploadView, closing: AbortSignal): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, closing])
  const late = setTimeout(JOINED_WITHIN_MS, undefined, { signal }).catch(() => {})
  await Promise.race([upload.joining, late]).finally(() => over.abort())
  if (upload.gone) throw new UploadError('upload_unknown')
}

/** A final upload has an offset once it is joined, and not before (tus 1.0.0, concatenation). */
function finalHeaders({ sha256, length }: UploadView): HeaderFields {
  if (length === null) return {}
  const known = { 'Upload-Length': String(length) }
  return sha256 === null ? known : { ...known, 'Upload-Offset': String(length) }
}

function toldOf(request: IncomingMessage) {
  const raw = headerOf(request, 'upload-metadata')
  const metadata = raw === undefined ? null : parseMetadata(raw)
  const filename = textOf(metadata, ['filename', 'name'])
  return { metadata: raw ?? null, filename, declaredType: textOf(metadata, ['filetype', 'type']) }
}

/** A sender that fell silent is cut off without an answer: clients give up at a 4xx, but resume after a cut. */
function isSilence(end: string | null): boolean {
  return end === 'idle' || end === 'slow'
}
