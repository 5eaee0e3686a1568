import fc from 'fast-check'

export const MOST_BYTES = 2 ** 20
export const BLOCK_BYTES = 256 * 1024

const SNIFF_BYTES = 512

/** Sizes near the places where something changes: nothing, the 512 bytes of the type, a block, many blocks. */
export const bytes = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 3 }), weight: 2 },
  { arbitrary: fc.integer({ min: SNIFF_BYTES - 2, max: SNIFF_BYTES + 2 }), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 4_000 }), weight: 4 },
  { arbitrary: fc.integer({ min: BLOCK_BYTES - 2, max: BLOCK_BYTES + 2 }), weight: 2 },
  { arbitrary: fc.integer({ min: 0, max: MOST_BYTES }), weight: 3 },
)
