import type { Decider, HookCall, HookRequest, HookUpload } from '../model/hook.js'
import { hookCall, hookUpload } from '../model/hook-call.js'
import { isWhole } from '../model/next-step.js'
import type { StoredUpload } from './upload.js'

export interface UploadHooksTools {
  readonly decider: Decider
  /** Notes which uploads are being finished, so that nothing can keep their `post-finish` back; null where nobody listens. */
  readonly finishing: {
    /** An upload will probably be finished soon: `intend` or `withdraw` follows. Never waits. */
    expect(id: string): void
    /** What was expected did not come. Never waits. */
    withdraw(id: string): void
    /** It is about to be finished. Rejects with the error of the disk. */
    intend(id: string): Promise<void>
    /** It is finished; nothing happens where that was confirmed before. Never waits. */
    confirm(call: HookCall<'post-finish'>): boolean
    /** It could not be finished. Never rejects. */
    failed(id: string): Promise<void>
    /** It is not finished any more. Never waits. */
    forget(id: string): void
    /** Resolves once its files are not needed any more to know that it was finished. Never rejects. */
    written(id: string): Promise<void>
  } | null
  /** Tells that bytes came; never waits. Null where nobody listens. */
  readonly received: ((call: HookCall<'post-receive'>) => void) | null
  /** The shortest time between two of them for an upload, in milliseconds. */
  readonly progressIntervalMs: number
  /** Milliseconds of a monotonic clock. */
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
   * Runs `work`, which makes an upload finished. Its argument resolves once the disk has the note that `post-finish` is
   * due; the files may say that the upload is finished only then, because a crash may come right after. Rejects as
   * `work` does.
   */
  async whileFinishing({ id }: StoredUpload, work: (after?: Promise<void>) => Promise<void>): Promise<void> {
    const { finishing } = this.#tools
    if (!finishing) return work()
    const noted = finishing.intend(id)
    // An earlier write of the sidecar may keep whoever waits for it.
    noted.catch(() => {})
    try {
      await work(noted)
    } catch (error) {
      await Promise.allSettled([noted])
      await finishing.failed(id)
      throw error
    }
  }

  /** A body comes that will make an upload whole: what must be noted before its end is noted while its bytes come. */
  expectFinish({ id }: StoredUpload): void {
    this.#tools.finishing?.expect(id)
  }

  /** Tells whether something must be noted before the bytes come that make an upload whole: a part has no other end. */
  needsNoteBeforeWhole({ kind }: StoredUpload): boolean {
    return kind === 'partial' && this.#tools.finishing !== null
  }

  /** The bytes come that make a part whole. Rejects with the error of the disk. */
  async beforeWhole({ id }: StoredUpload): Promise<void> {
    await this.#tools.finishing?.intend(id)
  }

  /** A body is over. A part that has all its bytes is whole whatever became of its request. */
  bodyEnded(upload: StoredUpload): void {
    const { finishing } = this.#tools
    const { id, kind, hooks } = upload
    if (kind !== 'partial') finishing?.withdraw(id)
    else if (!isWhole(upload)) finishing?.forget(id)
    else finishing?.confirm(hookCall('post-finish', this.#uploadOf(upload), hooks.request))
  }

  /** The files of uploads are about to go: their `post-finish` is written before. Never rejects. */
  async beforeFilesGo(ids: readonly string[]): Promise<void> {
    const { finishing } = this.#tools
    if (finishing) await Promise.all(ids.map((id) => finishing.written(id)))
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

  /** Asks `pre-terminate`. Rejects with the refusal. */
  async beforeRemoval(upload: StoredUpload, request: HookRequest | null): Promise<void> {
    const { decider } = this.#tools
    if (!decider.listensTo('pre-terminate')) return
    await decider.decide(hookCall('pre-terminate', this.#uploadOf(upload), request))
  }

  #uploadOf(upload: StoredUpload): HookUpload {
    return hookUpload(upload.toRecord(this.#tools.now()), upload.parts)
  }
}
