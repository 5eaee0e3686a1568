import type { RecordState, UploadRecord } from '../model/record.js'
import type { RecordPlace, RecordsProblem } from '../model/record-store.js'
import type { ListPlace, UploadFilter } from '../model/upload-list.js'

/** Rows that a reindex looks at, or a purge deletes, at once: no batch waits long behind them. */
export const ROWS_AT_ONCE = 256

/** Records to write in one transaction. */
export interface RecordBatch {
  /** The newest records of uploads: each replaces its row. */
  readonly live: readonly UploadRecord[]
  /** Records read from sidecars: each gives way to a row that this process has written and that is newer. */
  readonly restored: readonly UploadRecord[]
  /** Records were dropped since the last batch: the index needs a reindex, even after a restart. */
  readonly incomplete: boolean
}

/** A record that the database will never take. */
export interface RowFault {
  readonly id: string
  readonly cause: string
}

/** A question or a task for the database. Limits are rows; a page of long rows has fewer. */
export type Call =
  | { readonly name: 'get'; readonly id: string }
  | { readonly name: 'unfinished'; readonly afterId: string; readonly limit: number }
  | { readonly name: 'withFiles'; readonly afterId: string; readonly limit: number }
  | { readonly name: 'remove'; readonly ids: readonly string[] }
  | { readonly name: 'purge'; readonly state: RecordState; readonly before: string; readonly limit: number }
  /** From now on no rows are missing of uploads that received bytes after then; milliseconds since 1970. */
  | { readonly name: 'complete'; readonly wholeSinceMs: number }
  /** Leaves the mark that everything was written before the end. */
  | { readonly name: 'markClean' }
  /** Removes that mark; `changes` is 1 where it was there. */
  | { readonly name: 'takeClean' }
  /** A page of a list, behind a place. */
  | {
      readonly name: 'list'
      readonly filter: UploadFilter
      readonly after: ListPlace
      readonly limit: number
    }
  /** How many uploads a list has behind a place, as far as one look goes, and without those that wait in a newer state. */
  | CountCall
  | Search

interface CountCall {
  readonly name: 'count'
  readonly filter: UploadFilter
  readonly after: ListPlace
  readonly without: readonly string[]
}

/** The questions of the background work. */
export type Search =
  /** Which of these have no row. */
  | { readonly name: 'missing'; readonly ids: readonly string[] }
  | { readonly name: 'rows'; readonly ids: readonly string[] }
  /** Finished final uploads by the time of their finish, after a place in that order. */
  | { readonly name: 'finals'; readonly after: RecordPlace; readonly limit: number }
  /** The `updatedAt` of the newest row in a state behind `skip` newer ones. */
  | { readonly name: 'newest'; readonly state: RecordState; readonly skip: number }

/** The answer to a call: a question has rows, a task has changes. */
export interface Answer {
  readonly rows: readonly UploadRecord[]
  /** Ids or times, where only they are asked for. */
  readonly found?: readonly string[]
  /** Where a list goes on behind what was looked at; null at its end. */
  readonly next?: ListPlace | null
  /** How many rows or marks were deleted, or were counted. */
  readonly changes: number
}

/** How the database was found when it was opened. */
export interface Opening {
  /** It did not exist, was empty, or was damaged and replaced. */
  readonly isNew: boolean
  /** Rows are missing: it is new, or records were dropped, or a reindex did not reach its end. */
  readonly incomplete: boolean
  /** The latest `updatedAt` in it; null when it has no rows. */
  readonly newestAt: string | null
  /** Every upload that received bytes after then has a row, unless rows are missing; milliseconds since 1970. */
  readonly wholeSinceMs: number
  /** Which database it is; it changes when the database is deleted or replaced. */
  readonly identity: string
}

/** What a backend reports. Trouble is reported once when writing begins to fail, not at every try. */
export interface BackendEvents {
  /** It takes a batch, for the first time or again after `lost`. */
  started(): void
  /** The database is open, for the first time or again. */
  opened(opening: Opening): void
  /** The batch under way is written, except for the faults. */
  written(faults: readonly RowFault[]): void
  /** The batch under way, if there was one, was lost; it is sent again after `started`. */
  lost(): void
  /** Writing fails; it is tried again until it works. */
  troubled(problem: RecordsProblem, cause: string): void
  recovered(afterMs: number, tries: number): void
  /** The schema is a newer Lading's: the database is left untouched, and nothing more will come. */
  halted(cause: string): void
}

/** A database behind the queue. SQLite is one; a test has another that is memory. */
export interface Backend {
  /** Takes a batch; one is under way at a time. False while the backend is down. */
  write(batch: RecordBatch): boolean
  /**
   * Asks the database, or gives it a task.
   *
   * @param retryMs for how long a locked database is tried again, in milliseconds; 0 asks once
   * @returns a promise that settles within `retryMs` and a second
   * @throws RecordsError (rejects) when the database is locked, failing or slow, or too many calls wait
   */
  call(call: Call, retryMs: number): Promise<Answer>
  /** Closes the database; never takes longer than `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>
}
