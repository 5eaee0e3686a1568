import type { Thread } from './thread.js'
import { KEPT, type UploadTask } from './writer-tasks.js'

const MOST_BY_DEFAULT = 4

type UploadThread = Pick<Thread<UploadTask>, 'ask' | 'close'>

interface Load {
  readonly thread: UploadThread
  /** Bytes under way, where each upload that is busy counts as a block. */
  bytes: number
}

interface Pin {
  readonly load: Load
  underWay: number
  isOpen: boolean
}

/** How many threads write and digest: one core is left to the sockets. */
export function threadCount(setting: number | 'auto', cores: number): number {
  return setting === 'auto' ? Math.min(MOST_BY_DEFAULT, Math.max(1, cores - 1)) : setting
}

/**
 * The threads that write and digest.
 *
 * An upload does not change its thread while a task of it is under way, or while its thread keeps anything of it: its
 * rolling digest, what a roll-back needs, or its open file. A native hash state cannot be given to another thread;
 * without it the prefix would have to be read again. So an upload that rests waits for its own thread also where
 * another one is idle. Each answer says what the thread still keeps; an upload of which that is nothing goes to the
 * thread with the fewest bytes under way. All tasks of an upload are done in the order asked in either case.
 */
export class Threads {
  readonly #loads: readonly Load[]
  readonly #first: Load
  readonly #blockBytes: number
  readonly #pins = new Map<string, Pin>()

  /** Throws where there are no threads. */
  constructor(threads: readonly UploadThread[], blockBytes: number) {
    this.#loads = threads.map((thread) => ({ thread, bytes: 0 }))
    this.#first = this.#least()
    this.#blockBytes = blockBytes
  }

  /** Bytes under way, where each upload that is busy counts as a block. */
  get backlogBytes(): number {
    return this.#loads.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Settles as the task does in its upload's thread. */
  ask<Answer>(task: UploadTask): Promise<Answer> {
    const { id } = task
    const pin = this.#pins.get(id) ?? this.#pin(task)
    const { load } = pin
    if (!isBusy(pin)) load.bytes += this.#blockBytes
    const bytes = bytesOf(task)
    load.bytes += bytes
    pin.underWay += 1
    return load.thread.ask(task, (kept) => {
      pin.underWay -= 1
      pin.isOpen = kept === KEPT.file
      load.bytes -= bytes
      if (!isBusy(pin)) load.bytes -= this.#blockBytes
      if (pin.underWay === 0 && kept === KEPT.nothing) this.#pins.delete(id)
    })
  }

  /** Divides uploads by the threads they are with; those that are with none go together. */
  divide(ids: readonly string[]): (readonly string[])[] {
    const divided = new Map<Load, string[]>()
    const free = this.#least()
    for (const id of ids) {
      const load = this.#pins.get(id)?.load ?? free
      const together = divided.get(load)
      if (together) together.push(id)
      else divided.set(load, [id])
    }
    return [...divided.values()]
  }

  /** Waits for what is under way, and ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#loads.map(({ thread }) => thread.close()))
  }

  #pin({ id, kind }: UploadTask): Pin {
    // One thread makes the folders: an upload counts on a folder only once that thread has flushed it.
    const pin = { load: kind === 'create' ? this.#first : this.#least(), underWay: 0, isOpen: false }
    this.#pins.set(id, pin)
    return pin
  }

  #least(): Load {
    return this.#loads.reduce((least, load) => (load.bytes < least.bytes ? load : least))
  }
}

function isBusy({ underWay, isOpen }: Pin): boolean {
  return underWay > 0 || isOpen
}

function bytesOf(task: UploadTask): number {
  if (task.kind === 'join') return task.bytes
  if (task.kind === 'prove') return task.budgetBytes
  return task.kind === 'append'
    ? task.blocks.reduce((sum, filled, i) => sum + (i % 2 === 1 ? filled : 0), 0)
    : 0
}
