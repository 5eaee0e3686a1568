import { UploadError } from '../errors.js'
import type { HookRequest } from '../model/hook.js'
import { isWhole } from '../model/next-step.js'
import type { Principal } from '../model/principal.js'
import { isUploadId } from '../model/upload-id.js'
import type { Joiner } from './joining/joiner.js'
import type { Lifecycle } from './lifecycle.js'
import { loadUpload } from './load-upload.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'
import type { UploadHooks } from './upload-hooks.js'
import { TERMINATED } from './upload-record.js'
import type { Uploads } from './uploads.js'

interface RemovalTools {
  readonly tools: Pick<StorageTools, 'engine' | 'mayAccess' | 'underLock'> & {
    readonly hooks: Pick<UploadHooks, 'beforeRemoval'> | null
  }
  readonly uploads: Pick<Uploads, 'leaving' | 'load' | 'peek'>
  readonly lifecycle: Pick<Lifecycle, 'remove'>
  readonly joiner: Pick<Joiner, 'removable' | 'terminate' | 'forget' | 'partChanged'>
}

/** Removes uploads because somebody wishes it: a client, the admin, or a hook. */
export class Removals {
  readonly #parts: RemovalTools

  constructor(parts: RemovalTools) {
    this.#parts = parts
  }

  /**
   * An upload as the client sees it: one that was terminated is not there, also while its bytes are needed. The caller
   * holds its lock.
   */
  async known(id: string, principal: Principal): Promise<StoredUpload | undefined> {
    return this.#thereFor(principal, await this.#parts.uploads.load(id))
  }

  #thereFor(principal: Principal, upload: StoredUpload | undefined): StoredUpload | undefined {
    if (!upload || upload.terminatedAt !== null) return undefined
    return this.#parts.tools.mayAccess(principal, upload) ? upload : undefined
  }

  /**
   * Removes an upload for a request, which its event has; the caller holds its lock. A whole part that a final upload
   * still needs is gone for clients, and its bytes go later. Rejects with the disk's error.
   */
  async terminate(upload: StoredUpload, asked: HookRequest | null): Promise<void> {
    upload.setHookRequest(asked)
    try {
      await this.#terminate(upload)
    } finally {
      upload.endHookRequest()
    }
  }

  async #terminate(upload: StoredUpload): Promise<void> {
    const { joiner, lifecycle } = this.#parts
    if (upload.kind === 'partial' && isWhole(upload)) {
      const removable = joiner.removable([upload.id])
      // No `await` where the answer is known: meanwhile a final upload could be made of it.
      const isFree = (removable instanceof Promise ? await removable : removable).has(upload.id)
      if (!isFree) return joiner.terminate(upload)
    }
    await lifecycle.remove(upload, 'terminated', TERMINATED)
    if (upload.kind === 'final') await joiner.forget(upload)
    if (upload.kind === 'partial') joiner.partChanged(upload.id)
  }

  /**
   * Removes an upload, finished or not, for whom it is there. `pre-terminate` is asked first; then a request that sends
   * to it is ended, and its client gets upload_stopped. Rejects with upload_unknown, upload_locked, the
   * hook's refusal, and with the disk's error.
   */
  async removeFor(id: string, principal: Principal, asked: HookRequest | null): Promise<void> {
    const { tools, uploads } = this.#parts
    const there = (found: StoredUpload | undefined): StoredUpload => {
      const upload = this.#thereFor(principal, found)
      if (!upload) throw new UploadError('upload_unknown')
      return upload
    }
    const seen = there(await this.#seen(id))
    await tools.hooks?.beforeRemoval(seen, asked)
    uploads.peek(id)?.body?.stop('stopped')
    await tools.underLock(id, async () => this.terminate(there(await uploads.load(id)), asked))
  }

  /** An upload as it is now, without its lock: nothing is changed, and what is read does not come into memory. */
  async #seen(id: string): Promise<StoredUpload | undefined> {
    const { tools, uploads } = this.#parts
    const live = uploads.peek(id)
    if (live || !isUploadId(id)) return live
    await uploads.leaving(id)
    const found = await loadUpload(tools.engine, id)
    if (found.kind === 'upload') return found.upload
    if (found.kind === 'missing') return undefined
    throw new UploadError('upload_locked', { detail: 'no sidecar that can be read' })
  }

  /** Ends and removes an unfinished upload, because a hook says so. Rejects with upload_locked, and with the disk's error. */
  async stop(id: string): Promise<void> {
    const { tools, uploads, lifecycle, joiner } = this.#parts
    uploads.peek(id)?.body?.stop('stopped')
    await tools.underLock(id, async () => {
      const upload = await uploads.load(id)
      if (!upload || upload.sha256 !== null) return
      await lifecycle.remove(upload, 'terminated', 'stopped by a hook')
      if (upload.kind === 'partial') joiner.partChanged(id)
    })
  }
}
