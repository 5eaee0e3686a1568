import type { Decider, HookCall, HookRequest, HookUpload } from '../model/hook.js'
import { hookCall, hookUpload } from '../model/hook-call.js'
import type { StoredUpload } from './upload.js'

export interface UploadHooksTools {
  readonly decider: Decider
  /** Notes which uploads are being finished, so that nothing can keep their `post-finish` back; null where nobody listens. */
  readonly finishing: {
    /** An upload will probably be finished soon: `intend` or `withdraw` follows. Never waits. */
    expect(id: string): void
    /** It is about to be finished. Rejects with the error of the disk. */
    intend(call: HookCall<'post-finish'>): Promise<void>
    /** It was not finished after all. Never waits. */
    withdraw(id: string): void
    /** Resolves once its files are not needed any more to know that it was finished. Never rejects. */
    written(id: string): Promise<void>
  } | null
  /** Tells that bytes came; never waits. Null where nobody listens. */
  readonly received: ((call: HookCall<'post-receive'>) => void) | null
  /** The shortest time between two of them for an upload, in milliseconds. */
  readonly progressIntervalMs: number
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The hooks that are asked under an upload's lock: about its type, its end, and its removal. */
export class UploadHooks {
  readonly #tools: UploadHooksTools

  constructor(tools: UploadHooksTools) {
    this.#tools = tools
  }

  /** Asks `pre-accept`, and resolves with the type that the upload has. Rejects with the refusal. */
  async acceptedType(upload: StoredUpload, type: string, firstBytes: Uint8Array): Promise<string> {
    const { decider } = this.#tools
    if (!decider.listensTo('pre-accept')) return type
    // The block that they lie in is used again.
    const call = hookCall(
      'pre-accept',
      { ...this.#uploadOf(upload), type },
      upload.hooks.request,
      Uint8Array.from(firstBytes),
    )
    return (await decider.decide(call)).type ?? type
  }

  /** Asks `pre-finish` about an upload whose digest is known. Rejects with the refusal. */
  async beforeFinish(upload: StoredUpload, sha256: string): Promise<void> {
    const { decider } = this.#tools
    if (!decider.listensTo('pre-finish')) return
    const call = hookCall('pre-finish', { ...this.#uploadOf(upload), sha256 }, upload.hooks.request)
    upload.setHookAnswer((await decider.decide(call)).answer ?? null)
  }

  /**
   * Runs what makes an upload finished. Its `post-finish` is noted before, because a crash may come right after.
   * Rejects as `work` does, and with the system's error where nothing can be noted.
   */
  async whileFinishing(
    upload: StoredUpload,
    finished: { sha256: string; finishedAt: string },
    work: () => Promise<void>,
  ): Promise<void> {
    const { finishing } = this.#tools
    if (!finishing) return work()
    const whole = {
      ...this.#uploadOf(upload),
      ...finished,
      state: 'finished',
      updatedAt: finished.finishedAt,
    } as const
    await finishing.intend(hookCall('post-finish', whole, upload.hooks.request))
    try {
      await work()
    } catch (error) {
      finishing.withdraw(upload.id)
      throw error
    }
  }

  /** A body comes that will make an upload whole: what `whileFinishing` notes is noted while its bytes come. */
  expectFinish(upload: StoredUpload): void {
    this.#tools.finishing?.expect(upload.id)
  }

  /** The body is over. */
  endExpectation(upload: StoredUpload): void {
    if (upload.sha256 === null) this.#tools.finishing?.withdraw(upload.id)
  }

  /** Bytes of an upload came. Its first notice comes after one interval: a short upload has none. */
  received(upload: StoredUpload): void {
    const { received, progressIntervalMs, monotonic } = this.#tools
    if (!received) return
    const nowMs = monotonic()
    const { noticedAtMs, request } = upload.hooks
    if (noticedAtMs !== null && nowMs - noticedAtMs < progressIntervalMs) return
    upload.setNoticed(nowMs)
    if (noticedAtMs !== null) received(hookCall('post-receive', this.#uploadOf(upload), request))
  }

  /** Asks `pre-terminate`. Rejects with the refusal. A `post-finish` is noted before the upload's files go. */
  async beforeRemoval(upload: StoredUpload, request: HookRequest | null): Promise<void> {
    const { decider, finishing } = this.#tools
    await finishing?.written(upload.id)
    if (!decider.listensTo('pre-terminate')) return
    await decider.decide(hookCall('pre-terminate', this.#uploadOf(upload), request))
  }

  #uploadOf(upload: StoredUpload): HookUpload {
    return hookUpload(upload.toRecord(this.#tools.now()), upload.parts)
  }
}
