/** A block of the arena, and how many bytes of it are filled. */
export interface Block {
  readonly index: number
  readonly bytes: number
}

/**
 * What takes the blocks of a body. It is called with one batch at a time, but for the last one where `takesLastAtOnce`;
 * `last` comes exactly once, with the final batch.
 */
export interface BlockSink {
  /** Bytes it asks for, in a batch of their own, before any more of the body is read; 0 for none. */
  readonly wantsFirstBytes: number
  /** It takes the last batch also while it writes the one before, and ends with them in order. */
  readonly takesLastAtOnce: boolean
  write(blocks: readonly Block[], last: boolean): Promise<void>
}

/** Why the server ended a body before its end. */
export type BodyStop = 'taken_over' | 'shutting_down' | 'idle' | 'slow' | 'disk_full' | 'damaged' | 'stopped'

/** How a body ended: whole, with its connection, by running over its room, or stopped by the server. */
export type BodyEnd = 'complete' | 'cut' | 'overrun' | BodyStop

/** The body of a request as the intake offers it. */
export interface Body {
  /** The server stopped it, or its connection is gone. */
  readonly isStopped: boolean
  /**
   * Hands at most `roomBytes` of the body to the sink, and resolves with how the body ended once the sink has taken
   * the last batch. Rejects with the sink's error.
   */
  drain(sink: BlockSink, roomBytes: number): Promise<BodyEnd>
  /** Ends the body where it stands: what was received goes to the sink, and nothing more is read. */
  stop(reason: BodyStop): void
}

/** Tells whether the connection is gone, or is about to be: no answer reaches the sender. */
export function isUnanswered(end: BodyEnd): boolean {
  return end === 'cut' || isTooSlow(end)
}

/** Tells whether the sender sent nothing for too long, or less than the slowest rate that is allowed. */
export function isTooSlow(end: BodyEnd): boolean {
  return end === 'idle' || end === 'slow'
}
