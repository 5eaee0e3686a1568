import type { UploadRecord } from './record.js'

/** Hooks that decide: the client waits for them. `pre-accept` is asked once the type was seen in the first bytes. */
export const DECIDING_EVENTS = [
  'pre-access',
  'pre-create',
  'pre-accept',
  'pre-finish',
  'pre-terminate',
] as const

/** Hooks that are notified: no answer waits for them. */
export const TELLING_EVENTS = ['post-create', 'post-receive', 'post-finish', 'post-terminate'] as const

export type DecidingEvent = (typeof DECIDING_EVENTS)[number]
export type TellingEvent = (typeof TELLING_EVENTS)[number]
export type HookEvent = DecidingEvent | TellingEvent

/** A hundred years: what is added to a time must be a date still. */
export const MOST_EXPIRE_AFTER_MS = 100 * 366 * 86_400_000

const EVENTS: readonly string[] = [...DECIDING_EVENTS, ...TELLING_EVENTS]

/** Tells whether a word is the name of an event. */
export function isHookEvent(word: string): word is HookEvent {
  return EVENTS.includes(word)
}

/** The request of a client that made a hook run. */
export interface HookRequest {
  readonly method: string
  /** The target as the client sent it, such as `/files/<id>`, without the server's own tokens in its query. */
  readonly uri: string
  /** Address and port of the connection, such as `127.0.0.1:59395`; the client's own address behind a proxy. */
  readonly remoteAddress: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}

/** The upload that a hook is about: its record, and what tus says of it besides. */
export interface HookUpload extends UploadRecord {
  /** The pairs of Upload-Metadata, decoded as UTF-8. */
  readonly fields: Readonly<Record<string, string>>
  /** The ids of a final upload's parts, in order; null for others. */
  readonly parts: readonly string[] | null
}

/** What a hook is called with. */
export interface HookCall<E extends HookEvent = HookEvent> {
  readonly event: E
  /** In `pre-create` the upload does not exist yet: its id is the one it will have unless the hook changes it. */
  readonly upload: HookUpload
  /** Null where no request is under way: an upload is finished or joined after a restart. */
  readonly request: HookRequest | null
  /** The first bytes of the upload, at most 512, in `pre-accept`; empty in others. */
  readonly firstBytes: Uint8Array
}

/** What a hook changes in the answer that the client gets. */
export interface HookAnswer {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
}

/** What a deciding hook says. Without any field the request goes on as if there were no hook. */
export interface HookDecision {
  /** The request is refused, and `answer` says with what. `pre-accept` and `pre-finish` remove the upload. */
  readonly refuse?: boolean | undefined
  /** Of a refusal, or of the answer that the request gets at its end. */
  readonly answer?: HookAnswer | undefined
  /** `pre-create`: replaces the pairs of Upload-Metadata. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** `pre-create`: the upload's id. */
  readonly id?: string | undefined
  /** `pre-create`: milliseconds without new bytes after which the upload expires, at most those of 100 years. */
  readonly expireAfterMs?: number | undefined
  /** `pre-accept`: the type that the upload has. */
  readonly type?: string | undefined
}

/** Asks the deciding hooks. */
export interface Decider {
  /** Tells whether a hook listens to an event; where none does nothing needs to be prepared for it. */
  listensTo(event: DecidingEvent): boolean
  /**
   * Asks the hooks in turn, and resolves with what they say together. Rejects with an UploadError where one refuses,
   * or fails and `--hooks-on-failure` says so.
   */
  decide(call: HookCall<DecidingEvent>): Promise<HookDecision>
}

/** What became of a try to notify an endpoint. */
export type Notified =
  /** The endpoint has it. `stop`: the upload is to be ended and removed (tusd's StopUpload in `post-receive`). */
  | { readonly kind: 'done'; readonly stop: boolean }
  /** It is tried again, `afterMs` at the earliest where the endpoint asked for that. */
  | { readonly kind: 'failed'; readonly reason: string; readonly afterMs: number | null }
  /** The endpoint wants nothing any more (410). */
  | { readonly kind: 'gone'; readonly reason: string }

/** A call of a hook, as a trace describes it. */
export interface HookRun {
  readonly event: HookEvent
  /** The endpoint's name. */
  readonly endpoint: string
  readonly uploadId: string
  /** Where the receiver is; null where there is none. */
  readonly url: URL | null
}

/** Makes hooks a part of traces. */
export interface HookTraces {
  hook<T>(run: HookRun, work: () => Promise<T>, outcomeOf: (result: T) => string): Promise<T>
  /** Sends a request to a receiver, with the headers by which it continues the trace. */
  outgoing<T>(send: (headers: Record<string, string>) => Promise<T>): Promise<T>
}

/** Somebody who is notified of events: a module's functions, or a receiver behind a URL. */
export interface HookEndpoint {
  /** A word for folders, the API and the log, such as `http` or `module`. */
  readonly name: string
  listensTo(event: TellingEvent): boolean
  /**
   * Notifies it of one event. `deliveryId` is the same in each try; `attempt` counts from 1. Never rejects. Ends within
   * the endpoint's time-out.
   */
  notify(call: HookCall<TellingEvent>, delivery: { deliveryId: string; attempt: number }): Promise<Notified>
}
