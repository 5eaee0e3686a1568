import type { Digested } from '../model/engine.js'
import type { SavedDigest } from '../model/saved-digest.js'
import { ByteGate } from './byte-gate.js'
import { Thread, ThreadEnded, type ThreadTools } from './thread.js'
import { Threads } from './threads.js'
import { withDescriptor } from './with-descriptor.js'
import type {
  AppendResult,
  AppendTask,
  CheckTask,
  CommitTask,
  CreateTask,
  DigestTask,
  FlushTask,
  JoinTask,
  OpenTask,
  ProveResult,
  ProveTask,
  ReplaceTask,
  Resumed,
  ResumeTask,
  RollBackTask,
  TruncateTask,
  UploadTask,
  WriterTask,
} from './writer-tasks.js'

/** What is read back of a file in one task, between which other requests' checksums are computed. */
const READ_BACK_BYTES = 8 * 1024 * 1024
/** Texts of sidecars, and paths, that may be with the threads or wait in their queues; beyond it callers wait in order. */
const MOST_BYTES = 1024 * 1024

type Of<T extends WriterTask> = Omit<T, 'kind'> & { readonly id: string }
/** A text that is made when it is its task's turn: what waits holds none. */
type Late<T extends { readonly text: string }> = Omit<T, 'text'> & { readonly text: () => string }

/**
 * The threads that write and digest, as functions; see Threads. Tasks of the same upload are done in the order asked.
 * Beside them, once there is a checksum to compute, a thread that does only that.
 * Every function rejects with the system's error (`code` is kept in the message) where it does not say otherwise.
 */
export class Writer {
  readonly #tools: ThreadTools
  readonly #threads: Threads
  readonly #flushed: (ms: number) => void
  readonly #gate = new ByteGate(MOST_BYTES)
  #checksumThread: Thread<CheckTask> | undefined
  #isClosed = false

  /** Starts the first thread; each other one starts with its first task. `flushed` is called with how long each flush took. */
  constructor(count: number, tools: ThreadTools, flushed: (ms: number) => void = () => {}) {
    this.#flushed = flushed
    this.#tools = tools
    const threads = Array.from({ length: count }, (_, i) => {
      return new Thread<UploadTask>('./writer-worker.js', tools, i === 0)
    })
    this.#threads = new Threads(threads, tools.arena.blockBytes)
  }

  /** See Threads. */
  get backlogBytes(): number {
    return this.#threads.backlogBytes
  }

  /** Closes the file that a body has open; what is not open is no error. */
  closeFile(id: string): Promise<void> {
    return this.#threads.ask({ kind: 'close', id } satisfies UploadTask)
  }

  /** Opens an upload's file for a body; see OpenTask. Waits for a descriptor for ten seconds, or until `isOver`. */
  open(task: Of<OpenTask>, isOver: () => boolean): Promise<void> {
    return this.#patiently({ kind: 'open', ...task } satisfies UploadTask, isOver)
  }

  /** Writes and digests blocks; the file is as it was before where that fails. */
  async append(task: Of<AppendTask>): Promise<Digested> {
    try {
      const appended: AppendResult = await this.#threads.ask({ kind: 'append', ...task } satisfies UploadTask)
      const { error, ...digested } = appended
      if (error !== null) throw new Error(error)
      return digested
    } catch (error) {
      if (error instanceof ThreadEnded) await this.#cutBack(task)
      throw error
    }
  }

  /** Removes what a thread had written when it ended. If this fails too, the next request finds the file too long. */
  async #cutBack({ id, path, position }: Of<AppendTask>): Promise<void> {
    await this.truncate({ id, path, length: position }).catch(() => {})
  }

  /**
   * Takes blocks into the checksums of a request, beside their `append`; resolves with the digests, lower-case
   * hex by algorithm, once it `ends`, and with null before.
   */
  check(task: Omit<CheckTask, 'stored'>): Promise<Record<string, string> | null> {
    return this.#checksums().ask({ ...task, stored: null } satisfies CheckTask)
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
      const digests: Record<string, string> | null = await this.#checksums().ask(step satisfies CheckTask)
      if (digests) return digests[algorithm] ?? ''
      at = end
    }
  }

  /** Lets the bytes of a checked request count; see CommitTask. */
  commit(task: Of<CommitTask>): Promise<Digested> {
    return this.#patiently({ kind: 'commit', ...task } satisfies UploadTask)
  }

  /** Takes back the bytes of a checked request; see RollBackTask. */
  async rollBack(task: Of<RollBackTask>): Promise<Digested> {
    await this.#dropChecksums(task.id)
    return this.#patiently({ kind: 'rollBack', ...task } satisfies UploadTask)
  }

  /** Takes a piece of a part over into a final upload; resolves with the milliseconds the thread took for it. */
  join(task: Of<JoinTask>): Promise<number> {
    return this.#patiently({ kind: 'join', ...task } satisfies UploadTask)
  }

  /** Reads the prefix on; see ProveTask. */
  prove(task: Of<ProveTask>): Promise<ProveResult> {
    return this.#patiently({ kind: 'prove', ...task } satisfies UploadTask)
  }

  /** Where the rolling digest stands, of an upload that has none after one was made; see ResumeTask. */
  resume(task: Of<ResumeTask>): Promise<Resumed> {
    return this.#threads.ask({ kind: 'resume', ...task } satisfies UploadTask)
  }

  /** The state of the rolling digest; null where there is none, or where it cannot be saved. */
  saveDigest(id: string): Promise<SavedDigest | null> {
    return this.#threads.ask({ kind: 'saveDigest', id } satisfies UploadTask)
  }

  /** The digest of the first `offset` bytes, lower-case hex; null where the rolling digest is not there. */
  digest(task: Of<DigestTask>): Promise<string | null> {
    return this.#threads.ask({ kind: 'digest', ...task } satisfies UploadTask)
  }

  /** See CreateTask. Waits for its turn, but not for a descriptor: its client may come again. */
  create(task: Omit<Of<CreateTask>, 'sidecarText'> & { sidecarText: () => string }): Promise<void> {
    return this.#gate.run(task.sidecarText, (sidecarText) =>
      this.#timed(
        task.durable,
        this.#threads.ask({ kind: 'create', ...task, sidecarText } satisfies UploadTask),
      ),
    )
  }

  /** See ReplaceTask; the text is made when it is its turn. */
  replace(task: Late<Of<ReplaceTask>>): Promise<void> {
    return this.#gate.run(task.text, (text) =>
      this.#timed(task.durable, this.#patiently({ kind: 'replace', ...task, text } satisfies UploadTask)),
    )
  }

  /** Cuts a file; one that is shorter is damaged, and stays as it is. */
  truncate(task: Of<TruncateTask>): Promise<void> {
    return this.#patiently({ kind: 'truncate', ...task } satisfies UploadTask)
  }

  /** Removes files of uploads; see RemoveTask. One call for many costs one flush for each of their folders and threads. */
  remove(files: ReadonlyMap<string, readonly string[]>, durable = false): Promise<void> {
    return this.#gate.run(
      () => [...files.values()].join(),
      async () => {
        const divided = this.#threads.divide([...files.keys()])
        await Promise.all(divided.map((ids) => this.#remove(ids, files, durable)))
      },
    )
  }

  async #remove(
    ids: readonly string[],
    files: ReadonlyMap<string, readonly string[]>,
    durable: boolean,
  ): Promise<void> {
    const [id = ''] = ids
    const paths = ids.flatMap((each) => files.get(each) ?? [])
    await this.#timed(durable, this.#patiently({ kind: 'remove', id, paths, durable }))
  }

  /** Flushes a file's bytes (fdatasync). */
  flush(task: Of<FlushTask>): Promise<void> {
    return this.#timed(true, this.#patiently({ kind: 'flush', ...task } satisfies UploadTask))
  }

  /** Lets go of an upload's file and rolling digest, and of the checksums of a request that did not come to its end. */
  async forget(id: string): Promise<void> {
    await Promise.all([
      this.#threads.ask({ kind: 'forget', id } satisfies UploadTask),
      this.#dropChecksums(id),
    ])
  }

  /** Waits for what runs and ends the threads. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([this.#threads.close(), this.#checksumThread?.close()])
  }

  /** The same promise; where its task flushes, and is done, its time is counted. */
  #timed<T>(isDurable: boolean, asked: Promise<T>): Promise<T> {
    if (!isDurable) return asked
    const startedAtMs = performance.now()
    asked.then(
      () => this.#flushed(performance.now() - startedAtMs),
      () => {},
    )
    return asked
  }

  #patiently<T>(task: UploadTask, isOver = () => false): Promise<T> {
    return withDescriptor(
      () => this.#threads.ask(task),
      () => this.#isClosed || isOver(),
    )
  }

  async #dropChecksums(id: string): Promise<void> {
    await this.#checksumThread?.ask({
      id,
      blocks: [],
      stored: null,
      algorithms: [],
      begins: true,
      ends: true,
    } satisfies CheckTask)
  }

  /** Begun with the first checksum: who never sends one does not pay for it. */
  #checksums(): Thread<CheckTask> {
    this.#checksumThread ??= new Thread('./checksum-worker.js', this.#tools)
    return this.#checksumThread
  }
}
