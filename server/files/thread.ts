import { setTimeout } from 'node:timers/promises'
import { Piscina } from 'piscina'
import { systemCodeOf } from '../errors.js'
import { ByteGate } from './byte-gate.js'
import type {
  AppendResult,
  AppendTask,
  CheckTask,
  CreateTask,
  DigestTask,
  JoinTask,
  ProveResult,
  ProveTask,
  RemoveTask,
  ReplaceTask,
  SettleResult,
  SettleTask,
  ThreadTask,
  TruncateTask,
} from './thread-tasks.js'

/** What is read back of a file in one task, between which other requests' checksums are computed. */
const READ_BACK_BYTES = 8 * 1024 * 1024
// Flushes wait for the disk, not for the processor: so many may do so at once beside the bytes.
const TASKS_AT_ONCE = 64
/** Texts of sidecars, and paths, that may be with the thread or wait in its queue; beyond it callers wait in order. */
const MOST_BYTES = 1024 * 1024
/** What needs a descriptor is tried again for so long where the process, or the system, has none left. */
const DESCRIPTOR_WITHIN_MS = 10_000
const DESCRIPTOR_EVERY_MS = 100

/** The arena's memory, which the threads share. */
export interface ArenaMemory {
  readonly shared: SharedArrayBuffer
  readonly blockBytes: number
}

type Of<T extends ThreadTask> = Omit<T, 'kind'>
/** A text that is made when it is its task's turn: what waits holds none. */
type Late<T extends { readonly text: string }> = Omit<T, 'text'> & { readonly text: () => string }

/**
 * The one thread that writes and digests, as functions. One, because a rolling digest lives in its thread
 * and because it keeps up with the main thread; tasks that touch the same upload are done in the order asked.
 * Beside it, once there is a checksum to compute, a thread that does only that.
 * Every function rejects with the system's error (`code` is kept in the message) where it does not say otherwise.
 */
export class DigestThread {
  readonly #arena: ArenaMemory
  readonly #pool: Piscina
  readonly #gate = new ByteGate(MOST_BYTES)
  #checksumPool: Piscina | undefined
  #isClosed = false

  constructor(arena: ArenaMemory) {
    this.#arena = arena
    this.#pool = oneThread(arena, './thread-main.js')
  }

  /** Closes the file that a body has open; what is not open is no error. */
  closeFile(id: string): Promise<void> {
    return this.#pool.run({ kind: 'close', id } satisfies ThreadTask)
  }

  /**
   * Writes and digests blocks; a failure of the disk is in the result, and the file is as it was before. Waits for
   * a descriptor for as long as others do, or until `isOver`.
   */
  async append(task: Of<AppendTask>, isOver = () => false): Promise<AppendResult> {
    const until = performance.now() + DESCRIPTOR_WITHIN_MS
    for (;;) {
      const result: AppendResult = await this.#pool.run({ kind: 'append', ...task } satisfies AppendTask)
      if (!isExhausted(result.error?.code) || this.#isClosed || isOver() || performance.now() >= until)
        return result
      await setTimeout(DESCRIPTOR_EVERY_MS, undefined, { ref: false })
    }
  }

  /**
   * Takes blocks into the checksums of a request, beside their `append`; resolves with the digests, lower-case
   * hex by algorithm, once it `ends`, and with null before.
   */
  check(task: Omit<CheckTask, 'stored'>): Promise<Record<string, string> | null> {
    return this.#checksums().run({ ...task, stored: null } satisfies CheckTask)
  }

  /** The digest of a file's bytes from one place to another, lower-case hex; reads them, in steps. */
  async digestStored(range: {
    id: string
    path: string
    from: number
    to: number
    algorithm: string
  }): Promise<string> {
    const { id, path, from, to, algorithm } = range
    for (let at = from; ; ) {
      const end = Math.min(to, at + READ_BACK_BYTES)
      const stored = { path, from: at, to: end }
      const step = { id, blocks: [], algorithms: [algorithm], stored, begins: at === from, ends: end === to }
      const digests: Record<string, string> | null = await this.#checksums().run(step satisfies CheckTask)
      if (digests) return digests[algorithm] ?? ''
      at = end
    }
  }

  /** Lets the bytes of a request under Upload-Checksum count, or takes them back; see SettleTask. */
  async settle(task: Of<SettleTask>): Promise<SettleResult> {
    if (!task.counts) await this.#dropChecksums(task.id)
    return this.#patiently({ kind: 'settle', ...task } satisfies SettleTask)
  }

  /** Takes a piece of a part over into a final upload; resolves with the milliseconds the thread took for it. */
  join(task: Of<JoinTask>): Promise<number> {
    return this.#patiently({ kind: 'join', ...task } satisfies JoinTask)
  }

  /** Reads the prefix on; see ProveTask. */
  prove(task: Of<ProveTask>): Promise<ProveResult> {
    return this.#patiently({ kind: 'prove', ...task } satisfies ProveTask)
  }

  /** The digest of the first `offset` bytes, lower-case hex; null where the rolling digest is not there. */
  digest(task: Of<DigestTask>): Promise<string | null> {
    return this.#pool.run({ kind: 'digest', ...task } satisfies DigestTask)
  }

  /** See CreateTask. Waits for its turn, but not for a descriptor: its client may come again. */
  create(task: Omit<CreateTask, 'kind' | 'sidecarText'> & { sidecarText: () => string }): Promise<void> {
    return this.#gate.run(task.sidecarText, (sidecarText) =>
      this.#pool.run({ kind: 'create', ...task, sidecarText } satisfies CreateTask),
    )
  }

  /** See ReplaceTask; the text is made when it is its turn. */
  replace(task: Late<Of<ReplaceTask>>): Promise<void> {
    return this.#gate.run(task.text, (text) =>
      this.#patiently({ kind: 'replace', ...task, text } satisfies ReplaceTask),
    )
  }

  /** Cuts a file; one that is shorter is damaged, and stays as it is. */
  truncate(task: Of<TruncateTask>): Promise<void> {
    return this.#patiently({ kind: 'truncate', ...task } satisfies TruncateTask)
  }

  /** Removes files; see RemoveTask. One call for many costs one flush for each of their folders. */
  remove(paths: readonly string[], durable = false): Promise<void> {
    return this.#gate.run(
      () => paths.join(),
      () => this.#patiently({ kind: 'remove', paths, durable } satisfies RemoveTask),
    )
  }

  /** Flushes a file's bytes (fdatasync). */
  flush(path: string): Promise<void> {
    return this.#patiently({ kind: 'flush', path } satisfies ThreadTask)
  }

  /** Lets go of an upload's file and rolling digest, and of the checksums of a request that did not come to its end. */
  async forget(id: string): Promise<void> {
    await Promise.all([this.#pool.run({ kind: 'forget', id } satisfies ThreadTask), this.#dropChecksums(id)])
  }

  /** Waits for what runs and ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([this.#pool.close(), this.#checksumPool?.close()])
  }

  /** Tries a task until there is a descriptor for it, for so long as is bearable. */
  async #patiently<T>(task: ThreadTask, isOver = () => false): Promise<T> {
    const until = performance.now() + DESCRIPTOR_WITHIN_MS
    for (;;) {
      try {
        return await this.#pool.run(task)
      } catch (error) {
        if (!isExhausted(systemCodeOf(error)) || this.#isClosed || isOver() || performance.now() >= until)
          throw error
      }
      await setTimeout(DESCRIPTOR_EVERY_MS, undefined, { ref: false })
    }
  }

  async #dropChecksums(id: string): Promise<void> {
    await this.#checksumPool?.run({
      id,
      blocks: [],
      stored: null,
      algorithms: [],
      begins: true,
      ends: true,
    } satisfies CheckTask)
  }

  /** Begun with the first checksum: who never sends one does not pay for it. */
  #checksums(): Piscina {
    this.#checksumPool ??= oneThread(this.#arena, './checksum-main.js')
    return this.#checksumPool
  }
}

/** Tells whether the process, or the system, had no descriptor left. */
function isExhausted(code: string | undefined): boolean {
  return code === 'EMFILE' || code === 'ENFILE'
}

function oneThread(arena: ArenaMemory, script: string): Piscina {
  return new Piscina({
    filename: new URL(script, import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: TASKS_AT_ONCE,
    recordTiming: false,
    workerData: { shared: arena.shared, blockBytes: arena.blockBytes },
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
  })
}
