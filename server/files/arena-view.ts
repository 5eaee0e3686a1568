/** The arena's memory, which the threads share. */
export interface ArenaMemory {
  readonly shared: SharedArrayBuffer
  readonly blockBytes: number
}

/** The arena as a thread sees it. */
export interface ArenaView {
  /** The bytes of blocks, given as index and filled bytes of each, in turn. */
  blocksOf(blocks: readonly number[]): Generator<Uint8Array>
}

/** The arena from what a thread was started with. Throws where that is something else. */
export function openArena(data: unknown): ArenaView {
  if (typeof data !== 'object' || data === null || !('shared' in data) || !('blockBytes' in data)) {
    throw new Error('the thread was started without an arena')
  }
  const { shared, blockBytes } = data
  if (!(shared instanceof SharedArrayBuffer) || typeof blockBytes !== 'number') {
    throw new Error('the thread was started with something that is not an arena')
  }
  const bytes = new Uint8Array(shared)
  return {
    *blocksOf(blocks) {
      for (let i = 0; i + 1 < blocks.length; i += 2) {
        const start = (blocks[i] ?? 0) * blockBytes
        yield bytes.subarray(start, start + (blocks[i + 1] ?? 0))
      }
    },
  }
}
