import type { UploadRecord } from './record.js'
import type { ListPage, ListPlace, UploadFilter } from './upload-list.js'

/** Why a store cannot answer. Callers fall back to the sidecar, which is the truth anyway. */
export type RecordsProblem = 'locked' | 'failing' | 'newer' | 'slow' | 'overloaded' | 'closed'

/** A call that the store could not do. No upload depends on one. */
export class RecordsError extends Error {
  readonly problem: RecordsProblem

  constructor(problem: RecordsProblem, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'RecordsError'
    this.problem = problem
  }
}

/** Why records are missing: the database was lost or replaced while in use, or the queue was full. */
export type ReindexCause = 'replaced' | 'dropped'

/** How the database was found at the start. */
export interface RecordsReady {
  /** Records are missing, because the database is new, the queue was full, or a reindex did not end: one is due. */
  readonly fresh: boolean
  /**
   * The latest `updatedAt` in the database; null when it is empty. Records of the last moment before a crash may
   * be missing: look for new uploads in the folders from this day on, and for the others among `unfinished`.
   */
  readonly newestAt: string | null
}

export interface RecordsStats {
  /** Records that wait for the database. An upload counts twice while an older record of it is being written. */
  readonly queued: number
  /** An upper bound of the bytes that they take in memory. */
  readonly queuedBytes: number
  /** How long the oldest of them has waited, in milliseconds; 0 when none waits. */
  readonly lagMs: number
  /** Records dropped since the start because the queue was full. */
  readonly dropped: number
  /** Why the database is not written now; null where it is, as far as the last try has shown. */
  readonly trouble: RecordsProblem | null
}

/** What a reindex did. */
export interface ReindexResult {
  /** Records that were read from sidecars. */
  readonly restored: number
  /** Records that were deleted because their files are gone. */
  readonly removed: number
}

/** A place in the order of `updatedAt` and, for equal times, of `id`: where the next page begins. */
export interface RecordPlace {
  readonly updatedAt: string
  readonly id: string
}

/**
 * The index of all uploads: a bounded queue in front of a database. The disk is the truth, and the index may lag.
 *
 * The lists by id and by time are what the database has, without the records that still wait; `list` and `count` have
 * them too. A page may be shorter than its limit where records are long; but for `list`, an empty page is the end.
 */
export interface RecordStore {
  /**
   * Resolves once the database is open; another process's lock may delay that for long. Rejects with RecordsError
   * `newer` for the database of a newer Lading, and `closed` when the store was closed before.
   */
  readonly ready: Promise<RecordsReady>
  readonly stats: RecordsStats
  /**
   * Every upload that received bytes after this time has a record; milliseconds since 1970. Infinity while records
   * may be missing. A reindex restores what has a sidecar; nobody knows of older bytes that have none.
   */
  readonly wholeSinceMs: number
  /** Queues the newest record of an upload. Never waits and never throws. */
  put(record: UploadRecord): void
  /**
   * Queues the record that a sidecar gives, unless the store has a later one (by `updatedAt`). Waits while the queue
   * is half full.
   *
   * @throws RecordsError `closed` or `newer` (rejects)
   */
  restore(record: UploadRecord): Promise<void>
  /**
   * The newest record of an upload, whether the database has it yet or not; undefined if there is none.
   * Settles within a second.
   *
   * @throws RecordsError (rejects) when the database is needed and cannot answer: that does not mean "unknown"
   */
  get(id: string): Promise<UploadRecord | undefined>
  /**
   * The records that are receiving or paused, by id, after `afterId` ('' from the start).
   *
   * @throws RecordsError (rejects) when the database stays locked for 30 s or fails
   */
  unfinished(afterId: string, limit: number): Promise<readonly UploadRecord[]>
  /** The records that are receiving, paused or finished, by id, after `afterId`. Rejects as `unfinished` does. */
  withFiles(afterId: string, limit: number): Promise<readonly UploadRecord[]>
  /**
   * The records that pass a filter, newest first, behind a place; those that wait count as they are, and those that the
   * caller has `newer`, by id. A page may be short, and even empty, where few of many records pass: its `next` says
   * whether the list goes on.
   *
   * @throws RecordsError (rejects) when the database cannot answer within two seconds
   */
  list(
    filter: UploadFilter,
    after: ListPlace,
    limit: number,
    newer?: ReadonlyMap<string, UploadRecord>,
  ): Promise<ListPage<UploadRecord>>
  /** How many records pass a filter. Rejects as `list` does. */
  count(filter: UploadFilter, newer?: ReadonlyMap<string, UploadRecord>): Promise<number>
  /** Finished final uploads in the order of `updatedAt` and id, after a place. Rejects as `unfinished` does. */
  finals(after: RecordPlace, limit: number): Promise<readonly UploadRecord[]>
  /** Those of the ids that have no record. Rejects as `unfinished` does. */
  missing(ids: readonly string[]): Promise<readonly string[]>
  /** The records of these ids, in no order. Rejects as `unfinished` does. */
  rows(ids: readonly string[]): Promise<readonly UploadRecord[]>
  /**
   * Deletes those of these records that are receiving, paused or finished, because their files are gone; resolves
   * with their number. Rejects as `unfinished` does.
   */
  remove(ids: readonly string[]): Promise<number>
  /**
   * Deletes the records that are refused, expired or terminated and were last updated before `before`, and in each
   * of these states the oldest beyond the newest `most`; resolves with their number. Rejects as `unfinished` does.
   */
  purge(before: Date, most?: number): Promise<number>
  /**
   * Queues every sidecar's record, then deletes the records with files for which `isKept` is false. Needs no more
   * memory for more uploads, and runs beside uploads.
   *
   * @throws RecordsError (rejects), or what `sidecars` and `isKept` throw; the next start finds `fresh` as it was
   */
  reindex(
    sidecars: AsyncIterable<UploadRecord>,
    isKept: (record: UploadRecord) => Promise<boolean>,
  ): Promise<ReindexResult>
  /**
   * True where the process before this one left the mark that nothing is missing. Removes the mark: it is asked for
   * once, at the start. Rejects as `unfinished` does.
   */
  takeClean(): Promise<boolean>
  /** The caller has compared the index with the disk. `close` leaves the mark once everything is written. */
  leaveClean(): void
  /** True when what is queued now is in the database; false after `timeoutMs`, or when that cannot be. */
  flush(timeoutMs: number): Promise<boolean>
  /** Writes what is queued, for `timeoutMs` at most, and closes the database. Later records are ignored. */
  close(timeoutMs: number): Promise<void>
}
