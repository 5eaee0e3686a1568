import { setImmediate, setTimeout } from 'node:timers/promises'
import type { StorageTools } from '../tools.js'

/** While bodies are being received, checking final uploads has one part in so many of the time. */
const SHARE = 4

/** The final uploads whose parts have changed, checked one after the other in the background: many may wait for one part. */
export class FinalChecks {
  readonly #tools: Pick<StorageTools, 'isReceiving' | 'log'>
  readonly #check: (id: string) => Promise<void>
  readonly #due = new Set<string>()
  #isRunning = false

  /** `check` does what is due with one final upload. */
  constructor(tools: Pick<StorageTools, 'isReceiving' | 'log'>, check: (id: string) => Promise<void>) {
    this.#tools = tools
    this.#check = check
  }

  /** Checks a final upload soon; never within the call. */
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
        await this.#checkOne(id)
      }
    } finally {
      this.#isRunning = false
    }
  }

  async #checkOne(id: string): Promise<void> {
    const startedAtMs = performance.now()
    try {
      await this.#check(id)
    } catch (error) {
      this.#tools.log.error({ err: error, id }, 'a final upload could not be checked')
    }
    if (this.#tools.isReceiving()) await setTimeout((performance.now() - startedAtMs) * (SHARE - 1))
  }
}
