/** Why an intake was ended from outside before its body was over. */
export type StopReason = 'taken_over' | 'shutting_down' | 'idle' | 'slow' | 'disk_full' | 'damaged'

/** How a body ended: whole, with its connection, by running over its room, or by one of the reasons. */
export type IntakeEnd = 'complete' | 'cut' | 'overrun' | StopReason

/** A block of the arena and how many bytes of it are filled. */
export interface FilledBlock {
  readonly index: number
  readonly bytes: number
}

/** A block that is being filled, and since when. */
export interface Filling {
  readonly index: number
  bytes: number
  readonly sinceMs: number
}

/** Where blocks go. Called with one batch at a time; `last` comes exactly once, with the final batch. */
export interface Sink {
  /** Bytes it wants to see, in a batch of their own, before any more of the body is read; 0 for none. */
  readonly wantsFirstBytes: number
  write(blocks: readonly FilledBlock[], last: boolean): Promise<void>
}
