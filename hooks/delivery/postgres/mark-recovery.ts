import { setTimeout as pause } from 'node:timers/promises'
import type { HookCall, HookUpload } from '../../../server/model/hook.js'
import { hookCall } from '../../../server/model/hook-call.js'
import type { Log } from '../../../server/model/log.js'
import type { Mark, MarkTable } from './mark-table.js'

const MOST_AT_ONCE = 32

interface RecoveryTools {
  readonly marks: Pick<MarkTable, 'takeLeft' | 'dropLeft' | 'ofUpload'>
  /** An upload by what is stored of it; null where it is not finished. Rejects where that cannot be read now. */
  readonly finished: (uploadId: string) => Promise<HookUpload | null>
  /** Keeps the event of a mark; resolves once PostgreSQL has it, and never rejects. */
  readonly keep: (mark: Mark, call: HookCall<'post-finish'>) => Promise<void>
  readonly log: Log
  /** Between two looks for marks that were left. */
  readonly pollMs: number
  /** After this time a mark whose upload is not finished is looked at again: its node may be stopped, and go on. */
  readonly againMs: number
  readonly faultPauseMs: number
}

/** Keeps the events of uploads whose finish was marked by a node that has died: what is stored of them says whether they are finished. */
export class MarkRecovery {
  readonly #tools: RecoveryTools
  readonly #closed = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(tools: RecoveryTools) {
    this.#tools = tools
  }

  /** Looks for marks that were left, again and again. */
  start(): void {
    this.#running = this.#run()
  }

  /**
   * Checks the marks of an upload before what is stored of it is removed. Never rejects: if PostgreSQL does not answer
   * in time, the upload is not removed either.
   */
  async ofUpload(uploadId: string): Promise<void> {
    const { marks, log } = this.#tools
    try {
      await this.#recover(await marks.ofUpload(uploadId))
    } catch (error) {
      log.error({ err: error, id: uploadId }, 'it cannot be seen whether an upload was finished')
    }
  }

  /** Ends. Never rejects. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { pollMs, faultPauseMs } = this.#tools
    while (!this.#closed.signal.aborted) {
      const pauseMs = await this.#recoverLeft().catch((error: unknown) => {
        this.#tools.log.error({ err: error }, 'it cannot be seen yet which uploads were finished')
        return faultPauseMs
      })
      await pause(pauseMs ?? pollMs, undefined, { ref: false, signal: this.#closed.signal }).catch(() => {})
    }
  }

  /** Resolves with 0 where more may be left. */
  async #recoverLeft(): Promise<number | undefined> {
    const { marks, againMs } = this.#tools
    const left = await marks.takeLeft(againMs, MOST_AT_ONCE)
    await this.#recover(left)
    return left.length === MOST_AT_ONCE ? 0 : undefined
  }

  async #recover(left: readonly (Mark & { readonly isOld?: boolean })[]): Promise<void> {
    const { finished, keep, log, marks } = this.#tools
    for (const mark of left) {
      try {
        const upload = await finished(mark.uploadId)
        if (upload) await keep(mark, hookCall('post-finish', upload, null))
        else if (mark.isOld) await marks.dropLeft(mark)
      } catch (error) {
        log.error({ err: error, delivery: mark.id }, 'it cannot be seen yet whether an upload was finished')
      }
    }
  }
}
