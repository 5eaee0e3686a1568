import type { HookCall, HookDecision, HookEvent } from '../server/model/hook.js'

export type {
  DecidingEvent,
  HookAnswer,
  HookCall,
  HookDecision,
  HookEvent,
  HookRequest,
  HookUpload,
  TellingEvent,
} from '../server/model/hook.js'

type Decides<E extends HookEvent> = (
  call: HookCall<E>,
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook without a `return` decides nothing.
) => HookDecision | void | Promise<HookDecision | void>
type Tells<E extends HookEvent> = (call: HookCall<E>) => unknown

/**
 * The functions of a module for `--hooks`; each is optional. Functions that decide (`pre…`) hold up the client, and
 * one that throws refuses the request. Functions that are notified (`post…`) hold up nobody; one that throws is called
 * again later, so it may be called more than once for one event.
 */
export interface Hooks {
  /** Before each HEAD, PATCH, DELETE and GET of an upload. A refusal is 403 unless it says otherwise. */
  readonly preAccess?: Decides<'pre-access'>
  /** Before an upload is created. May change its metadata, its id and when it expires. */
  readonly preCreate?: Decides<'pre-create'>
  /** Once the type was seen in the first 512 bytes. May name another type; a refusal removes the upload. */
  readonly preAccept?: Decides<'pre-accept'>
  /** Once all bytes are stored and their digest is known, before the client learns it; a refusal removes the upload. */
  readonly preFinish?: Decides<'pre-finish'>
  /** Before a client's DELETE. */
  readonly preTerminate?: Decides<'pre-terminate'>
  readonly postCreate?: Tells<'post-create'>
  /** While bytes come, once in `--progress-hooks-interval`. One that gives `{ stop: true }` ends and removes the upload. */
  readonly postReceive?: Tells<'post-receive'>
  readonly postFinish?: Tells<'post-finish'>
  readonly postTerminate?: Tells<'post-terminate'>
}

/** The function of each event. */
export const HOOK_NAMES = {
  'pre-access': 'preAccess',
  'pre-create': 'preCreate',
  'pre-accept': 'preAccept',
  'pre-finish': 'preFinish',
  'pre-terminate': 'preTerminate',
  'post-create': 'postCreate',
  'post-receive': 'postReceive',
  'post-finish': 'postFinish',
  'post-terminate': 'postTerminate',
} as const satisfies Record<HookEvent, keyof Hooks>

/** Gives the hooks back as they are: it is there for their types. */
export function defineHooks(hooks: Hooks): Hooks {
  return hooks
}
