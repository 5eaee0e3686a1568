import type { RangeReader } from '../../server/model/engine.js'

/** Reads a range of bytes that are in memory, then others. */
export function memoryRange(
  bytes: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
): RangeReader {
  let rest = bytes.subarray(from, to)
  return {
    next: async (mostBytes) => {
      const piece = rest.subarray(0, mostBytes)
      rest = rest.subarray(piece.length)
      return piece.length === 0 ? undefined : piece
    },
    goTo: (range) => {
      rest = bytes.subarray(range.from, range.to)
    },
    close: async () => {},
  }
}
