/** A point at which the digest of everything before it is known. */
export interface Checkpoint {
  /** Bytes from the start of the upload. */
  readonly offset: number
  /** SHA-256 of the bytes before it, lower-case hex. */
  readonly sha256: string
}

const MOST_CHECKPOINTS = 64

/**
 * Adds a checkpoint to a list in the order of offsets. The list has a limit: at 64 every second one but the newest is
 * dropped. A sidecar stays small that way, and a fall-back may cost more bytes.
 */
export function addCheckpoint(list: readonly Checkpoint[], added: Checkpoint): Checkpoint[] {
  const before = list.filter(({ offset }) => offset < added.offset)
  const thinned = before.length >= MOST_CHECKPOINTS ? before.filter((_, i) => i % 2 === 0) : before
  return [...thinned, added]
}
