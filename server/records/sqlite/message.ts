import type { RecordsProblem } from '../../model/record-store.js'
import type { Answer, Call, Opening, RecordBatch, RowFault } from '../backend.js'

/** What the SQLite thread is started with. */
export interface ThreadData {
  readonly databasePath: string
  /** When the index was opened, in ISO 8601: rows from before may be ahead of their files. */
  readonly openedAt: string
}

export type ToThread =
  | { readonly kind: 'batch'; readonly batch: RecordBatch }
  /** `retryMs`: for how long a locked database is tried again; 0 is once. */
  | { readonly kind: 'call'; readonly number: number; readonly call: Call; readonly retryMs: number }
  | { readonly kind: 'close' }

export type FromThread =
  | { readonly kind: 'answer'; readonly number: number; readonly answer: Answer }
  | {
      readonly kind: 'failure'
      readonly number: number
      readonly problem: RecordsProblem
      readonly cause: string
    }
  | ThreadNews

/** What the thread reports unasked; see BackendEvents. */
export type ThreadNews =
  | { readonly kind: 'opened'; readonly opening: Opening }
  | { readonly kind: 'written'; readonly faults: readonly RowFault[] }
  | { readonly kind: 'troubled'; readonly problem: RecordsProblem; readonly cause: string }
  | { readonly kind: 'recovered'; readonly afterMs: number; readonly tries: number }
  | { readonly kind: 'halted'; readonly cause: string }
  /** A damaged database was moved to `path`. */
  | { readonly kind: 'setAside'; readonly path: string; readonly cause: string }
