import type { Engine } from '../model/engine.js'
import { dueAtMs, type Terms } from '../model/next-step.js'
import type { UploadFacts } from '../model/upload-facts.js'
import { pause } from './background-state.js'
import type { StorageTools } from './tools.js'
import type { Unfinished } from './unfinished.js'
import type { StoredUpload } from './upload.js'

type SaverTools = Pick<StorageTools, 'durability' | 'now' | 'log'> &
  Terms & {
    readonly engine: Pick<Engine, 'checkpoint' | 'flush'>
    readonly unfinished: Pick<Unfinished, 'has' | 'set'>
  }

/** The end of an upload as its sidecar tells it. */
export type Finished = Pick<UploadFacts, 'sha256' | 'finishedAt'>

/** Writes sidecars: one at a time for each upload, each replaced at once or not at all. */
export class Saver {
  readonly #tools: SaverTools

  constructor(tools: SaverTools) {
    this.#tools = tools
  }

  /**
   * Replaces the sidecar with the upload as it is now, after what was asked for before; with flushed bytes
   * and a flushed sidecar unless durability is `off`. `finished` is for the sidecar alone until that is
   * written, which begins once `after` resolves. Rejects with the disk's error, and as `after` does.
   */
  save(upload: StoredUpload, finished?: Finished, after?: Promise<void>): Promise<void> {
    upload.saves.endPause?.(false)
    return this.#inOrder(upload, () => this.#write(upload, { finished, after, flush: true }))
  }

  /**
   * The same, but the upload's bytes are not flushed before: after a crash of the process they are there, and
   * after a crash of the machine the digest tells whether they are. Rejects with the disk's error.
   */
  note(upload: StoredUpload): Promise<void> {
    upload.saves.endPause?.(true)
    return this.#inOrder(upload, () => this.#write(upload, { flush: false }))
  }

  /**
   * Flushes an upload's bytes in the background, unless durability is `off`; one flush that has not begun yet
   * does for all that ask. A failure costs a checkpoint only.
   */
  flushLater(upload: StoredUpload): void {
    const { engine, durability, log } = this.#tools
    if (durability === 'off') return
    if (upload.saves.isFlushDue) return
    upload.saves.isFlushDue = true
    const flush = (): Promise<void> => {
      upload.saves.isFlushDue = false
      return engine.flush(upload.id)
    }
    upload.saves.lastFlush = upload.saves.lastFlush.then(flush).catch((error: unknown) => {
      if (!upload.gone) log.warn({ err: error, id: upload.id }, 'the bytes of an upload could not be flushed')
    })
  }

  #inOrder(upload: StoredUpload, write: () => Promise<void>): Promise<void> {
    upload.saves.underWay += 1
    const saved = upload.saves.last.then(write, write).finally(() => {
      upload.saves.underWay -= 1
    })
    upload.saves.last = saved
    return saved
  }

  /**
   * Saves in the background after a pause, if one is given; one save that has not begun yet does for all that ask. The
   * sidecar before it stays true, so a failure costs a checkpoint only.
   */
  saveLater(upload: StoredUpload, pauseMs = 0): void {
    const { saves } = upload
    if (saves.isDue) return
    saves.isDue = true
    const paused = pauseMs === 0 ? null : pause(saves, pauseMs)
    const write = async (): Promise<void> => {
      const isNeeded = paused === null || (await paused)
      saves.isDue = false
      if (isNeeded) await this.#write(upload, { flush: true })
    }
    this.#inOrder(upload, write).catch((error: unknown) => {
      this.#tools.log.warn({ err: error, id: upload.id }, 'a checkpoint could not be written')
    })
  }

  async #write(
    upload: StoredUpload,
    how: { finished?: Finished | undefined; after?: Promise<void> | undefined; flush: boolean },
  ): Promise<void> {
    const { finished, flush } = how
    const { engine, durability, now } = this.#tools
    const durable = durability !== 'off'
    let { verifiedTo } = upload
    // Taken before the bytes are flushed: what it says of them must not be ahead of them.
    const facts = (): UploadFacts => {
      verifiedTo = upload.verifiedTo
      return { ...upload.toFacts(), ...finished }
    }
    const length = finished ? { finishedBytes: upload.offset } : {}
    const after = how.after ? { after: how.after } : {}
    await engine.checkpoint(upload.id, facts, { durable, bytes: flush, ...length, ...after })
    upload.saves.verifiedTo = verifiedTo
    upload.saves.isCurrent = true
    // A part that was joined has another term than before.
    if (!finished && this.#tools.unfinished.has(upload.id))
      this.#tools.unfinished.set(upload.id, dueAtMs(upload, now(), this.#tools))
  }
}
