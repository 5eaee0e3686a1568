import { setImmediate, setTimeout } from 'node:timers/promises'
import type { StorageTools } from '../tools.js'

/** While bodies are being received, looking at final uploads has one part in so many of the time. */
const SHARE = 4

/** The final uploads whose parts have changed, looked at one after the other in the background: many may wait for one part. */
export class FinalLooks {
  readonly #tools: Pick<StorageTools, 'isReceiving' | 'log'>
  readonly #look: (id: string) => Promise<void>
  readonly #due = new Set<string>()
  #isRunning = false

  /** `look` does what is due with one final upload. */
  constructor(tools: Pick<StorageTools, 'isReceiving' | 'log'>, look: (id: string) => Promise<void>) {
    this.#tools = tools
    this.#look = look
  }

  /** Looks at a final upload soon; never within the call. */
  add(id: string): void {
    this.#due.add(id)
    if (this.#isRunning) return
    this.#isRunning = true
    this.#run().catch((error: unknown) => {
      this.#tools.log.error({ err: error }, 'checking final uploads has stopped')
    })
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        await setImmediate()
        const [id] = this.#due
        if (id === undefined) return
        this.#due.delete(id)
        await this.#lookAt(id)
      }
    } finally {
      this.#isRunning = false
    }
  }

  async #lookAt(id: string): Promise<void> {
    const startedAtMs = performance.now()
    try {
      await this.#look(id)
    } catch (error) {
      this.#tools.log.error({ err: error, id }, 'a final upload could not be looked at')
    }
    if (this.#tools.isReceiving()) await setTimeout((performance.now() - startedAtMs) * (SHARE - 1))
  }
}
