import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ArenaMemory } from './arena-view.js'
import { Channel } from './channel.js'

/** The one task that piscina gives a thread: to serve a channel until it is closed. */
export interface Serving {
  readonly port: MessagePort
}

/** A thread that does tasks in order. Piscina starts and ends it; the tasks go over a channel. */
export class Thread<Task> {
  readonly #pool: Piscina<Serving, void>
  #channel: Channel<Task> | undefined
  #isClosed = false

  /** Starts the thread. `script` is beside this file. */
  constructor(script: string, { shared, blockBytes }: ArenaMemory) {
    this.#pool = new Piscina({
      filename: new URL(script, import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      // The thread sleeps in its event loop, where the port wakes it, and not in piscina's own wait.
      atomics: 'disabled',
      recordTiming: false,
      workerData: { shared, blockBytes },
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
    })
  }

  /** Settles as the task does. */
  ask<Answer>(task: Task): Promise<Answer> {
    if (this.#isClosed) return Promise.reject(new Error('the storage engine has ended'))
    this.#channel ??= this.#open()
    return this.#channel.ask(task)
  }

  /** Waits for what is under way, and ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#channel?.close()
    await this.#pool.close()
  }

  #open(): Channel<Task> {
    const { port1, port2 } = new MessageChannel()
    const channel = new Channel<Task>(port1)
    this.#pool.run({ port: port2 }, { transferList: [port2] }).catch((error: unknown) => {
      if (this.#channel === channel) this.#channel = undefined
      channel.fail(error)
    })
    return channel
  }
}
