import type { RecordState, UploadRecord } from '../../model/record.js'
import type { RecordsProblem } from '../error.js'

/** What the SQLite thread is started with. */
export interface ThreadData {
  readonly databasePath: string
  /** When the index was opened, in ISO 8601: rows from before may be ahead of their files. */
  readonly openedAt: string
}

/** States to write in one transaction; there is one on its way at a time. */
export interface Batch {
  /** States that uploads told us: each replaces its row. */
  readonly live: readonly UploadRecord[]
  /** States read from sidecars: each gives way to a row that is newer. */
  readonly restored: readonly UploadRecord[]
  /** States were dropped since the last batch: the index needs a reindex, even after a restart. */
  readonly incomplete: boolean
}

/** A question or a task for the database. Limits are rows; a page of long rows has fewer. */
export type Call =
  | { readonly name: 'get'; readonly id: string }
  | { readonly name: 'unfinished'; readonly afterId: string; readonly limit: number }
  | { readonly name: 'withFiles'; readonly afterId: string; readonly limit: number }
  | { readonly name: 'remove'; readonly ids: readonly string[] }
  | { readonly name: 'purge'; readonly state: RecordState; readonly before: string; readonly limit: number }
  /** No rows are missing any more of uploads that got bytes after then; milliseconds since 1970. */
  | { readonly name: 'complete'; readonly wholeSinceMs: number }
  /** Leaves, or takes away, the mark that everything was written before the end. */
  | { readonly name: 'markClean' }
  | { readonly name: 'takeClean' }
  | Search

/** The questions of the background work. */
export type Search =
  /** Which of these have no row. */
  | { readonly name: 'missing'; readonly ids: readonly string[] }
  | { readonly name: 'rows'; readonly ids: readonly string[] }
  /** Finished final uploads by the time of their finish, after a place in that order. */
  | { readonly name: 'finals'; readonly after: Place; readonly limit: number }
  /** The `updatedAt` of the newest row in a state behind `skip` newer ones. */
  | { readonly name: 'newest'; readonly state: RecordState; readonly skip: number }

/** A place in the order of `updatedAt` and id. */
export interface Place {
  readonly updatedAt: string
  readonly id: string
}

/** What every call is answered with; a question has rows, a task has changes. */
export interface Answer {
  readonly rows: readonly UploadRecord[]
  /** Ids or times, where only they are asked for. */
  readonly found?: readonly string[]
  /** Rows that were deleted, or marks. */
  readonly changes: number
}

export type ToThread =
  | { readonly kind: 'batch'; readonly batch: Batch }
  /** `retryMs`: for how long a locked database is tried again; 0 is once. */
  | { readonly kind: 'call'; readonly number: number; readonly call: Call; readonly retryMs: number }
  | { readonly kind: 'close' }

/** How the database was found when it was opened. */
export interface Opening {
  /** It did not exist, or was empty, or was set aside. */
  readonly anew: boolean
  /** Rows are missing: it is new, or states were dropped, or a reindex did not reach its end. */
  readonly incomplete: boolean
  /** The latest `updatedAt` in it; null when it has no rows. */
  readonly newestAt: string | null
  /** Every upload that got bytes after then has a row, once rows are not missing; milliseconds since 1970. */
  readonly wholeSinceMs: number
  /** Which file it is: another one after it was deleted or replaced. */
  readonly file: string
  /** Where a damaged database was moved to, and why; null when none was. */
  readonly setAside: { readonly path: string; readonly cause: string } | null
}

export interface RowFault {
  readonly id: string
  readonly cause: string
}

export type FromThread =
  | ({ readonly kind: 'opened' } & Opening)
  /** `faults`: states that SQLite will never take; they are left out, the rest is written. */
  | { readonly kind: 'written'; readonly tookMs: number; readonly faults: readonly RowFault[] }
  | { readonly kind: 'answer'; readonly number: number; readonly answer: Answer }
  | {
      readonly kind: 'failure'
      readonly number: number
      readonly problem: RecordsProblem
      readonly cause: string
    }
  /** Sent once when writing begins to fail, and once when it works again. */
  | { readonly kind: 'trouble'; readonly problem: RecordsProblem; readonly cause: string }
  | { readonly kind: 'recovered'; readonly afterMs: number; readonly tries: number }
  /** The database is of a newer schema: it is left untouched, and nothing more will come. */
  | { readonly kind: 'halted'; readonly cause: string }
