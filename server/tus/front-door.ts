import type { IncomingMessage } from 'node:http'
import { asUploadError, isFault, UploadError } from '../errors.js'
import type { Answer, HeaderFields } from '../model/answer.js'
import type { Arrival } from '../model/arrival.js'
import { type Body, isTooSlow } from '../model/body.js'
import type { SlotHolder } from '../model/cluster.js'
import { countedFor } from '../model/principal.js'
import type { UploadRequest } from '../model/request.js'
import type { UploadView } from '../model/upload-view.js'
import { answerHeaders } from './answer-headers.js'
import { checkVersion, headerOf } from './checks.js'
import { withHookAnswers } from './hook-answer.js'
import { waitForJoin } from './join-wait.js'
import type { TusAnswer } from './protocol.js'
import type { RequestHooks } from './request-hooks.js'
import { logRefusal, type RequestLog } from './request-log.js'
import { ignoreBody, RequestReader, type RequestReaderOptions } from './request-reader.js'
import { TUS_HEADERS, TUS_VERSION } from './version.js'

export interface FrontDoorOptions extends Omit<RequestReaderOptions, 'ignoredChecksum' | 'hooks'> {
  /** Null where there are no hooks. */
  readonly hooks: Pick<RequestHooks, 'describe' | 'access' | 'create'> | null
  readonly basePath: string
  /** GET of a file is refused. */
  readonly disableDownload: boolean
  /** When an unfinished upload expires; milliseconds since 1970. */
  readonly expiresAtMs: (upload: UploadView) => number
  readonly extensions: readonly string[]
  readonly slots: {
    /** Undefined where `take` must be asked. */
    tryTake(id: string, owner: string | null): GiveBack | undefined
    /** Resolves with null where the signal aborts first. */
    take(id: string, gone: AbortSignal, owner: string | null, holder: SlotHolder): Promise<GiveBack | null>
  }
  readonly dayBytes: {
    /** Reserves bytes of an owner's day; what it returns takes those that were stored. Throws or rejects with owner_bytes_used. */
    reserve(owner: string, bodyBytes: number, uploadBytes: number): CountStored | Promise<CountStored>
  }
  readonly protocol: { handle(request: UploadRequest): Promise<TusAnswer> }
  /** Ends what an older request does with the upload of this one. */
  readonly interrupt: (request: UploadRequest) => Promise<void>
  /** Tells whether a request may do so. Rejects as `interrupt` does. */
  readonly mayInterrupt: (request: UploadRequest) => boolean | Promise<boolean>
  readonly log: Pick<RequestLog, 'info'>
  readonly refusals: RequestLog
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** Gives a slot back; the answer waits for what it returns, so that the next request finds the slot free. */
type GiveBack = () => void | Promise<void>

/** Takes how many bytes of a body were stored. */
type CountStored = (storedBytes: number) => void

/** What became of a request: the status of its answer, 0 where it gets none, and why it was refused. */
interface Outcome {
  readonly status: number
  readonly error?: UploadError
}

/** Serves tus requests: checks them, takes a slot for a body, passes them to @tus/server, and makes the answer. */
export class FrontDoor {
  readonly headers: HeaderFields = TUS_HEADERS
  readonly optionsHeaders: HeaderFields
  readonly #options: FrontDoorOptions
  readonly #reader: RequestReader
  readonly #bodies = new Set<Body>()
  readonly #closed = new AbortController()
  #hasIgnoredChecksum = false

  constructor(options: FrontDoorOptions) {
    this.#options = options
    const ignoredChecksum = (algorithm: string): void => this.#logIgnored(algorithm)
    this.#reader = new RequestReader({ ...options, ignoredChecksum })
    this.optionsHeaders = {
      ...TUS_HEADERS,
      'Tus-Version': TUS_VERSION,
      'Tus-Extension': options.extensions.join(','),
      'Tus-Checksum-Algorithm': Object.keys(options.digestBytes).join(','),
      'Tus-Max-Size': String(options.maxSizeBytes),
    }
  }

  /** Ends every body that is being received, and refuses new ones. */
  close(): void {
    this.#closed.abort()
    for (const body of this.#bodies) body.stop('shutting_down')
  }

  /** X-HTTP-Method-Override names the method that counts, and the actual one is ignored (tus 1.0.0, core). */
  methodOf(request: IncomingMessage): string {
    // A preflight names the header in Access-Control-Request-Headers and never has it.
    const override = headerOf(request, 'x-http-method-override')
    return override === undefined ? (request.method ?? '') : override.trim().toUpperCase()
  }

  /** Throws version_unsupported where a request names another version than 1.0.0. */
  checkVersion(request: IncomingMessage): void {
    checkVersion(request, true)
  }

  /** The tus headers of the answer for an error. */
  refusalHeaders({ code }: UploadError): HeaderFields {
    return code === 'version_unsupported' ? { ...TUS_HEADERS, 'Tus-Version': TUS_VERSION } : TUS_HEADERS
  }

  /** Serves one request; null where its connection must end without an answer. Rejects with an UploadError. */
  async serve(arrival: Arrival): Promise<Answer | null> {
    const startedAt = this.#options.monotonic()
    let request: UploadRequest | undefined
    let outcome: Outcome = { status: 0 }
    try {
      request = this.#read(arrival)
      const answer = await this.#answer(request, arrival)
      outcome = { status: answer?.status ?? 0 }
      return answer
    } catch (thrown) {
      const error = forMethod(arrival.method, asUploadError(thrown))
      outcome = { status: error.status, error }
      throw error
    } finally {
      const { asked, upload } = request ?? {}
      // What the request sent is not kept with the upload. Another request may have taken it over.
      if (asked && upload?.hooks.request === asked) upload.endHookRequest()
      this.#log(arrival, request, outcome, startedAt)
    }
  }

  #read(arrival: Arrival): UploadRequest {
    const { request, method } = arrival
    // Clients in use send HEAD without a version; it changes nothing.
    checkVersion(request, method === 'HEAD')
    if (method === 'POST' || method === 'PATCH') this.#refuseIfClosed()
    return this.#reader.read(arrival)
  }

  #refuseIfClosed(): void {
    if (this.#closed.signal.aborted) throw new UploadError('shutting_down')
  }

  async #answer(request: UploadRequest, arrival: Arrival): Promise<Answer | null> {
    const { hooks } = this.#options
    if (hooks && request.method !== 'POST') await hooks.access(request)
    const answered = await this.#handleCounted(request, arrival)
    // A sender that fell silent is cut off without an answer: clients give up at a 4xx, but resume after a cut.
    if (!answered || (request.bodyEnd !== null && isTooSlow(request.bodyEnd))) return null
    const headers = answerHeaders(request, arrival, answered.headers, this.#options)
    const answer = { status: answered.status, headers: Object.assign({}, TUS_HEADERS, headers) }
    return withHookAnswers(answer, request)
  }

  /** Counts the bytes of a creation or a body for the owner's day. */
  async #handleCounted(request: UploadRequest, arrival: Arrival) {
    const { body, headers } = request
    const handle = () =>
      body ? this.#handleWithSlot(request, body, arrival) : this.#handleWithoutBody(request, arrival)
    const owner = countedFor(request.principal)
    if (owner === null || (!body && request.method !== 'POST')) return handle()
    const bodyBytes = body ? Number(headers['content-length'] ?? 0) : 0
    const uploadBytes = request.method === 'POST' ? Number(headers['upload-length'] ?? 0) : 0
    const reserved = this.#options.dayBytes.reserve(owner, bodyBytes, uploadBytes)
    const stored = typeof reserved === 'function' ? reserved : await reserved
    try {
      return await handle()
    } finally {
      const before = Number(headers['upload-offset'] ?? 0)
      stored(body && request.bodyEnd !== null ? Math.max(0, (request.upload?.offset ?? 0) - before) : 0)
    }
  }

  async #handleWithoutBody(request: UploadRequest, arrival: Arrival) {
    if (!(await ignoreBody(arrival))) return null
    if (request.method === 'POST') this.#refuseIfClosed()
    const answered = await this.#handle(request)
    const { upload } = request
    if (request.method === 'POST' && upload?.joining) await waitForJoin(upload, this.#closed.signal)
    if (request.method === 'POST') upload?.markLocationSent()
    return answered
  }

  async #handleWithSlot(request: UploadRequest, body: Body, arrival: Arrival) {
    const { slots, interrupt } = this.#options
    // An older request of this upload ends before a slot is asked for, not after: it may hold that slot.
    const denied = request.method === 'PATCH' ? await refusalOf(interrupt(request)) : undefined
    // A request for an upload that is not there waits as long as others: a shorter wait would say that the upload runs.
    const slotOf = denied ? `denied ${request.id}` : request.id
    const owner = countedFor(request.principal)
    const giveBack =
      slots.tryTake(slotOf, owner) ??
      (await slots.take(slotOf, arrival.gone(), owner, this.#holderOf(request)))
    if (!giveBack) {
      request.bodyEnd = 'cut'
      return null
    }
    if (denied) {
      await giveBack()
      throw denied
    }
    this.#bodies.add(body)
    if (this.#closed.signal.aborted) body.stop('shutting_down')
    try {
      return await this.#handle(request)
    } finally {
      this.#bodies.delete(body)
      await giveBack()
    }
  }

  #holderOf(request: UploadRequest): SlotHolder {
    return {
      end: () => request.interrupt(),
      mayInterrupt: () => this.#options.mayInterrupt(request),
    }
  }

  /** Asks `pre-create` about a creation, and passes the request to @tus/server. */
  async #handle(request: UploadRequest): Promise<TusAnswer> {
    const { hooks, protocol } = this.#options
    if (hooks && request.creation) await hooks.create(request)
    return protocol.handle(request)
  }

  /** One line a process: clients of this kind send such a checksum with each part of each file. */
  #logIgnored(algorithm: string): void {
    if (this.#hasIgnoredChecksum) return
    this.#hasIgnoredChecksum = true
    const message = 'Upload-Checksum is Base64 of a hex digest and counts as none; logged once'
    this.#options.log.info({ algorithm }, message)
  }

  #log(arrival: Arrival, request: UploadRequest | undefined, outcome: Outcome, startedAt: number): void {
    const { method } = arrival
    const { status, error } = outcome
    // A HEAD changes nothing; only a fault of the server is worth a line.
    if (method === 'HEAD' && !isFault(error)) return
    const { upload, id = arrival.id, bodyEnd } = request ?? {}
    const ms = Math.round(this.#options.monotonic() - startedAt)
    const { offset, length, sha256 } = upload ?? {}
    const end = bodyEnd ?? undefined
    const fields = { id, method, status, offset, length, sha256: sha256 ?? undefined, end, ms }
    if (error) logRefusal(this.#options.refusals, error, fields)
    else this.#options.log.info(fields, 'request')
  }
}

/** Why it rejects; undefined where it does not. */
async function refusalOf(work: Promise<void>): Promise<UploadError | undefined> {
  return work.then(() => undefined, asUploadError)
}

/** A client that sees HEAD fail begins again at byte 0. One that gets 423 asks again at the same address. */
function forMethod(method: string, error: UploadError): UploadError {
  // A hook that failed may have passed on any status.
  if (method !== 'HEAD' || (error.status < 500 && error.code !== 'hook_failed')) return error
  return new UploadError('upload_locked', { cause: error })
}
