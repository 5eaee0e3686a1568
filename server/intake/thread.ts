import { Piscina } from 'piscina'
import type { Arena } from './arena.js'
import type {
  AppendResult,
  AppendTask,
  CreateTask,
  DigestTask,
  JoinTask,
  ProveResult,
  ProveTask,
  ReplaceTask,
  ThreadTask,
  TruncateTask,
  VerifyResult,
  VerifyTask,
} from './thread-tasks.js'

// Flushes wait for the disk, not for the processor: so many may do so at once beside the bytes.
const TASKS_AT_ONCE = 64

type Of<T extends ThreadTask> = Omit<T, 'kind'>

/**
 * The one thread that writes and digests, as functions. One, because a rolling digest lives in its thread
 * and because it keeps up with the main thread; tasks that touch the same upload are done in the order asked.
 * Every function rejects with the system's error (`code` is kept in the message) where it does not say otherwise.
 */
export class DigestThread {
  readonly #pool: Piscina

  constructor(arena: Arena) {
    this.#pool = new Piscina({
      filename: new URL('./thread-main.js', import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: TASKS_AT_ONCE,
      recordTiming: false,
      workerData: { shared: arena.shared, blockBytes: arena.blockBytes },
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
    })
  }

  /** Writes and digests blocks; a failure of the disk is in the result, and the file is as it was before. */
  append(task: Of<AppendTask>): Promise<AppendResult> {
    return this.#pool.run({ kind: 'append', ...task } satisfies AppendTask)
  }

  /** Lets the bytes of a request under Upload-Checksum count, or takes them back; see VerifyTask. */
  verify(task: Of<VerifyTask>): Promise<VerifyResult> {
    return this.#pool.run({ kind: 'verify', ...task } satisfies VerifyTask)
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

  /** Lets go of an upload's rolling digest. */
  forget(id: string): Promise<void> {
    return this.#pool.run({ kind: 'forget', id } satisfies ThreadTask)
  }

  /** Waits for what runs and ends the thread. */
  close(): Promise<void> {
    return this.#pool.close()
  }
}
