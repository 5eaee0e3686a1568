import type { UploadRecord } from '../model/record.js'
import { QueuedRecords } from './queued-records.js'
import type { Place } from './sqlite/message.js'

/** Where the index says what happened to it; pino's logger fits. */
export interface RecordsLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Why the index lacks rows: its file was lost or damaged while in use, or the queue overflowed. */
export type ReindexCause = 'anew' | 'dropped'

export interface RecordsOptions {
  /** The folder must exist; the file is created with mode 0640. */
  readonly databasePath: string
  /** Bytes that the states which wait for the database may take in memory together. */
  readonly queueBytes: number
  readonly log: RecordsLog
  /** Called once the database answers again and rows are missing; what `ready` tells is not told again. */
  readonly onNeedsReindex?: (cause: ReindexCause) => void
  /** The script of the SQLite thread, for tests that let it die. */
  readonly threadScript?: URL
}

/** How the index was found at the start. */
export interface RecordsReady {
  /** Rows are missing (new, set aside, overflowed, or a reindex that did not end): a reindex is due. */
  readonly fresh: boolean
  /**
   * The latest `updatedAt` in the index; null when it is empty. States of the last moment before a crash may
   * be missing: new uploads are in the folders from this day on, the others among `unfinished`.
   */
  readonly newestAt: string | null
}

export interface RecordsStats {
  /** Uploads whose newest state is not in the database yet; twice those that have an older one on its way. */
  readonly queued: number
  /** The bytes they take in memory, as an upper bound. */
  readonly queuedBytes: number
  /** How long the longest-waiting of them has been waiting, in milliseconds; 0 when none does. */
  readonly lagMs: number
  /** States written since the start. */
  readonly written: number
  /** States dropped at the queue's limit since the start. */
  readonly dropped: number
  /** How long the last transaction took, in milliseconds. */
  readonly lastBatchMs: number
}

/** What a reindex did. */
export interface ReindexResult {
  /** Sidecars that were put. */
  readonly restored: number
  /** Rows removed because their files are gone. */
  readonly removed: number
}

/** The index of all uploads: a queue in front of SQLite's thread. The disk is the truth, this may lag. */
export interface Records {
  /**
   * Settles once the database is open, which another process's lock may put off for long.
   * Rejects with RecordsError `newer` for the database of a newer Lading, `closed` when closed before.
   */
  readonly ready: Promise<RecordsReady>
  readonly stats: RecordsStats
  /**
   * Every upload that got bytes after then, in milliseconds since 1970, has a row; Infinity while rows may be
   * missing. After a loss a reindex brings back what sidecars tell, but of older bytes without one nobody knows.
   */
  readonly wholeSinceMs: number
  /** Queues the newest state of an upload; never waits, never throws. */
  put(record: UploadRecord): void
  /**
   * Queues what a sidecar says, unless the index knows a later state (by `updatedAt`); waits while the queue
   * is half full.
   *
   * @throws RecordsError `closed` or `newer` (rejects)
   */
  restore(record: UploadRecord): Promise<void>
  /**
   * The newest state of an upload, whether it is in the database yet or not; undefined if there is none.
   * Settles within a second.
   *
   * @throws RecordsError (rejects) when the database is needed and cannot answer: that is not "unknown"
   */
  get(id: string): Promise<UploadRecord | undefined>
  /**
   * The rows in the states receiving and paused, by id, after `afterId` ('' from the start); an empty page is
   * the end. They are as the database has them, without the states that still wait.
   *
   * @throws RecordsError (rejects) when the database stays locked for 30 s or fails
   */
  unfinished(afterId: string, limit: number): Promise<readonly UploadRecord[]>
  /** The rows receiving, paused and finished, otherwise as `unfinished` gives them. */
  withFiles(afterId: string, limit: number): Promise<readonly UploadRecord[]>
  /** Those of the ids that have no row. Rejects as `unfinished` does. */
  missing(ids: readonly string[]): Promise<readonly string[]>
  /** The rows of these ids, in no order. Rejects as `unfinished` does. */
  rows(ids: readonly string[]): Promise<readonly UploadRecord[]>
  /** The rows of finished final uploads behind a place in the order of `updatedAt` and id; rejects as `unfinished` does. */
  finals(after: Place, limit: number): Promise<readonly UploadRecord[]>
  /** Deletes the rows receiving, paused and finished of uploads without files. Rejects as `purge` does. */
  remove(ids: readonly string[]): Promise<number>
  /**
   * True where the process before this one said by `leaveClean` that nothing would be missing. Asked once, at the
   * start: the mark is gone then. Rejects as `unfinished` does.
   */
  takeClean(): Promise<boolean>
  /** The caller has compared the index with the disk: once `close` has written everything, nothing is missing. */
  leaveClean(): void
  /**
   * Deletes the rows refused, expired or terminated that were last updated before then, and in each of
   * these states the oldest beyond the newest `most`; returns how many.
   *
   * @throws RecordsError (rejects) when the database stays locked for 30 s or fails; try again later
   */
  purge(before: Date, most?: number): Promise<number>
  /**
   * Builds the index anew: puts every sidecar, then removes the rows receiving, paused or finished of which
   * `isKept` says that their files are gone. Needs no more memory for more uploads, and runs beside uploads.
   *
   * @throws RecordsError (rejects), or what the walk throws; what `ready` tells of the next start stays as it was
   */
  reindex(
    sidecars: AsyncIterable<UploadRecord>,
    isKept: (record: UploadRecord) => Promise<boolean>,
  ): Promise<ReindexResult>
  /** True when what is queued now is in the database; false after `timeoutMs`, or when that cannot be. */
  flush(timeoutMs: number): Promise<boolean>
  /** Writes what is queued, for `timeoutMs` at most, and ends the thread; later states are ignored. */
  close(timeoutMs: number): Promise<void>
}

/** Starts the thread and returns at once, whatever state the database is in. */
export function openRecords(options: RecordsOptions): Records {
  return new QueuedRecords(options)
}
