import { Piscina } from 'piscina'
import type { Arena } from './arena.js'
import type {
  AppendResult,
  AppendTask,
  CheckTask,
  CreateTask,
  DigestTask,
  JoinTask,
  ProveResult,
  ProveTask,
  ReplaceTask,
  SettleResult,
  SettleTask,
  ThreadTask,
  TruncateTask,
} from './thread-tasks.js'

// Flushes wait for the disk, not for the processor: so many may do so at once beside the bytes.
const TASKS_AT_ONCE = 64

type Of<T extends ThreadTask> = Omit<T, 'kind'>

/**
 * The one thread that writes and digests, as functions. One, because a rolling digest lives in its thread
 * and because it keeps up with the main thread; tasks that touch the same upload are done in the order asked.
 * Beside it, once there is a checksum to compute, a thread that does only that.
 * Every function rejects with the system's error (`code` is kept in the message) where it does not say otherwise.
 */
export class DigestThread {
  readonly #arena: Arena
  readonly #pool: Piscina
  #checksumPool: Piscina | undefined

  constructor(arena: Arena) {
    this.#arena = arena
    this.#pool = oneThread(arena, './thread-main.js')
  }

  /** Writes and digests blocks; a failure of the disk is in the result, and the file is as it was before. */
  append(task: Of<AppendTask>): Promise<AppendResult> {
    return this.#pool.run({ kind: 'append', ...task } satisfies AppendTask)
  }

  /**
   * Takes blocks into the checksums of a request, beside their `append`; resolves with the digests, lower-case
   * hex by algorithm, once it `ends`, and with null before.
   */
  check(task: CheckTask): Promise<Record<string, string> | null> {
    return this.#checksums().run(task)
  }

  /** Lets the bytes of a request under Upload-Checksum count, or takes them back; see SettleTask. */
  async settle(task: Of<SettleTask>): Promise<SettleResult> {
    if (!task.counts) await this.#dropChecksums(task.id)
    return this.#pool.run({ kind: 'settle', ...task } satisfies SettleTask)
  }

  /** Takes a piece of a part over into a final upload; resolves with the milliseconds the thread took for it. */
  join(task: Of<JoinTask>): Promise<number> {
    return this.#pool.run({ kind: 'join', ...task } satisfies JoinTask)
  }

  /** Reads the prefix on; see ProveTask. */
  prove(task: Of<ProveTask>): Promise<ProveResult> {
    return this.#pool.run({ kind: 'prove', ...task } satisfies ProveTask)
  }

  /** The digest of the first `offset` bytes, lower-case hex; null where the rolling digest is not there. */
  digest(task: Of<DigestTask>): Promise<string | null> {
    return this.#pool.run({ kind: 'digest', ...task } satisfies DigestTask)
  }

  create(task: Of<CreateTask>): Promise<void> {
    return this.#pool.run({ kind: 'create', ...task } satisfies CreateTask)
  }

  replace(task: Of<ReplaceTask>): Promise<void> {
    return this.#pool.run({ kind: 'replace', ...task } satisfies ReplaceTask)
  }

  truncate(task: Of<TruncateTask>): Promise<void> {
    return this.#pool.run({ kind: 'truncate', ...task } satisfies TruncateTask)
  }

  /** Removes files; one that is not there is no error. */
  remove(paths: readonly string[]): Promise<void> {
    return this.#pool.run({ kind: 'remove', paths } satisfies ThreadTask)
  }

  /** Flushes a file's bytes (fdatasync). */
  flush(path: string): Promise<void> {
    return this.#pool.run({ kind: 'flush', path } satisfies ThreadTask)
  }

  /** Lets go of an upload's rolling digest, and of the checksums of a request that did not come to its end. */
  async forget(id: string): Promise<void> {
    await Promise.all([this.#pool.run({ kind: 'forget', id } satisfies ThreadTask), this.#dropChecksums(id)])
  }

  /** Waits for what runs and ends the thread. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#checksumPool?.close()])
  }

  async #dropChecksums(id: string): Promise<void> {
    await this.#checksumPool?.run({
      id,
      blocks: [],
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

function oneThread(arena: Arena, script: string): Piscina {
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
