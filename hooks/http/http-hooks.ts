import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type {
  DecidingEvent,
  HookCall,
  HookDecision,
  HookEvent,
  HookTraces,
  Notified,
  TellingEvent,
} from '../../server/model/hook.js'
import { HookStatus, HooksClosed, type HookTransport } from '../transport.js'
import { Places } from './places.js'
import { Poster, type Reply } from './post.js'
import { signatureHeaders } from './signature.js'
import { tusdAnswer } from './tusd-answer.js'
import { tusdEvent } from './tusd-event.js'

export interface HttpHooksOptions {
  readonly url: string
  /** Absolute path of the data folder; receivers get the paths of files. */
  readonly dataDir: string
  readonly events: readonly HookEvent[]
  /** Secrets of Standard Webhooks; with none requests are not signed. */
  readonly secrets: readonly string[]
  /** Names of the client's headers that the requests to the receiver get too, in lower case. */
  readonly forwardHeaders: readonly string[]
  /** How often a deciding hook is asked again where the receiver cannot be reached, and after how long, in milliseconds. */
  readonly retries: number
  readonly backoffMs: number
  /** For all tries of a deciding hook together, and for each try of another one, in milliseconds. */
  readonly timeoutMs: number
  /** The longest answer that is read, in bytes. */
  readonly sizeLimit: number
  /** A 4xx of the receiver is the client's status; otherwise it is a failure of the hook. */
  readonly passes4xx: boolean
  /** Null where there are no traces. */
  readonly traces: Pick<HookTraces, 'outgoing'> | null
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Each is a connection, and a connection is a file. Others wait, within the time-out. */
const MOST_ASKED_AT_ONCE = 64

/** A hook's headers; those of the client never replace them. */
const OWN_HEADERS = new Set([
  ...['content-type', 'content-length', 'host', 'connection', 'transfer-encoding', 'expect', 'keep-alive'],
  ...['accept-encoding', 'te', 'trailer', 'upgrade', 'webhook-id', 'webhook-timestamp', 'webhook-signature'],
])

/** A receiver behind a URL that speaks tusd's JSON. */
export class HttpHooks implements HookTransport {
  readonly name = 'http'
  readonly url: URL
  readonly #options: HttpHooksOptions
  readonly #running = new Set<AbortController>()
  readonly #poster: Poster
  readonly #places = new Places(MOST_ASKED_AT_ONCE)
  #isClosed = false

  constructor(options: HttpHooksOptions) {
    this.#options = options
    this.url = new URL(options.url)
    this.#poster = new Poster(this.url)
  }

  listensTo(event: HookEvent): boolean {
    return this.#options.events.includes(event)
  }

  decide(call: HookCall<DecidingEvent>): Promise<HookDecision> {
    return this.#inTime((signal) => this.#places.run(signal, () => this.#ask(call, signal)))
  }

  async #ask(call: HookCall<DecidingEvent>, signal: AbortSignal): Promise<HookDecision> {
    const { retries, backoffMs } = this.#options
    const deliveryId = `msg_${randomUUID()}`
    for (let tries = 0; ; tries++) {
      const reply = await this.#post(call, deliveryId, signal).catch((error: unknown) => failure(error))
      const isWorthAnother = reply instanceof Error || reply.status >= 500
      if (!isWorthAnother) return this.#decision(call.event, reply)
      if (tries >= retries || signal.aborted) throw reply instanceof Error ? reply : statusError(reply)
      await pause(backoffMs, undefined, { signal }).catch(() => {
        throw reply instanceof Error ? reply : statusError(reply)
      })
    }
  }

  async notify(call: HookCall<TellingEvent>, { deliveryId }: { deliveryId: string }): Promise<Notified> {
    const sent = this.#inTime((signal) => this.#post(call, deliveryId, signal))
    const reply = await sent.catch((error: unknown) => failure(error))
    if (reply instanceof Error) return { kind: 'failed', reason: reply.message, afterMs: null }
    const { status, retryAfterMs } = reply
    if (status >= 200 && status < 300) return { kind: 'done', stop: asksToStop(call, reply) }
    const reason = statusError(reply).message
    return status === 410 ? { kind: 'gone', reason } : { kind: 'failed', reason, afterMs: retryAfterMs }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const running of this.#running) running.abort(new HooksClosed())
    this.#poster.close()
  }

  /** Gives `work` a signal that aborts after the time-out, and when the server ends. */
  async #inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options
    const running = new AbortController()
    const timer = setTimeout(() => running.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    this.#running.add(running)
    if (this.#isClosed) running.abort(new HooksClosed())
    try {
      return await work(running.signal)
    } finally {
      clearTimeout(timer)
      this.#running.delete(running)
    }
  }

  #post(call: HookCall, deliveryId: string, signal: AbortSignal): Promise<Reply> {
    const { dataDir, secrets, sizeLimit, traces, now } = this.#options
    const body = tusdEvent(call, dataDir)
    const atMs = now()
    const signature = secrets.length > 0 ? signatureHeaders(secrets, { id: deliveryId, atMs, body }) : {}
    const headers = { ...this.#forwarded(call), 'content-type': 'application/json', ...signature }
    const send = (traced: Record<string, string>): Promise<Reply> =>
      this.#poster.post(body, {
        headers: { ...headers, ...traced },
        mostBytes: sizeLimit,
        signal,
        nowMs: atMs,
      })
    return traces ? traces.outgoing(send) : send({})
  }

  #forwarded({ request }: HookCall): Record<string, string> {
    const names = this.#options.forwardHeaders.filter((name) => !OWN_HEADERS.has(name))
    return Object.fromEntries(
      names.flatMap((name) => {
        const values = request?.headers[name]
        return values ? [[name, values.join(', ')]] : []
      }),
    )
  }

  #decision(event: DecidingEvent, reply: Reply): HookDecision {
    const { status, text, contentType, retryAfterMs } = reply
    if (status >= 400 && status < 500 && this.#options.passes4xx) {
      const headers = retryAfterMs === null ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }
      throw new HookStatus({ status, headers })
    }
    if (status < 200 || status >= 300) throw statusError(reply)
    if (text === null)
      throw new Error(`the receiver's answer is longer than ${this.#options.sizeLimit} bytes`)
    if (text.trim() !== '' && !/^application\/(?:[\w.-]+\+)?json\b/i.test(contentType))
      throw new Error(`the receiver's answer is ${contentType || 'of no type'}, not application/json`)
    return tusdAnswer(text, event).decision
  }
}

/** Only `post-receive` can end an upload. An answer that cannot be read asks for nothing: it was received. */
function asksToStop({ event }: HookCall, { text }: Reply): boolean {
  if (event !== 'post-receive' || !text) return false
  try {
    return tusdAnswer(text, event).stop
  } catch {
    return false
  }
}

function statusError({ status }: Reply): Error {
  return new Error(`the receiver answered ${status}`)
}

/** Where a name has several addresses and none can be reached, the error of the first one says why. */
function failure(error: unknown): Error {
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Error(`the receiver could not be asked: ${reason}`, { cause: error })
}
