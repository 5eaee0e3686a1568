import type { MessagePort } from 'node:worker_threads'

/** Tasks that are with a thread at once: flushes wait for the disk, not for the processor, but hold a descriptor each. */
const TASKS_AT_ONCE = 64

/** What goes to a thread: a number, and the task. */
type Asked = readonly [number: number, task: unknown]
/**
 * What comes back: the number, what the thread keeps after the task, and what the task resolves with, or, in a fourth
 * place, the error it rejects with.
 */
type Answered = readonly [number: number, kept: number, value: unknown, error?: unknown]

interface Call {
  keeps(kept: number): void
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
  /** Asked for, but not with the thread yet. Those who ask bound it: the arena has so many blocks, the gate so many texts. */
  #waiting: Asked[] = []
  #isFlushDue = false
  #lastNumber = 0
  #failure: { readonly error: unknown } | undefined
  #whenIdle = (): void => {}

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (answers: readonly Answered[]) => this.#take(answers))
  }

  /**
   * Settles as the task does in the thread, or rejects as the thread ended. `keeps` is called just before with what
   * the thread keeps after the task: 0 is nothing.
   */
  ask<Answer>(task: Task, keeps: Call['keeps'] = () => {}): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#failure) {
        keeps(0)
        return reject(this.#failure.error)
      }
      this.#lastNumber += 1
      this.#calls.set(this.#lastNumber, { keeps, resolve: resolve as Call['resolve'], reject })
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
    for (const { keeps, reject } of calls) {
      keeps(0)
      reject(error)
    }
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
    for (const [number, kept, value, ...failed] of answers) {
      const call = this.#calls.get(number)
      this.#calls.delete(number)
      call?.keeps(kept)
      if (failed.length > 0) call?.reject(failed[0])
      else call?.resolve(value)
    }
    if (this.#waiting.length > 0) this.#flush()
    if (this.#calls.size === 0) this.#whenIdle()
  }
}

/**
 * The thread's side of a channel: does each task that comes by `run`; `keeps` says what is kept for after one.
 * Resolves once the channel is closed.
 */
export function serve<Task>(
  port: MessagePort,
  run: (task: Task) => unknown,
  keeps: (task: Task) => number = () => 0,
): Promise<void> {
  port.on('message', (asked: readonly (readonly [number, Task])[]) => {
    const done: Answered[] = []
    for (const [number, task] of asked) {
      try {
        const value = run(task)
        if (!(value instanceof Promise)) done.push([number, keeps(task), value])
        else
          value.then(
            (result: unknown) => port.postMessage([[number, keeps(task), result]]),
            (error: unknown) => port.postMessage([[number, keeps(task), null, error]]),
          )
      } catch (error) {
        done.push([number, keeps(task), null, error])
      }
    }
    if (done.length > 0) port.postMessage(done)
  })
  return new Promise((resolve) => port.once('close', resolve))
}
