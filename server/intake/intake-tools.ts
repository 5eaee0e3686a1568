import type { Arena } from './arena.js'
import type { PaceLimits } from './pace.js'

export interface IntakeLimits extends PaceLimits {
  /** Blocks one body may hold at once. */
  readonly blocks: number
  /** How often a body's pace and its unfinished block are checked; milliseconds. */
  readonly tickMs: number
}

export interface IntakeTools {
  readonly arena: Arena
  readonly limits: IntakeLimits
  /** The bytes that the body has by its Content-Length; null where that is not known. */
  readonly bodyBytes: number | null
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
  /** Called once, when the first byte is wanted. */
  readonly begins: () => void
}

/** A block that is being filled. */
export type Filling = { readonly index: number; bytes: number; readonly sinceMs: number }
