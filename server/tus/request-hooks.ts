import { UploadError } from '../errors.js'
import type { Arrival } from '../model/arrival.js'
import type { Creation } from '../model/creation.js'
import type { Decider, HookDecision, HookRequest, HookUpload } from '../model/hook.js'
import { hookCall, hookUpload } from '../model/hook-call.js'
import { factsOf, formatMetadata } from '../model/metadata.js'
import { grantTermsOf, ownerOf, type Principal } from '../model/principal.js'
import type { UploadRequest } from '../model/request.js'

export interface RequestHooksTools {
  readonly decider: Decider
  /** An upload that is there for a principal; asked without its lock. */
  readonly find: (id: string, principal: Principal) => Promise<HookUpload | undefined>
  /** Where a new upload's bytes will be: its record's `path`. */
  readonly addressOf: (id: string) => string
  /** Tells whether an upload has this id. Rejects with the disk's error. */
  readonly exists: (id: string) => Promise<boolean>
  /** The id of an upload that a hook names; undefined where it cannot be an id. */
  readonly chosenId: (name: string) => string | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

type RequestAsked = Pick<Arrival, 'request' | 'client'> & { readonly method: string }

/** The hooks that are asked before an upload is read, changed or created. */
export class RequestHooks {
  readonly #tools: RequestHooksTools

  constructor(tools: RequestHooksTools) {
    this.#tools = tools
  }

  /** What hooks are told of a request; `method` is the one that counts, because a hook may decide by it. */
  describe({ request, client, method }: RequestAsked): HookRequest {
    const headers = new Map<string, string[]>()
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const [name = '', value = ''] = request.rawHeaders.slice(at, at + 2)
      const known = headers.get(name.toLowerCase())
      if (known) known.push(value)
      else headers.set(name.toLowerCase(), [value])
    }
    const { url = '', socket } = request
    const remoteAddress = `${client.includes(':') ? `[${client}]` : client}:${socket.remotePort ?? 0}`
    return { method, uri: url, remoteAddress, headers: Object.fromEntries(headers) }
  }

  /** Asks `pre-access` for a request to an upload; one that does not exist is not asked about. Rejects with the refusal. */
  async access({ id, principal, asked }: Pick<UploadRequest, 'id' | 'principal' | 'asked'>): Promise<void> {
    const { decider, find } = this.#tools
    if (!decider.listensTo('pre-access')) return
    const upload = await find(id, principal)
    if (upload) await decider.decide(hookCall('pre-access', upload, asked))
  }

  /** Asks `pre-create`, and changes the request as it says. Rejects with the refusal. */
  async create(request: UploadRequest): Promise<void> {
    const { decider } = this.#tools
    const { creation } = request
    if (!creation || !decider.listensTo('pre-create')) return
    const upload = this.#preview(request, creation)
    const decision = await decider.decide(hookCall('pre-create', upload, request.asked))
    const id = this.#idOf(decision)
    // Before the lock is asked for: that would end the request that sends the bytes of the upload with this id.
    if (id !== undefined && (await this.#tools.exists(id))) throw new UploadError('upload_exists')
    request.change(changed(creation, decision), id)
    request.hookAnswer = decision.answer ?? null
  }

  #idOf({ id }: HookDecision): string | undefined {
    if (id === undefined) return undefined
    const chosen = this.#tools.chosenId(id)
    if (chosen === undefined) throw unusable('an id has letters, digits, - and _, at most 64')
    return chosen
  }

  /** The record of an upload that does not exist yet. */
  #preview({ id, headers, principal }: UploadRequest, creation: Creation): HookUpload {
    const { metadata, filename, declaredType, concat } = creation
    const nowText = new Date(this.#tools.now()).toISOString()
    const length = headers['upload-length']
    const record = {
      id,
      state: 'paused',
      filename,
      type: null,
      declaredType,
      length: length === undefined ? null : Number(length),
      offset: 0,
      sha256: null,
      metadata,
      path: this.#tools.addressOf(id),
      createdAt: nowText,
      updatedAt: nowText,
      finishedAt: null,
      reason: null,
      concat: concat === null ? null : concat.parts === null ? 'partial' : 'final',
      joinedInto: null,
      owner: ownerOf(principal),
      grantId: grantTermsOf(principal)?.id ?? null,
    } as const
    return hookUpload(record, concat?.parts ?? null)
  }
}

/** A creation as `pre-create` changes it. */
function changed(creation: Creation, { metadata, expireAfterMs }: HookDecision): Creation {
  const own = { ...creation, expireAfterMs: expireAfterMs ?? creation.expireAfterMs }
  if (metadata === undefined) return own
  try {
    return { ...own, ...factsOf(formatMetadata(metadata) ?? undefined) }
  } catch (error) {
    throw unusable('its metadata is no Upload-Metadata, or longer than 8 KiB', error)
  }
}

function unusable(detail: string, cause?: unknown): UploadError {
  return new UploadError('hook_failed', { detail: `pre-create: ${detail}`, cause })
}
