import type { MessagePort } from 'node:worker_threads'

/** Tasks that are with a thread at once: flushes wait for the disk, not for the processor, but hold a descriptor each. */
const TASKS_AT_ONCE = 64

/** What goes to a thread: a number, and the task. */
type Asked = readonly [number: number, task: unknown]
/** What comes back: the number, and what the task resolves with, or, in a third place, the error it rejects with. */
type Answered = readonly [number: number, value: unknown, error?: unknown]

interface Call {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/**
 * The way to a thread: tasks go over a port of their own and come back as answers. They begin in the order asked,
 * and a task that does not wait ends before the next begins.
 */
export class Channel<Task> {
  readonly #port: MessagePort
  readonly #calls = new Map<number, Call>()
  /** Asked for, but not with the thread yet. */
  #waiting: Asked[] = []
  #isFlushDue = false
  #lastNumber = 0
  #failure: { readonly error: unknown } | undefined
  #whenIdle = (): void => {}

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (answers: readonly Answered[]) => this.#take(answers))
  }

  /** Settles as the task does in the thread, or rejects as the thread ended. */
  ask<Answer>(task: Task): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#failure) return reject(this.#failure.error)
      this.#lastNumber += 1
      this.#calls.set(this.#lastNumber, { resolve: resolve as Call['resolve'], reject })
      this.#waiting.push([this.#lastNumber, task])
      this.#flushSoon()
    })
  }

  /** Rejects what is under way, and all that is asked from now on: the thread has ended. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#port.close()
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    this.#waiting = []
    for (const { reject } of calls) reject(error)
    this.#whenIdle()
  }

  /** Waits for what is under way, and ends the serving of the other side. Nothing may be asked for any more. */
  async close(): Promise<void> {
    if (this.#calls.size > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    this.#port.close()
  }

  /** An idle thread gets a task at once; what is asked while it works goes to it in one message. */
  #flushSoon(): void {
    if (this.#isFlushDue) return
    if (this.#calls.size === 1) {
      this.#flush()
      return
    }
    this.#isFlushDue = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushDue = false
    const withThread = this.#calls.size - this.#waiting.length
    const next = this.#waiting.splice(0, TASKS_AT_ONCE - withThread)
    if (next.length > 0) this.#port.postMessage(next)
  }

  #take(answers: readonly Answered[]): void {
    for (const [number, value, ...failed] of answers) {
      const call = this.#calls.get(number)
      this.#calls.delete(number)
      if (failed.length > 0) call?.reject(failed[0])
      else call?.resolve(value)
    }
    if (this.#waiting.length > 0) this.#flush()
    if (this.#calls.size === 0) this.#whenIdle()
  }
}

/** The thread's side of a channel: does each task that comes by `run`. Resolves once the channel is closed. */
export function serve<Task>(port: MessagePort, run: (task: Task) => unknown): Promise<void> {
  const answer = (...answers: Answered[]): void => port.postMessage(answers)
  port.on('message', (asked: readonly (readonly [number, Task])[]) => {
    const done: Answered[] = []
    for (const [number, task] of asked) {
      try {
        const value = run(task)
        if (!(value instanceof Promise)) done.push([number, value])
        else
          value.then(
            (result: unknown) => answer([number, result]),
            (error: unknown) => answer([number, null, error]),
          )
      } catch (error) {
        done.push([number, null, error])
      }
    }
    if (done.length > 0) answer(...done)
  })
  return new Promise((resolve) => port.once('close', resolve))
}
