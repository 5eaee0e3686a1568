import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ArenaMemory } from './arena-view.js'
import { Channel } from './channel.js'

/** The one task that piscina gives a thread: to serve a channel until it is closed. */
export interface Serving {
  readonly port: MessagePort
}

/** A thread has ended, by a fault of its own or for want of memory. What it had to do may be half done. */
export class ThreadEnded extends Error {
  constructor(cause: unknown) {
    const [code] = /\bE[MN]FILE\b/.exec(String(cause)) ?? []
    // As the system says it, so that what may wait for a descriptor waits: a thread needs some to start.
    super(`${code ? `${code}: ` : ''}a thread of the storage engine has ended`, { cause })
  }
}

/** What a thread needs. */
export interface ThreadTools {
  readonly arena: ArenaMemory
  /** Called once for each end that nobody asked for. */
  readonly ended: (error: ThreadEnded) => void
}

/**
 * A thread that does tasks in order. Piscina starts and ends it; the tasks go over a channel. If the thread ends
 * before it is closed, or cannot start, the tasks under way reject with ThreadEnded, and the next one starts another.
 */
export class Thread<Task> {
  readonly #script: string
  readonly #tools: ThreadTools
  #pool: Piscina<Serving, void> | undefined
  #channel: Channel<Task> | undefined
  #isClosed = false

  /** `script` is beside this file. The thread starts now, or with its first task. */
  constructor(script: string, tools: ThreadTools, startsNow = true) {
    this.#script = new URL(script, import.meta.url).href
    this.#tools = tools
    if (startsNow) this.#channel = this.#open()
  }

  /** Settles as the task does; see Channel. */
  ask<Answer>(task: Task, keeps: (kept: number) => void = () => {}): Promise<Answer> {
    if (this.#isClosed) {
      keeps(0)
      return Promise.reject(new Error('the storage engine has ended'))
    }
    this.#channel ??= this.#open()
    return this.#channel.ask(task, keeps)
  }

  /** Waits for what is under way, and ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#channel?.close()
    const pool = this.#pool
    // From here on its end is asked for.
    this.#pool = undefined
    await pool?.close()
  }

  #open(): Channel<Task> {
    const { port1, port2 } = new MessageChannel()
    const pool = this.#start()
    this.#pool = pool
    // Async, because piscina throws where the system gives no thread.
    const serve = async (): Promise<void> => pool.run({ port: port2 }, { transferList: [port2] })
    serve().catch((error: unknown) => this.#fail(pool, error))
    return new Channel<Task>(port1)
  }

  #start(): Piscina<Serving, void> {
    const { shared, blockBytes } = this.#tools.arena
    const pool: Piscina<Serving, void> = new Piscina({
      filename: this.#script,
      // With more, piscina itself would start another one in the place of one that ended.
      minThreads: 0,
      maxThreads: 1,
      // The thread sleeps in its event loop, where the port wakes it, and not in piscina's own wait.
      atomics: 'disabled',
      recordTiming: false,
      workerData: { shared, blockBytes },
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
    })
    // Of a thread that ends before it has its task.
    return pool.on('error', (error: unknown) => this.#fail(pool, error))
  }

  #fail(pool: Piscina<Serving, void>, cause: unknown): void {
    if (pool !== this.#pool) return
    const error = new ThreadEnded(cause)
    const channel = this.#channel
    this.#channel = undefined
    // Its thread is gone, and piscina gives up on a pool whose thread could not start. It is not destroyed: where the
    // system gave no thread, that rejects a promise which piscina handed to nobody.
    this.#pool = undefined
    this.#tools.ended(error)
    channel?.fail(error)
  }
}
